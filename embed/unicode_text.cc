#include "embed/unicode_text.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace corkscrew {
namespace {

constexpr auto kCompose =
    static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);

// Appends the canonical decomposition of `character`.
void Decompose(uint32_t character, std::vector<utf8proc_int32_t>* out) {
  utf8proc_int32_t parts[8];  // No character has more than 4.
  int boundary = 0;
  const utf8proc_ssize_t count =
      utf8proc_decompose_char(static_cast<utf8proc_int32_t>(character), parts,
                              8, UTF8PROC_DECOMPOSE, &boundary);
  if (count < 0 || count > 8) {
    out->push_back(static_cast<utf8proc_int32_t>(character));
  } else {
    out->insert(out->end(), parts, parts + count);
  }
}

int CombiningClass(utf8proc_int32_t character) {
  return utf8proc_get_property(character)->combining_class;
}

// Sorts each run of combining marks by class. utf8proc would take quadratic
// time for a text of nothing but marks.
void OrderMarks(std::vector<utf8proc_int32_t>* text) {
  auto begin = text->begin();
  while (begin != text->end()) {
    if (CombiningClass(*begin) == 0) {
      ++begin;
      continue;
    }
    const auto end = std::find_if(begin, text->end(), [](utf8proc_int32_t c) {
      return CombiningClass(c) == 0;
    });
    std::stable_sort(begin, end, [](utf8proc_int32_t a, utf8proc_int32_t b) {
      return CombiningClass(a) < CombiningClass(b);
    });
    begin = end;
  }
}

}  // namespace

size_t CharacterBytes(absl::string_view text) {
  const auto lead = static_cast<uint8_t>(text[0]);
  const size_t bytes = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  return std::min(bytes, text.size());
}

uint32_t DecodeCharacter(absl::string_view character) {
  if (character.size() == 1) return static_cast<uint8_t>(character[0]);
  // As many bits of the first byte as there are bytes less 7, 6 of each other.
  uint32_t code =
      static_cast<uint8_t>(character[0]) & (0x7Fu >> character.size());
  for (const char c : character.substr(1)) {
    code = code << 6 | (static_cast<uint8_t>(c) & 0x3Fu);
  }
  return code;
}

bool IsUnicodeSpace(uint32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

std::string ToNfc(absl::string_view text) {
  const bool ascii = std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<uint8_t>(c) < 0x80;
  });
  if (ascii) return std::string(text);
  std::vector<utf8proc_int32_t> characters;
  characters.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const size_t bytes = CharacterBytes(text.substr(i));
    Decompose(DecodeCharacter(text.substr(i, bytes)), &characters);
    i += bytes;
  }
  OrderMarks(&characters);
  const utf8proc_ssize_t count = utf8proc_normalize_utf32(
      characters.data(), static_cast<utf8proc_ssize_t>(characters.size()),
      kCompose);
  std::string result;
  result.reserve(text.size());
  for (utf8proc_ssize_t i = 0; i < count; ++i) {
    utf8proc_uint8_t utf8[4];
    const auto bytes =
        utf8proc_encode_char(characters[static_cast<size_t>(i)], utf8);
    result.append(reinterpret_cast<const char*>(utf8),
                  static_cast<size_t>(bytes));
  }
  return result;
}

}  // namespace corkscrew
