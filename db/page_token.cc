#include "db/page_token.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/cursor.h"
#include "base/hash.h"
#include "corkscrew/limits.h"
#include "db/encode.h"

namespace corkscrew {
namespace {

constexpr size_t kCheckBytes = 8;

void AppendText(absl::string_view text, std::string* out) {
  AppendVarint(text.size(), out);
  AppendBytes(text, out);
}

void AppendValue(const Value& value, std::string* out) {
  AppendVarint(value.index(), out);
  if (const auto* b = std::get_if<bool>(&value)) {
    AppendVarint(*b, out);
  } else if (const auto* i = std::get_if<int64_t>(&value)) {
    AppendBig(static_cast<uint64_t>(*i), out);
  } else if (const auto* d = std::get_if<double>(&value)) {
    AppendBig(std::bit_cast<uint64_t>(*d), out);
  } else if (const auto* s = std::get_if<std::string>(&value)) {
    AppendText(*s, out);
  } else {
    const auto& list = std::get<std::vector<std::string>>(value);
    AppendVarint(list.size(), out);
    for (const std::string& item : list) AppendText(item, out);
  }
}

// The filter has been validated, which bounds its depth.
void AppendFilter(const Filter& filter, std::string* out) {
  AppendVarint(static_cast<uint64_t>(filter.op), out);
  AppendText(filter.key, out);
  AppendVarint(filter.values.size(), out);
  for (const Value& value : filter.values) AppendValue(value, out);
  AppendVarint(filter.children.size(), out);
  for (const Filter& child : filter.children) AppendFilter(child, out);
}

std::string Check(absl::string_view bound_to, absl::string_view payload) {
  std::string input;
  AppendText(bound_to, &input);
  AppendBytes(payload, &input);
  const Sha256Digest digest = Sha256(input);
  return std::string(BytesOf(digest).substr(0, kCheckBytes));
}

std::string Seal(absl::string_view bound_to, absl::string_view payload) {
  return absl::WebSafeBase64Escape(
      absl::StrCat(payload, Check(bound_to, payload)));
}

absl::StatusOr<std::string> Unseal(absl::string_view bound_to,
                                   absl::string_view token) {
  std::string bytes;
  if (token.size() <= 4 * kMaxIdBytes &&
      absl::WebSafeBase64Unescape(token, &bytes) &&
      bytes.size() >= kCheckBytes) {
    const absl::string_view whole = bytes;
    const absl::string_view payload =
        whole.substr(0, whole.size() - kCheckBytes);
    if (Check(bound_to, payload) == whole.substr(payload.size())) {
      return std::string(payload);
    }
  }
  return absl::InvalidArgumentError(
      "page token: not from a reply to this listing; start again without one");
}

std::string ListBinding(const Uuid& collection, const Filter& filter) {
  std::string out = absl::StrCat("list", BytesOf(collection.bytes));
  AppendFilter(filter, &out);
  return out;
}

std::string HistoryBinding(const Uuid& collection, absl::string_view id) {
  return absl::StrCat("history", BytesOf(collection.bytes), id);
}

}  // namespace

std::string EncodeListToken(const Uuid& collection, const Filter& filter,
                            const ListPosition& position) {
  std::string payload;
  AppendBig(position.at, &payload);
  AppendBig(static_cast<uint64_t>(position.wall_ms), &payload);
  AppendBytes(position.id, &payload);
  return Seal(ListBinding(collection, filter), payload);
}

absl::StatusOr<ListPosition> DecodeListToken(const Uuid& collection,
                                             const Filter& filter,
                                             absl::string_view token) {
  const absl::StatusOr<std::string> payload =
      Unseal(ListBinding(collection, filter), token);
  if (!payload.ok()) return payload.status();
  Cursor cursor(*payload);
  ListPosition position;
  uint64_t wall_ms;
  if (!cursor.ReadBig(&position.at) || !cursor.ReadBig(&wall_ms)) {
    return absl::InvalidArgumentError("page token: malformed");
  }
  position.wall_ms = static_cast<int64_t>(wall_ms);
  position.id = payload->substr(cursor.position());
  return position;
}

std::string EncodeHistoryToken(const Uuid& collection, absl::string_view id,
                               const Version& version) {
  std::string payload;
  AppendBig(version.lamport, &payload);
  AppendBytes(BytesOf(version.replica.bytes), &payload);
  AppendBig(version.incarnation, &payload);
  AppendBig(version.seq, &payload);
  return Seal(HistoryBinding(collection, id), payload);
}

absl::StatusOr<Version> DecodeHistoryToken(const Uuid& collection,
                                           absl::string_view id,
                                           absl::string_view token) {
  const absl::StatusOr<std::string> payload =
      Unseal(HistoryBinding(collection, id), token);
  if (!payload.ok()) return payload.status();
  Cursor cursor(*payload);
  Version version;
  absl::string_view replica;
  if (!cursor.ReadBig(&version.lamport) || !cursor.ReadBytes(16, &replica) ||
      !cursor.ReadBig(&version.incarnation) || !cursor.ReadBig(&version.seq) ||
      !cursor.done()) {
    return absl::InvalidArgumentError("page token: malformed");
  }
  std::copy(replica.begin(), replica.end(), version.replica.bytes.begin());
  return version;
}

}  // namespace corkscrew
