#include "db/backup_manifest.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/cursor.h"
#include "base/hash.h"
#include "base/status_macros.h"
#include "corkscrew/limits.h"
#include "db/encode.h"
#include "db/rows.h"

namespace corkscrew {
namespace {

constexpr absl::string_view kMagic = "csdb:bkp";
constexpr uint8_t kForm = 2;

void Append(const Uuid& uuid, std::string* out) {
  AppendBytes(BytesOf(uuid.bytes), out);
}

template <typename Size>
void AppendString(absl::string_view text, std::string* out) {
  assert(text.size() <= std::numeric_limits<Size>::max());
  AppendBig(static_cast<Size>(text.size()), out);
  AppendBytes(text, out);
}

[[nodiscard]] bool Read(Cursor& cursor, Uuid* uuid) {
  absl::string_view bytes;
  if (!cursor.ReadBytes(uuid->bytes.size(), &bytes)) return false;
  std::copy(bytes.begin(), bytes.end(), uuid->bytes.begin());
  return true;
}

template <typename Size>
[[nodiscard]] bool ReadString(Cursor& cursor, std::string* text) {
  Size size;
  absl::string_view bytes;
  if (!cursor.ReadBig(&size) || !cursor.ReadBytes(size, &bytes)) return false;
  *text = std::string(bytes);
  return true;
}

[[nodiscard]] bool Read(Cursor& cursor, BackupManifest::Collection* out) {
  return Read(cursor, &out->uuid) && ReadString<uint8_t>(cursor, &out->name) &&
         cursor.ReadBig(&out->lamport) && cursor.ReadBig(&out->stable);
}

[[nodiscard]] bool Read(Cursor& cursor, BackupManifest::Seen* out) {
  return Read(cursor, &out->collection) && cursor.ReadBig(&out->shard) &&
         Read(cursor, &out->origin.replica) &&
         cursor.ReadBig(&out->origin.incarnation) && cursor.ReadBig(&out->seq);
}

[[nodiscard]] bool Read(Cursor& cursor, BackupManifest::Purged* out) {
  return Read(cursor, &out->collection) &&
         ReadString<uint16_t>(cursor, &out->id) && !out->id.empty() &&
         out->id.size() <= kMaxIdBytes &&
         cursor.ReadBig(&out->version.lamport) &&
         Read(cursor, &out->version.replica) &&
         cursor.ReadBig(&out->version.incarnation) &&
         cursor.ReadBig(&out->version.seq);
}

[[nodiscard]] bool Read(Cursor& cursor, BackupManifest::File* out) {
  absl::string_view sha256;
  if (!ReadString<uint8_t>(cursor, &out->name) ||
      !cursor.ReadBig(&out->bytes) ||
      !cursor.ReadBytes(out->sha256.size(), &sha256)) {
    return false;
  }
  std::copy(sha256.begin(), sha256.end(), out->sha256.begin());
  return true;
}

// Elements are read one by one, so that a count allocates nothing by itself.
template <typename T>
[[nodiscard]] bool ReadAll(Cursor& cursor, std::vector<T>* out) {
  uint32_t count;
  if (!cursor.ReadBig(&count)) return false;
  for (uint32_t i = 0; i < count; ++i) {
    if (!Read(cursor, &out->emplace_back())) return false;
  }
  return true;
}

absl::Status Malformed(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("manifest is damaged: ", what));
}

bool IsNumber(absl::string_view text) {
  return text.size() >= 6 && text.size() <= 20 &&
         std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

// The files make up a store: each once, by name, with one list of files.
absl::Status CheckFiles(const std::vector<BackupManifest::File>& files) {
  uint64_t bytes = 0;
  size_t currents = 0;
  size_t lists = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    const std::string& name = files[i].name;
    if (!IsStoreFileName(name)) {
      return Malformed("it names a file that a store does not have");
    }
    if (i > 0 && name <= files[i - 1].name) {
      return Malformed("its files are not in order");
    }
    if (files[i].bytes > std::numeric_limits<int64_t>::max() - bytes) {
      return Malformed("its files are too large");
    }
    bytes += files[i].bytes;
    currents += name == "CURRENT";
    lists += absl::StartsWith(name, "MANIFEST-");
  }
  if (currents != 1 || lists != 1) {
    return Malformed("the store has no list of files");
  }
  return absl::OkStatus();
}

}  // namespace

bool IsStoreFileName(absl::string_view name) {
  if (name == "CURRENT") return true;
  if (absl::ConsumePrefix(&name, "MANIFEST-") ||
      absl::ConsumePrefix(&name, "OPTIONS-") ||
      absl::ConsumeSuffix(&name, ".sst") ||
      absl::ConsumeSuffix(&name, ".log")) {
    return IsNumber(name);
  }
  return false;
}

