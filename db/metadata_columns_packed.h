#ifndef CORKSCREW_DB_METADATA_COLUMNS_PACKED_H_
#define CORKSCREW_DB_METADATA_COLUMNS_PACKED_H_

// The metadata columns of a segment (docs/storage_format.md, "Segments").
// Dictionaries are sorted, so most comparisons are ranges of numbers.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/cursor.h"
#include "db/metadata_column_words.h"
#include "db/metadata_columns.h"
#include "db/string_column.h"

namespace corkscrew {

// Borrowed from a segment file.
struct MetadataBytes {
  absl::string_view keys;     // The keys, with the sizes of their parts.
  absl::string_view numbers;  // The numbers of each key, and the slots if rare.
  absl::string_view values;   // The dictionary of each key.
};

// Whatever the bytes of the columns are, reading is bounded.
class PackedMetadata : public MetadataColumns {
 public:
  // Without keys.
  PackedMetadata() = default;
  // Of `slots` slots. Borrows the bytes.
  //   DataLoss  a size or a key is not possible
  static absl::StatusOr<PackedMetadata> Open(const MetadataBytes& parts,
                                             uint32_t slots);

  size_t keys() const override { return keys_.size(); }
  absl::string_view key(size_t k) const override { return keys_[k].name; }
  // O(log keys).
  size_t Find(absl::string_view key) const override;
  uint32_t values(size_t k) const override { return keys_[k].ends.back(); }
  ValueView value(size_t k, uint32_t number) const override;
  uint32_t number(size_t k, size_t slot) const override;
  void ForEach(size_t k, size_t slots,
               absl::FunctionRef<void(uint32_t slot, uint32_t number)> visit)
      const override;
  void Select(size_t k, const Filter& comparison, size_t slots,
              uint64_t* words) const override;
  size_t bytes() const override;

 private:
  static constexpr size_t kTypes = 5;  // Of Value, in its order.

  // Values [begin, end) of a dictionary, from 0.
  struct Range {
    uint32_t begin = 0;
    uint32_t end = 0;
  };

  struct Key {
    absl::string_view name;
    uint32_t present = 0;  // Slots that have it.
    // After the values of each type, the number of values so far.
    std::array<uint32_t, kTypes> ends = {};

    // [present], rising; null: there is a number for each slot.
    const char* slots = nullptr;
    const char* numbers = nullptr;
    uint8_t width = 0;  // Of a number; 0: all are 1.

    const char* bools = nullptr;
    uint64_t integer_base = 0;
    uint8_t integer_width = 0;
    const char* integers = nullptr;
    const char* doubles = nullptr;
    StringColumn strings;
    // Lists: where the items of each end, and the items, which are the numbers
    // of strings.
    uint64_t item_count = 0;
    const char* item_ends = nullptr;
    uint8_t item_width = 0;
    const char* items = nullptr;
    StringColumn item_strings;

    Range OfType(size_t type) const {
      return {type == 0 ? 0 : ends[type - 1], ends[type]};
    }
  };

  static absl::Status OpenKey(uint32_t slots, Cursor* keys, Cursor* numbers,
                              Cursor* values, Key* key);
  static uint64_t ItemEnd(const Key& key, uint32_t list);
  static ValueView ListAt(const Key& key, uint32_t list);
  // Adds the lists that contain `string`.
  static void AddLists(const Key& key, absl::string_view string,
                       std::vector<Range>* wanted);
  // The number of a slot, or of the i-th slot that has the key.
  static uint32_t NumberAt(const Key& key, size_t i);
  // Of the values in `range`, which have one type and compare with `wanted`:
  // those that are equal to it.
  Range EqualRange(size_t k, Range range, const ValueView& wanted) const;
  // Adds the values of one type that satisfy `comparison`, a validated filter.
  void AddRanges(size_t k, size_t type, const Filter& comparison,
                 std::vector<Range>* wanted) const;
  static NumberTable TableOf(uint32_t values, absl::Span<const Range> wanted);
  // Select() where there is a number for each slot.
  template <typename T>
  static void SelectNumbers(const Key& key, absl::Span<const Range> wanted,
                            size_t slots, uint64_t* words);

  std::vector<Key> keys_;
  uint32_t slots_ = 0;
  size_t mapped_ = 0;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_METADATA_COLUMNS_PACKED_H_
