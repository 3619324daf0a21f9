#ifndef CORKSCREW_SERVER_TEXT_DISPLAY_H_
#define CORKSCREW_SERVER_TEXT_DISPLAY_H_

// Text as a terminal and JSON need it: code points, columns, snippets.

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace corkscrew {

// Reads the code point that starts at text[position] and moves `position`
// behind it. A byte that starts no valid sequence (overlong, surrogate, above
// U+10FFFF, cut) gives -1 and moves by one byte.
int32_t NextCodePoint(absl::string_view text, size_t& position);

// Appends `code_point` (0..0x10FFFF, no surrogate).
void AppendUtf8(int32_t code_point, std::string& text);

// Columns that `text` takes on a terminal: one per code point, none for
// combining marks, two for wide East Asian characters and emoji.
size_t DisplayWidth(absl::string_view text);

// Returns `text` on one line: white space runs become one space, control
// characters and invalid bytes U+FFFD. At most `columns` wide, with "..." where
// it was cut.
std::string Snippet(absl::string_view text, size_t columns);

// Returns `text` as it is, but for control characters other than line feeds and
// invalid bytes, which become U+FFFD: a message from elsewhere can not drive
// the terminal.
std::string Printable(absl::string_view text);

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_TEXT_DISPLAY_H_