std::string EncodeManifest(const BackupManifest& manifest) {
  std::string out(kMagic);
  AppendBig(kForm, &out);
  AppendBig(manifest.generation, &out);
  Append(manifest.uuid, &out);
  Append(manifest.replica, &out);
  AppendBig(manifest.incarnation, &out);
  AppendBytes(Encode(manifest.format), &out);
  AppendBig(static_cast<uint64_t>(manifest.wall_ms), &out);
  AppendBig(static_cast<uint32_t>(manifest.collections.size()), &out);
  for (const BackupManifest::Collection& collection : manifest.collections) {
    Append(collection.uuid, &out);
    AppendString<uint8_t>(collection.name, &out);
    AppendBig(collection.lamport, &out);
    AppendBig(collection.stable, &out);
  }
  AppendBig(static_cast<uint32_t>(manifest.seen.size()), &out);
  for (const BackupManifest::Seen& seen : manifest.seen) {
    Append(seen.collection, &out);
    AppendBig(seen.shard, &out);
    Append(seen.origin.replica, &out);
    AppendBig(seen.origin.incarnation, &out);
    AppendBig(seen.seq, &out);
  }
  AppendBig(static_cast<uint32_t>(manifest.purged.size()), &out);
  for (const BackupManifest::Purged& purged : manifest.purged) {
    Append(purged.collection, &out);
    AppendString<uint16_t>(purged.id, &out);
    AppendBig(purged.version.lamport, &out);
    Append(purged.version.replica, &out);
    AppendBig(purged.version.incarnation, &out);
    AppendBig(purged.version.seq, &out);
  }
  AppendBig(static_cast<uint32_t>(manifest.files.size()), &out);
  for (const BackupManifest::File& file : manifest.files) {
    AppendString<uint8_t>(file.name, &out);
    AppendBig(file.bytes, &out);
    AppendBytes(BytesOf(file.sha256), &out);
  }
  const Sha256Digest digest = Sha256(out);
  AppendBytes(BytesOf(digest), &out);
  return out;
}

absl::StatusOr<BackupManifest> DecodeManifest(absl::string_view bytes) {
  if (!absl::StartsWith(bytes, kMagic)) {
    return Malformed("it is not one");
  }
  constexpr size_t kDigestBytes = sizeof(Sha256Digest);
  if (bytes.size() < kMagic.size() + kDigestBytes) {
    return Malformed("it is cut off");
  }
  const absl::string_view covered =
      bytes.substr(0, bytes.size() - kDigestBytes);
  const Sha256Digest digest = Sha256(covered);
  if (BytesOf(digest) != bytes.substr(covered.size())) {
    return Malformed("its hash is another one");
  }
  Cursor cursor(covered.substr(kMagic.size()));
  BackupManifest manifest;
  uint8_t form;
  if (!cursor.ReadBig(&form)) return Malformed("it is cut off");
  if (form != kForm) {
    return absl::FailedPreconditionError(
        absl::StrCat("manifest has form ", form, ", this build knows ", kForm,
                     "; use the build that wrote it, or take a new backup"));
  }
  constexpr size_t kFormatBytes = 28;
  absl::string_view format;
  uint64_t wall_ms;
  if (!cursor.ReadBig(&manifest.generation) || !Read(cursor, &manifest.uuid) ||
      !Read(cursor, &manifest.replica) ||
      !cursor.ReadBig(&manifest.incarnation) ||
      !cursor.ReadBytes(kFormatBytes, &format) || !cursor.ReadBig(&wall_ms)) {
    return Malformed("its head is malformed");
  }
  manifest.wall_ms = static_cast<int64_t>(wall_ms);
  CORKSCREW_ASSIGN_OR_RETURN(manifest.format, DecodeFormatRow(format));
  if (!ReadAll(cursor, &manifest.collections) ||
      !ReadAll(cursor, &manifest.seen) || !ReadAll(cursor, &manifest.purged) ||
      !ReadAll(cursor, &manifest.files) || !cursor.done()) {
    return Malformed("its lists are malformed");
  }
  CORKSCREW_RETURN_IF_ERROR(CheckFiles(manifest.files));
  return manifest;
}

uint64_t TotalBytes(const BackupManifest& manifest) {
  uint64_t bytes = 0;
  for (const BackupManifest::File& file : manifest.files) bytes += file.bytes;
  return bytes;
}

BackupContent ContentOf(const BackupManifest& manifest) {
  BackupContent content;
  content.uuid = manifest.uuid;
  content.replica = manifest.replica;
  content.incarnation = manifest.incarnation;
  content.format_version = manifest.format.version;
  content.wall_ms = manifest.wall_ms;
  for (const BackupManifest::Collection& collection : manifest.collections) {
    content.collections.push_back(
        {collection.name, collection.uuid, collection.lamport});
  }
  content.files = manifest.files.size();
  content.bytes = TotalBytes(manifest);
  return content;
}

}  // namespace corkscrew
