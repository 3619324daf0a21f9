#ifndef CORKSCREW_DB_STRING_TABLE_H_
#define CORKSCREW_DB_STRING_TABLE_H_

// A hash table from strings to numbers that holds no strings: their owner tells
// the string of a number (the id of a slot, a row of metadata). 5 bytes per
// place, at most 80 % full.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"

namespace corkscrew {

// Single-threaded. Entries are never removed.
class StringTable {
 public:
  static constexpr uint32_t kNone = 0xFFFFFFFF;
  using StringOf = absl::FunctionRef<absl::string_view(uint32_t number)>;

  // Returns the number of `string`, or kNone. Expected O(1).
  uint32_t Find(absl::string_view string, StringOf string_of) const;

  // Makes `number` the number of `string` and returns the one before or kNone.
  // From then on string_of(number) must be `string`. Amortized expected O(1).
  uint32_t Set(absl::string_view string, uint32_t number, StringOf string_of);

  size_t size() const { return size_; }
  size_t bytes() const { return numbers_.capacity() * 4 + tags_.capacity(); }

 private:
  // Returns the place of `string`, or the free place where it belongs.
  size_t Place(uint64_t hash, absl::string_view string,
               StringOf string_of) const;
  void Grow(StringOf string_of);

  std::vector<uint32_t> numbers_;  // kNone: free.
  std::vector<uint8_t> tags_;      // Of the same places: bits of the hash.
  size_t size_ = 0;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_STRING_TABLE_H_
