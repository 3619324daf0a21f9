#include "db/keys.h"

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "base/cursor.h"
#include "db/encode.h"

namespace corkscrew {
namespace {

// esc: 00 becomes 00 FF, the end is 00 00, so that a string sorts before its
// extensions whatever follows.
void AppendEscaped(absl::string_view bytes, std::string* out) {
  while (true) {
    const size_t zero = bytes.find('\0');
    if (zero == absl::string_view::npos) break;
    AppendBytes(bytes.substr(0, zero), out);
    out->append("\0\xFF", 2);
    bytes.remove_prefix(zero + 1);
  }
  AppendBytes(bytes, out);
  out->append(2, '\0');
}

bool ReadEscaped(Cursor* cursor, std::string* out) {
  out->clear();
  uint8_t byte;
  while (cursor->ReadBig(&byte)) {
    if (byte == 0) {
      if (!cursor->ReadBig(&byte)) return false;
      if (byte == 0) return true;
      if (byte != 0xFF) return false;
      byte = 0;
    }
    out->push_back(static_cast<char>(byte));
  }
  return false;
}

void AppendStream(Stream stream, std::string* out) {
  AppendBig(stream.collection, out);
  AppendBig(stream.shard, out);
}

bool ReadStream(Cursor* cursor, Stream* stream) {
  return cursor->ReadBig(&stream->collection) &&
         cursor->ReadBig(&stream->shard);
}

bool ReadKind(Cursor* cursor, char kind) {
  uint8_t byte;
  return cursor->ReadBig(&byte) && byte == static_cast<uint8_t>(kind);
}

std::string StreamKey(char kind, Stream stream) {
  std::string key(1, kind);
  AppendStream(stream, &key);
  return key;
}

}  // namespace

std::string KindPrefix(char kind) { return std::string(1, kind); }

std::string KindPrefix(char kind, uint32_t collection) {
  std::string key(1, kind);
  AppendBig(collection, &key);
  return key;
}

std::string MetaKey(absl::string_view name) {
  std::string key = KindPrefix('m');
  AppendBytes(name, &key);
  return key;
}

std::string OriginKey(uint32_t origin) { return KindPrefix('a', origin); }

std::string CollectionKey(uint32_t collection) {
  return KindPrefix('c', collection);
}

std::string NameKey(absl::string_view name) {
  std::string key = KindPrefix('n');
  AppendEscaped(name, &key);
  return key;
}

std::string ClockKey(uint32_t collection) {
  return KindPrefix('k', collection);
}

std::string ExpiryKey(Stream stream, uint64_t expires_ms, uint32_t origin,
                      uint64_t seq) {
  std::string key = KindPrefix('e', stream.collection);
  AppendBig(expires_ms, &key);
  AppendBig(stream.shard, &key);
  AppendBig(origin, &key);
  AppendBig(seq, &key);
  return key;
}

std::string RetentionKey(uint32_t collection) {
  return KindPrefix('r', collection);
}

std::string WallKey(uint32_t collection, uint64_t wall_ms) {
  std::string key = KindPrefix('x', collection);
  AppendBig(wall_ms, &key);
  return key;
}

std::string VectorKey(Stream stream, uint32_t origin) {
  std::string key = StreamKey('v', stream);
  AppendBig(origin, &key);
  return key;
}

std::string OpKey(Stream stream, uint32_t origin, uint64_t seq) {
  std::string key = StreamKey('o', stream);
  AppendBig(origin, &key);
  AppendBig(seq, &key);
  return key;
}

std::string FeedKey(uint32_t collection, uint64_t local_seq) {
  std::string key = KindPrefix('f', collection);
  AppendBig(local_seq, &key);
  return key;
}

std::string SegmentKey(uint32_t collection, uint64_t number) {
  std::string key = KindPrefix('s', collection);
  AppendBig(number, &key);
  return key;
}

std::string HeadKey(Stream stream, absl::string_view id) {
  std::string key;
  key.reserve(id.size() + 16);
  key.push_back('h');
  AppendStream(stream, &key);
  AppendEscaped(id, &key);
  return key;
}

std::string PurgeKey(Stream stream, absl::string_view id) {
  std::string key = StreamKey('p', stream);
  AppendEscaped(id, &key);
  return key;
}

std::string RequestKey(Stream stream, absl::string_view request_id) {
  std::string key = StreamKey('i', stream);
  AppendBytes(request_id, &key);
  return key;
}

std::string StreamPrefix(Stream stream) {
  std::string key;
  AppendStream(stream, &key);
  return key;
}

std::string BodyPrefix(Stream stream, absl::string_view id) {
  std::string key;
  key.reserve(id.size() + 32);
  AppendStream(stream, &key);
  AppendEscaped(id, &key);
  return key;
}

std::string BodySeekKey(Stream stream, absl::string_view id, Lamport at) {
  std::string key = BodyPrefix(stream, id);
  AppendBig(~at, &key);
  return key;
}

std::string BodyRowKey(uint32_t collection, const BodyKey& body) {
  std::string key =
      BodySeekKey({collection, body.shard}, body.id, body.lamport);
  AppendBig(body.origin, &key);
  AppendBig(body.seq, &key);
  return key;
}

std::string BodyCollectionPrefix(uint32_t collection) {
  std::string key;
  AppendBig(collection, &key);
  return key;
}

std::string PrefixEnd(absl::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && end.back() == '\xFF') end.pop_back();
  assert(!end.empty());
  end.back() = static_cast<char>(static_cast<uint8_t>(end.back()) + 1);
  return end;
}

