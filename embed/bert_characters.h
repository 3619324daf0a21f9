#ifndef CORKSCREW_EMBED_BERT_CHARACTERS_H_
#define CORKSCREW_EMBED_BERT_CHARACTERS_H_

// The classes of characters that BERT tokenizers know. Hugging Face
// `tokenizers` decides them with tables of Unicode 8.0 that never change, so
// these are tables too and not the categories of whatever Unicode library is
// installed: another class is another token, and thus another vector.
// Characters are code points, 0..0x10FFFF.

#include <cstdint>

namespace corkscrew {

// Removed from the text: U+0000, U+FFFD, and categories Cc (but tab, line feed,
// carriage return), Cf and Co.
bool IsBertControl(uint32_t character);

// White_Space without what IsBertControl() already removes.
bool IsBertSpace(uint32_t character);

// Ideographs that are a word each. Like the original, this leaves out kana,
// Hangul, and by an old slip U+2B820..2B91F.
bool IsBertIdeograph(uint32_t character);

// Category Mn, removed after canonical decomposition.
bool IsBertAccent(uint32_t character);

// Category P, and all of !"#$%&'()*+,-./:;<=>?@[\]^_`{|}~. A word each.
bool IsBertPunctuation(uint32_t character);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_BERT_CHARACTERS_H_
