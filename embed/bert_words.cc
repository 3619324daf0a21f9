#include "embed/bert_words.h"

#include <utf8proc.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"
#include "embed/bert_characters.h"

namespace corkscrew {
namespace {

// Collects normalized characters into words. Every method returns false when
// the visitor wants no more.
class WordCollector {
 public:
  explicit WordCollector(absl::FunctionRef<bool(const BertWord&)> visit)
      : visit_(visit) {}

  // Adds a character that is neither space nor to be removed.
  bool Add(uint32_t character) {
    if (!IsBertPunctuation(character)) return AddLetter(character);
    return EndWord() && AddLetter(character) && EndWord();
  }
  // The same if it is no punctuation either.
  bool AddLetter(uint32_t character) {
    if (++characters_ > kMaxBertWordCharacters) return true;
    utf8proc_uint8_t utf8[4];
    const auto bytes =
        utf8proc_encode_char(static_cast<utf8proc_int32_t>(character), utf8);
    word_.append(reinterpret_cast<const char*>(utf8),
                 static_cast<size_t>(bytes));
    return true;
  }
  bool EndWord() {
    if (characters_ == 0) return true;
    const bool too_long = characters_ > kMaxBertWordCharacters;
    const bool more =
        visit_({too_long ? absl::string_view() : word_, too_long});
    word_.clear();
    characters_ = 0;
    return more;
  }

 private:
  absl::FunctionRef<bool(const BertWord&)> visit_;
  std::string word_;
  size_t characters_ = 0;  // Of the word, also of what `word_` leaves out.
};

class Normalizer {
 public:
  Normalizer(const BertWordOptions& options,
             absl::FunctionRef<bool(const BertWord&)> visit)
      : options_(options), words_(visit) {}

  bool Add(uint32_t character) {
    if (const auto ascii = static_cast<unsigned char>(character);
        ascii == character && absl::ascii_isalnum(ascii)) {
      return words_.AddLetter(static_cast<unsigned char>(
          options_.lowercase ? absl::ascii_tolower(ascii) : ascii));
    }
    if (IsBertControl(character)) return true;
    if (IsBertSpace(character)) return words_.EndWord();
    if (IsBertIdeograph(character)) {
      return words_.EndWord() && AddDecomposed(character) && words_.EndWord();
    }
    return AddDecomposed(character);
  }
  bool EndWord() { return words_.EndWord(); }

 private:
  // NFD also orders marks by their class. That is left out: it moves only
  // marks that are no accents, which no vocabulary holds, so a word with one
  // of them is unknown in any order.
  bool AddDecomposed(uint32_t character) {
    if (!options_.strip_accents) return AddLowercase(character);
    constexpr int kMaxDecomposition = 4;  // Unicode: three, and room.
    utf8proc_int32_t parts[kMaxDecomposition];
    int boundary_class = 0;
    const auto count = utf8proc_decompose_char(
        static_cast<utf8proc_int32_t>(character), parts, kMaxDecomposition,
        UTF8PROC_DECOMPOSE, &boundary_class);
    if (count < 0 || count > kMaxDecomposition) return AddLowercase(character);
    for (utf8proc_ssize_t i = 0; i < count; ++i) {
      const auto part = static_cast<uint32_t>(parts[i]);
      if (!IsBertAccent(part) && !AddLowercase(part)) return false;
    }
    return true;
  }

  bool AddLowercase(uint32_t character) {
    if (!options_.lowercase) return words_.Add(character);
    // The one character whose lower case is two (SpecialCasing.txt).
    constexpr uint32_t kCapitalIWithDot = 0x130;
    if (character == kCapitalIWithDot) {
      return words_.Add('i') && words_.Add(0x307);
    }
    return words_.Add(static_cast<uint32_t>(
        utf8proc_tolower(static_cast<utf8proc_int32_t>(character))));
  }

  const BertWordOptions options_;
  WordCollector words_;
};

}  // namespace

void ForEachBertWord(absl::string_view text, const BertWordOptions& options,
                     absl::FunctionRef<bool(const BertWord&)> visit) {
  Normalizer normalizer(options, visit);
  const auto* at = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const auto* end = at + text.size();
  while (at < end) {
    utf8proc_int32_t character = 0;
    const auto bytes = utf8proc_iterate(at, end - at, &character);
    if (bytes <= 0) {
      ++at;
      continue;
    }
    at += bytes;
    if (!normalizer.Add(static_cast<uint32_t>(character))) return;
  }
  normalizer.EndWord();
}

}  // namespace corkscrew
