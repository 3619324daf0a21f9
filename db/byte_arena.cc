#include "db/byte_arena.h"

#include <cassert>
#include <cstring>

namespace corkscrew {
namespace {

// The length is a LEB128 integer before the bytes: one byte for most ids.
size_t LengthBytes(size_t size) {
  return size < (1 << 7) ? 1 : size < (1 << 14) ? 2 : 3;
}

}  // namespace

uint64_t ByteArena::Append(absl::string_view bytes) {
  assert(bytes.size() <= kMaxBytes);
  const size_t needed = LengthBytes(bytes.size()) + bytes.size();
  // A string lies in one chunk: where it does not fit, the rest is skipped.
  Map::Place place = Map::Find(end_);
  while (place.offset + needed > Map::Size(place.chunk)) {
    end_ += Map::Size(place.chunk) - place.offset;
    place = Map::Find(end_);
  }
  while (chunks_.size() <= place.chunk) chunks_.push_back(nullptr);
  std::unique_ptr<char[]>& chunk = chunks_[place.chunk];
  if (chunk == nullptr) {
    chunk = std::make_unique<char[]>(Map::Size(place.chunk));
    capacity_ += Map::Size(place.chunk);
  }
  char* at = chunk.get() + place.offset;
  size_t length = bytes.size();
  for (; length >= 0x80; length >>= 7) *at++ = static_cast<char>(length | 0x80);
  *at++ = static_cast<char>(length);
  if (!bytes.empty()) std::memcpy(at, bytes.data(), bytes.size());
  const uint64_t position = end_;
  end_ += needed;
  return position;
}

absl::string_view ByteArena::Get(uint64_t position) const {
  const Map::Place place = Map::Find(position);
  const char* at = chunks_[place.chunk].get() + place.offset;
  size_t length = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = static_cast<uint8_t>(*at++);
    length |= static_cast<size_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return {at, length};
  }
}

}  // namespace corkscrew
