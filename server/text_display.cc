#include "server/text_display.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace corkscrew {
namespace {

constexpr int32_t kReplacement = 0xFFFD;

// Columns of one code point. The ranges are the blocks whose characters are
// wide (Unicode TR11) or combining; rare exceptions inside them only move a
// column.
size_t CodePointWidth(int32_t c) {
  const auto within = [c](int32_t low, int32_t high) {
    return c >= low && c <= high;
  };
  if (within(0x0300, 0x036F) || within(0x1AB0, 0x1AFF) ||
      within(0x20D0, 0x20FF) || within(0x200B, 0x200F) ||
      within(0xFE00, 0xFE0F)) {
    return 0;
  }
  if (within(0x1100, 0x115F) || within(0x2E80, 0xA4CF) ||
      within(0xAC00, 0xD7A3) || within(0xF900, 0xFAFF) ||
      within(0xFE30, 0xFE6F) || within(0xFF00, 0xFF60) ||
      within(0xFFE0, 0xFFE6) || within(0x1F300, 0x1FAFF) ||
      within(0x20000, 0x3FFFD)) {
    return 2;
  }
  return 1;
}

bool IsControl(int32_t c) { return c < 0x20 || (c >= 0x7F && c < 0xA0); }

bool IsSpace(int32_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

}  // namespace

int32_t NextCodePoint(absl::string_view text, size_t& position) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(position);
  const size_t start = position++;
  if (first < 0x80) return first;
  size_t length;
  int32_t code_point;
  int32_t smallest;
  if ((first & 0xE0) == 0xC0) {
    length = 2, code_point = first & 0x1F, smallest = 0x80;
  } else if ((first & 0xF0) == 0xE0) {
    length = 3, code_point = first & 0x0F, smallest = 0x800;
  } else if ((first & 0xF8) == 0xF0) {
    length = 4, code_point = first & 0x07, smallest = 0x10000;
  } else {
    return -1;
  }
  if (text.size() - start < length) return -1;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(start + i) & 0xC0) != 0x80) return -1;
    code_point = (code_point << 6) | (byte(start + i) & 0x3F);
  }
  if (code_point < smallest || code_point > 0x10FFFF ||
      (code_point >= 0xD800 && code_point <= 0xDFFF)) {
    return -1;
  }
  position = start + length;
  return code_point;
}

void AppendUtf8(int32_t code_point, std::string& text) {
  const auto append = [&text](int32_t byte) {
    text.push_back(static_cast<char>(byte));
  };
  if (code_point < 0x80) {
    append(code_point);
  } else if (code_point < 0x800) {
    append(0xC0 | (code_point >> 6));
    append(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    append(0xE0 | (code_point >> 12));
    append(0x80 | ((code_point >> 6) & 0x3F));
    append(0x80 | (code_point & 0x3F));
  } else {
    append(0xF0 | (code_point >> 18));
    append(0x80 | ((code_point >> 12) & 0x3F));
    append(0x80 | ((code_point >> 6) & 0x3F));
    append(0x80 | (code_point & 0x3F));
  }
}

size_t DisplayWidth(absl::string_view text) {
  size_t width = 0;
  for (size_t position = 0; position < text.size();) {
    const int32_t c = NextCodePoint(text, position);
    width += CodePointWidth(c < 0 ? kReplacement : c);
  }
  return width;
}

std::string Snippet(absl::string_view text, size_t columns) {
  constexpr absl::string_view kCut = "...";
  std::string line;
  size_t width = 0;
  size_t cut_at = 0;  // Bytes of `line` that leave room for the mark.
  bool space = false;
  for (size_t position = 0; position < text.size();) {
    int32_t c = NextCodePoint(text, position);
    if (c >= 0 && IsSpace(c)) {
      space = true;
      continue;
    }
    if (IsControl(c)) c = kReplacement;
    const size_t wanted = (space && !line.empty() ? 1 : 0) + CodePointWidth(c);
    if (width + wanted > columns) {
      line.resize(cut_at);
      return line.append(kCut.data(), std::min(kCut.size(), columns));
    }
    if (space && !line.empty()) line.push_back(' ');
    space = false;
    AppendUtf8(c, line);
    width += wanted;
    if (width + kCut.size() <= columns) cut_at = line.size();
  }
  return line;
}

std::string Printable(absl::string_view text) {
  std::string printable;
  for (size_t position = 0; position < text.size();) {
    const int32_t c = NextCodePoint(text, position);
    AppendUtf8(IsControl(c) && c != '\n' ? kReplacement : c, printable);
  }
  return printable;
}

}  // namespace corkscrew
