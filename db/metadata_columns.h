#ifndef CORKSCREW_DB_METADATA_COLUMNS_H_
#define CORKSCREW_DB_METADATA_COLUMNS_H_

// The metadata of the slots of a block by key: a dictionary of the values that
// the key has there, and the number of its value in each slot. A filter is
// answered on dictionaries, and then by comparing numbers. So are sets of slots
// found without a look at the metadata of each.

#include <cstddef>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "corkscrew/filter.h"
#include "db/filter.h"

namespace corkscrew {

// Any thread may read slots that it has learned of.
class MetadataColumns {
 public:
  static constexpr size_t kNoKey = static_cast<size_t>(-1);

  virtual ~MetadataColumns() = default;

  // The keys that the slots that the caller knows of have, or more.
  virtual size_t keys() const = 0;
  virtual absl::string_view key(size_t k) const = 0;
  // Returns the number of `key`, or kNoKey.
  virtual size_t Find(absl::string_view key) const = 0;

  // How many different values key k has. They are numbered from 1 on.
  virtual uint32_t values(size_t k) const = 0;
  virtual ValueView value(size_t k, uint32_t number) const = 0;

  // The number of the value of a slot, or 0: it does not have the key.
  virtual uint32_t number(size_t k, size_t slot) const = 0;
  // Calls `visit` for those of the first `slots` slots that have the key, in
  // order, each once.
  virtual void ForEach(
      size_t k, size_t slots,
      absl::FunctionRef<void(uint32_t slot, uint32_t number)> visit) const = 0;

  // Sets bit i % 64 of words[i / 64] if slot i has the key and satisfies
  // `comparison`, a validated filter with this key; clears it if not. `words`
  // [slots / 64, rounded up]; bits after the last slot are cleared.
  virtual void Select(size_t k, const Filter& comparison, size_t slots,
                      uint64_t* words) const = 0;

  // Memory, mapped files included.
  virtual size_t bytes() const = 0;
};

// Clears the bits of slots that do not match the validated `filter`: with
// Matches() of db/filter.h for the metadata of each.
void RetainMatches(const MetadataColumns& columns, const Filter& filter,
                   size_t slots, uint64_t* words);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_METADATA_COLUMNS_H_
