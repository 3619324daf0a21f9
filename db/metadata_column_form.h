#ifndef CORKSCREW_DB_METADATA_COLUMN_FORM_H_
#define CORKSCREW_DB_METADATA_COLUMN_FORM_H_

// How the numbers of a key lie in a segment (docs/storage_format.md,
// "Segments"): it follows from how many slots and values have it.

#include <cstdint>

namespace corkscrew {

// Bytes that values up to `most` need: 0, 1, 2, 4 or 8.
constexpr uint8_t BytesFor(uint64_t most) {
  if (most == 0) return 0;
  if (most <= 0xFF) return 1;
  if (most <= 0xFFFF) return 2;
  return most <= 0xFFFFFFFF ? 4 : 8;
}

struct NumbersForm {
  bool listed = false;  // The slots that have the key, and their numbers.
                        // Otherwise a number of each slot, 0 if it does not.
  uint8_t width = 0;    // Bytes of a number; 0: all are 1.
};

// Part of the format. Of `slots` slots `present` have the key, with `values`
// different values; neither is 0.
constexpr NumbersForm FormOfNumbers(uint64_t slots, uint64_t present,
                                    uint64_t values) {
  if (present == slots && values == 1) return {false, 0};
  const uint8_t all = BytesFor(values);
  const uint8_t listed = values == 1 ? 0 : all;
  if (present * (4 + listed) < slots * all) return {true, listed};
  return {false, all};
}

// Part of the format. Bytes of an item of a list, if lists have so many
// different ones. Never 0, so that the bytes of a file bound the items.
constexpr uint8_t WidthOfItems(uint64_t strings) {
  return strings <= 0x100 ? 1 : BytesFor(strings - 1);
}

}  // namespace corkscrew

#endif  // CORKSCREW_DB_METADATA_COLUMN_FORM_H_
