#include "embed/charsmap.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/cursor.h"

namespace corkscrew {
namespace {

// Fields of a unit of Darts-clone.
bool HasLeaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }
uint32_t Value(uint32_t unit) { return unit & 0x7FFFFFFFu; }
uint32_t Label(uint32_t unit) { return unit & 0x800000FFu; }
uint32_t Offset(uint32_t unit) {
  return (unit >> 10) << ((unit & (1u << 9)) >> 6);
}

}  // namespace

absl::StatusOr<Charsmap> Charsmap::Parse(absl::string_view bytes) {
  Charsmap map;
  Cursor cursor(bytes);
  uint32_t trie_bytes = 0;
  absl::string_view trie;
  if (!cursor.ReadLittle(&trie_bytes) || trie_bytes % 4 != 0 ||
      trie_bytes == 0 || !cursor.ReadBytes(trie_bytes, &trie)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the character map has ", bytes.size(), " bytes and a trie of ",
        trie_bytes, ", want a multiple of 4 that fits"));
  }
  map.units_.resize(trie.size() / 4);
  std::memcpy(map.units_.data(), trie.data(), trie.size());
  map.replacements_ = std::string(bytes.substr(cursor.position()));
  size_t begin = 0;
  while (begin < map.replacements_.size()) {
    const size_t end = map.replacements_.find('\0', begin);
    if (end == std::string::npos || end - begin > kMaxReplacement) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the character map has a replacement without end, or of more than ",
          kMaxReplacement, " bytes, at byte ", begin));
    }
    begin = end + 1;
  }
  return map;
}

Charsmap::Match Charsmap::FindLongest(absl::string_view text,
                                      uint64_t* steps) const {
  Match match;
  if (units_.empty()) return match;
  size_t node = Offset(units_[0]);
  for (size_t i = 0; i < text.size(); ++i) {
    ++*steps;
    const auto label = static_cast<uint8_t>(text[i]);
    if (label == 0) break;  // 0 leads to the value of a node.
    node ^= label;
    if (node >= units_.size() || Label(units_[node]) != label) break;
    const bool leaf = HasLeaf(units_[node]);
    node ^= Offset(units_[node]);
    if (!leaf || node >= units_.size()) continue;
    const uint32_t at = Value(units_[node]);
    if (at >= replacements_.size()) continue;
    match.bytes = i + 1;
    match.replacement = replacements_.c_str() + at;
  }
  return match;
}

}  // namespace corkscrew
