#include "embed/bpe_words.h"

#include <utf8proc.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"
#include "embed/unicode_text.h"

namespace corkscrew {
namespace {

enum class Class : uint8_t { kLetter, kNumber, kNewline, kSpace, kOther };

Class ClassOf(uint32_t character) {
  if (character == '\r' || character == '\n') return Class::kNewline;
  if (IsUnicodeSpace(character)) return Class::kSpace;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(character))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return Class::kLetter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return Class::kNumber;
    default:
      return Class::kOther;
  }
}

// A text as characters, with the ends of matches as character indices.
class Splitter {
 public:
  explicit Splitter(absl::string_view text) : text_(text) {
    for (size_t i = 0; i < text.size();) {
      const size_t bytes = CharacterBytes(text.substr(i));
      begins_.push_back(i);
      classes_.push_back(ClassOf(DecodeCharacter(text.substr(i, bytes))));
      i += bytes;
    }
    begins_.push_back(text.size());
  }

  size_t size() const { return classes_.size(); }
  absl::string_view Word(size_t begin, size_t end) const {
    return text_.substr(begins_[begin], begins_[end] - begins_[begin]);
  }

  // Where the match that starts at `at` ends: after `at`.
  size_t MatchGpt2(size_t at) const {
    if (const size_t end = Contraction(at, /*any_case=*/false)) return end;
    const size_t word = at + (Is(at, ' ') ? 1 : 0);
    if (word < size() && !IsSpace(word)) return Run(word, classes_[word]);
    return Spaces(at);
  }
  size_t MatchQwen2(size_t at) const {
    if (const size_t end = Contraction(at, /*any_case=*/true)) return end;
    const Class first = classes_[at];
    const bool prefix = first == Class::kSpace || first == Class::kOther;
    const size_t letters = at + (prefix ? 1 : 0);
    if (letters < size() && classes_[letters] == Class::kLetter) {
      return Run(letters, Class::kLetter);
    }
    if (first == Class::kNumber) return at + 1;
    const size_t other = at + (Is(at, ' ') ? 1 : 0);
    if (other < size() && classes_[other] == Class::kOther) {
      return Run(Run(other, Class::kOther), Class::kNewline);
    }
    // All spaces up to the last line end among them.
    size_t newline = 0;
    for (size_t i = at; i < size() && IsSpace(i); ++i) {
      if (classes_[i] == Class::kNewline) newline = i + 1;
    }
    return newline > 0 ? newline : Spaces(at);
  }

 private:
  bool Is(size_t at, char c) const {
    return at < size() && text_[begins_[at]] == c;
  }
  bool IsSpace(size_t at) const {
    return classes_[at] == Class::kSpace || classes_[at] == Class::kNewline;
  }
  size_t Run(size_t at, Class wanted) const {
    while (at < size() && classes_[at] == wanted) ++at;
    return at;
  }
  // All spaces, or all but the last if something follows: \s+(?!\S)|\s+
  size_t Spaces(size_t at) const {
    size_t end = at;
    while (end < size() && IsSpace(end)) ++end;
    return end < size() && end > at + 1 ? end - 1 : end;
  }
  // The end of 's, 't, 'm, 'd, 're, 've or 'll; 0 if there is none.
  size_t Contraction(size_t at, bool any_case) const {
    if (!Is(at, '\'')) return 0;
    const auto letter = [&](size_t i) {
      const char c = i < size() ? text_[begins_[i]] : '\0';
      return any_case ? absl::ascii_tolower(static_cast<unsigned char>(c)) : c;
    };
    const char first = letter(at + 1);
    const char second = letter(at + 2);
    if (first == 's' || first == 't' || first == 'm' || first == 'd') {
      return at + 2;
    }
    const bool two = (first == 'r' && second == 'e') ||
                     (first == 'v' && second == 'e') ||
                     (first == 'l' && second == 'l');
    return two ? at + 3 : 0;
  }

  const absl::string_view text_;
  std::vector<size_t> begins_;  // Byte offsets, and the end of the text.
  std::vector<Class> classes_;
};

}  // namespace

void ForEachBpeWord(absl::string_view text, BpeSplit split,
                    absl::FunctionRef<bool(absl::string_view)> visit) {
  const Splitter splitter(text);
  for (size_t at = 0; at < splitter.size();) {
    const size_t end = split == BpeSplit::kGpt2 ? splitter.MatchGpt2(at)
                                                : splitter.MatchQwen2(at);
    if (!visit(splitter.Word(at, end))) return;
    at = end;
  }
}

}  // namespace corkscrew
