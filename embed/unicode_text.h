#ifndef CORKSCREW_EMBED_UNICODE_TEXT_H_
#define CORKSCREW_EMBED_UNICODE_TEXT_H_

// Unicode as tokenizers need it, in linear time for any text.

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace corkscrew {

// U+2581, which stands for a space in vocabularies.
inline constexpr absl::string_view kSpaceMark = "\xE2\x96\x81";

// Bytes of the character that starts at `text[0]` by its first byte, cut to the
// end of `text`. `text` is not empty; any bytes will do.
size_t CharacterBytes(absl::string_view text);

// The code point of a whole character of valid UTF-8.
uint32_t DecodeCharacter(absl::string_view character);

// Property White_Space (PropList.txt).
bool IsUnicodeSpace(uint32_t character);

// Canonical composition (Unicode Standard Annex 15, form NFC) of valid UTF-8.
std::string ToNfc(absl::string_view text);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_UNICODE_TEXT_H_