bool ParseOriginKey(absl::string_view key, uint32_t* origin) {
  Cursor cursor(key);
  return ReadKind(&cursor, 'a') && cursor.ReadBig(origin) && cursor.done();
}

bool ParseCollectionKey(absl::string_view key, uint32_t* collection) {
  Cursor cursor(key);
  return ReadKind(&cursor, 'c') && cursor.ReadBig(collection) && cursor.done();
}

bool ParseNameKey(absl::string_view key, std::string* name) {
  Cursor cursor(key);
  return ReadKind(&cursor, 'n') && ReadEscaped(&cursor, name) && cursor.done();
}

bool ParseWallKey(absl::string_view key, uint32_t* collection,
                  uint64_t* wall_ms) {
  Cursor cursor(key);
  return ReadKind(&cursor, 'x') && cursor.ReadBig(collection) &&
         cursor.ReadBig(wall_ms) && cursor.done();
}

bool ParseVectorKey(absl::string_view key, Stream* stream, uint32_t* origin) {
  Cursor cursor(key);
  return ReadKind(&cursor, 'v') && ReadStream(&cursor, stream) &&
         cursor.ReadBig(origin) && cursor.done();
}

bool ParseOpKey(absl::string_view key, Stream* stream, uint32_t* origin,
                uint64_t* seq) {
  Cursor cursor(key);
  return ReadKind(&cursor, 'o') && ReadStream(&cursor, stream) &&
         cursor.ReadBig(origin) && cursor.ReadBig(seq) && cursor.done();
}

bool ParseFeedKey(absl::string_view key, uint32_t* collection,
                  uint64_t* local_seq) {
  Cursor cursor(key);
  return ReadKind(&cursor, 'f') && cursor.ReadBig(collection) &&
         cursor.ReadBig(local_seq) && cursor.done();
}

bool ParseSegmentKey(absl::string_view key, uint32_t* collection,
                     uint64_t* number) {
  Cursor cursor(key);
  return ReadKind(&cursor, 's') && cursor.ReadBig(collection) &&
         cursor.ReadBig(number) && cursor.done();
}

bool ParseHeadKey(absl::string_view key, Stream* stream, std::string* id) {
  Cursor cursor(key);
  return ReadKind(&cursor, 'h') && ReadStream(&cursor, stream) &&
         ReadEscaped(&cursor, id) && cursor.done();
}

bool ParseExpiryKey(absl::string_view key, Stream* stream, uint64_t* expires_ms,
                    uint32_t* origin, uint64_t* seq) {
  Cursor cursor(key);
  return ReadKind(&cursor, 'e') && cursor.ReadBig(&stream->collection) &&
         cursor.ReadBig(expires_ms) && *expires_ms != 0 &&
         cursor.ReadBig(&stream->shard) && cursor.ReadBig(origin) &&
         cursor.ReadBig(seq) && cursor.done();
}

bool ParsePurgeKey(absl::string_view key, Stream* stream, std::string* id) {
  Cursor cursor(key);
  return ReadKind(&cursor, 'p') && ReadStream(&cursor, stream) &&
         ReadEscaped(&cursor, id) && cursor.done();
}

bool ParseRequestKey(absl::string_view key, Stream* stream,
                     std::string* request_id) {
  Cursor cursor(key);
  absl::string_view rest;
  if (!ReadKind(&cursor, 'i') || !ReadStream(&cursor, stream)) return false;
  if (!cursor.ReadBytes(cursor.remaining(), &rest)) return false;
  *request_id = std::string(rest);
  return true;
}

bool ParseBodyRowKey(absl::string_view key, uint32_t* collection,
                     BodyKey* body) {
  Cursor cursor(key);
  Stream stream;
  uint64_t falling_lamport;
  if (!ReadStream(&cursor, &stream) || !ReadEscaped(&cursor, &body->id) ||
      !cursor.ReadBig(&falling_lamport) || !cursor.ReadBig(&body->origin) ||
      !cursor.ReadBig(&body->seq) || !cursor.done()) {
    return false;
  }
  *collection = stream.collection;
  body->shard = stream.shard;
  body->lamport = ~falling_lamport;
  return true;
}

}  // namespace corkscrew
