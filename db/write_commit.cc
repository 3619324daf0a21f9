#include "db/write_commit.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/hash.h"
#include "db/encode.h"

namespace corkscrew {

namespace {

Hash16 Finish(Sha256Stream* stream) {
  const Sha256Digest digest = stream->Finish();
  Hash16 hash;
  std::copy_n(digest.begin(), hash.size(), hash.begin());
  return hash;
}

void AppendText(absl::string_view text, std::string* out) {
  AppendBig(static_cast<uint32_t>(text.size()), out);
  AppendBytes(text, out);
}

void AppendVersion(const std::optional<Version>& version, std::string* out) {
  AppendBig(static_cast<uint8_t>(version.has_value()), out);
  if (!version.has_value()) return;
  AppendBig(version->lamport, out);
  AppendBytes(BytesOf(version->replica.bytes), out);
  AppendBig(version->incarnation, out);
  AppendBig(version->seq, out);
}

void AppendPut(const RequestItem& item, std::string* out) {
  AppendBig(static_cast<uint8_t>(item.has_vector), out);
  if (item.has_vector) {
    const absl::string_view bytes(
        reinterpret_cast<const char*>(item.vector.data()),
        item.vector.size() * sizeof(float));
    AppendBytes(BytesOf(Sha256(bytes)), out);
  }
  AppendBytes(BytesOf(Sha256(item.text)), out);
  AppendBig(static_cast<uint8_t>(item.metadata_bytes != nullptr), out);
  if (item.metadata_bytes != nullptr) {
    AppendBytes(BytesOf(Sha256(*item.metadata_bytes)), out);
  }
  AppendBig(item.expires_ms, out);
}

// `item.metadata_bytes` are those of the keys to set.
void AppendPatch(const RequestItem& item, std::string* out) {
  AppendBig(static_cast<uint8_t>(item.metadata_bytes != nullptr), out);
  if (item.metadata_bytes != nullptr) {
    AppendBytes(BytesOf(Sha256(*item.metadata_bytes)), out);
  }
  AppendBig(static_cast<uint32_t>(item.patch->remove.size()), out);
  for (const std::string& key : item.patch->remove) AppendText(key, out);
}

void AppendValue(const Value& value, std::string* out) {
  AppendBig(static_cast<uint8_t>(value.index() + 1), out);
  if (const auto* b = std::get_if<bool>(&value)) {
    AppendBig(static_cast<uint8_t>(*b), out);
  } else if (const auto* i = std::get_if<int64_t>(&value)) {
    AppendBig(static_cast<uint64_t>(*i), out);
  } else if (const auto* d = std::get_if<double>(&value)) {
    AppendBig(std::bit_cast<uint64_t>(*d), out);
  } else if (const auto* s = std::get_if<std::string>(&value)) {
    AppendText(*s, out);
  } else {
    const auto& list = std::get<std::vector<std::string>>(value);
    AppendBig(static_cast<uint32_t>(list.size()), out);
    for (const std::string& item : list) AppendText(item, out);
  }
}

void AppendFilter(const Filter& filter, std::string* out) {
  AppendBig(static_cast<uint8_t>(filter.op), out);
  AppendText(filter.key, out);
  AppendBig(static_cast<uint32_t>(filter.values.size()), out);
  for (const Value& value : filter.values) AppendValue(value, out);
  AppendBig(static_cast<uint32_t>(filter.children.size()), out);
  for (const Filter& child : filter.children) AppendFilter(child, out);
}

}  // namespace

Hash16 RequestHash(const Filter& filter) {
  Sha256Stream stream;
  std::string piece = "csdb:req";
  AppendBig(static_cast<uint8_t>(RequestKind::kDeleteMatching), &piece);
  AppendFilter(filter, &piece);
  stream.Update(piece);
  return Finish(&stream);
}

Hash16 RequestHash(RequestKind kind, absl::Span<const RequestItem> items) {
  Sha256Stream stream;
  std::string piece = "csdb:req";
  AppendBig(static_cast<uint8_t>(kind), &piece);
  AppendBig(static_cast<uint32_t>(items.size()), &piece);
  for (const RequestItem& item : items) {
    AppendText(item.id, &piece);
    if (kind == RequestKind::kPut) AppendPut(item, &piece);
    if (kind == RequestKind::kPatch) AppendPatch(item, &piece);
    if (kind != RequestKind::kDelete) AppendVersion(item.if_version, &piece);
    stream.Update(piece);
    piece.clear();
  }
  stream.Update(piece);
  return Finish(&stream);
}

}  // namespace corkscrew
