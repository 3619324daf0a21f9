#ifndef CORKSCREW_DB_METADATA_COLUMNS_GROWING_H_
#define CORKSCREW_DB_METADATA_COLUMNS_GROWING_H_

// The metadata columns of the block that takes new slots. Dictionaries are in
// the order in which values came, so a comparison looks at each distinct value
// once, and then in a table at the number of each slot.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "corkscrew/metadata.h"
#include "db/byte_arena.h"
#include "db/metadata_columns.h"
#include "db/stable_vector.h"
#include "db/string_table.h"

namespace corkscrew {

// A vector that is small while it has few elements, for one writer and readers
// without a lock. What it outgrows is kept, which doubles its memory at most.
template <typename T>
class PublishedVector {
 public:
  static_assert(std::is_trivially_copyable_v<T>);

  void push_back(const T& value) {
    const size_t size = size_.load(std::memory_order_relaxed);
    if (size == capacity_) Grow();
    arrays_.back()[size] = value;
    size_.store(size + 1, std::memory_order_release);
  }
  // All that has been appended before something that the caller has learned of,
  // and perhaps more.
  absl::Span<const T> Read() const {
    // The size first: an array that is found later has as many.
    const size_t size = size_.load(std::memory_order_acquire);
    return {array_.load(std::memory_order_acquire), size};
  }
  size_t bytes() const {  // Writer only.
    return 2 * capacity_ * sizeof(T) + arrays_.capacity() * sizeof(T*);
  }

 private:
  void Grow() {
    const size_t capacity = capacity_ == 0 ? 2 : 2 * capacity_;
    auto grown = std::make_unique<T[]>(capacity);
    if (capacity_ != 0) {
      std::memcpy(grown.get(), arrays_.back().get(), capacity_ * sizeof(T));
    }
    array_.store(grown.get(), std::memory_order_release);
    arrays_.push_back(std::move(grown));
    capacity_ = capacity;
  }

  std::atomic<const T*> array_ = nullptr;
  std::atomic<size_t> size_ = 0;
  size_t capacity_ = 0;
  std::vector<std::unique_ptr<T[]>> arrays_;
};

// One writer calls Add() and bytes(); any thread the rest, with slots whose
// count it got from the writer after Add() (growing_block.h publishes it).
class GrowingMetadata : public MetadataColumns {
 public:
  // Slots come in rising order.
  void Add(uint32_t slot, const Metadata& metadata);

  size_t keys() const override {
    return published_keys_.load(std::memory_order_acquire);
  }
  absl::string_view key(size_t k) const override { return keys_[k]->name; }
  size_t Find(absl::string_view key) const override;
  uint32_t values(size_t k) const override;
  ValueView value(size_t k, uint32_t number) const override;
  uint32_t number(size_t k, size_t slot) const override;
  void ForEach(size_t k, size_t slots,
               absl::FunctionRef<void(uint32_t slot, uint32_t number)> visit)
      const override;
  void Select(size_t k, const Filter& comparison, size_t slots,
              uint64_t* words) const override;
  size_t bytes() const override;

 private:
  // The numbers of 64 slots, at least one of which has the key. When a number
  // needs more bytes, a wider copy follows: the last one of a word counts.
  struct Stretch {
    uint32_t word = 0;  // Slots from 64 * word on.
    uint8_t width = 0;  // 1, 2 or 4.
    char* numbers = nullptr;
  };

  struct Key {
    explicit Key(absl::string_view key) : name(key) {}
    const std::string name;
    PublishedVector<uint64_t> values;  // Positions in the arena.
    PublishedVector<Stretch> stretches;
    std::vector<std::unique_ptr<char[]>> memory;  // Of the stretches.
  };

  // Writer's: who has the value of a number in the table.
  struct Known {
    uint32_t key = 0;
    uint32_t number = 0;
  };

  template <typename T>
  void Append(const T& element, PublishedVector<T>* vector);
  uint32_t KeyNumber(absl::string_view name);
  uint32_t ValueNumber(uint32_t key, const Value& value);
  // A stretch of these slots that can hold `number`.
  const Stretch& StretchFor(Key& key, uint32_t word, uint32_t number);
  ValueView ValueAt(uint64_t position) const;

  // Appended by the writer.
  StableVector<std::unique_ptr<Key>> keys_;
  ByteArena arena_;  // u32 key, then the value (metadata_value.h).
  std::atomic<size_t> published_keys_ = 0;

  // The writer's own.
  StringTable key_numbers_;
  StringTable value_numbers_;  // Of what the arena holds, to places in known_.
  std::vector<Known> known_;
  std::string bytes_;     // Scratch.
  size_t key_bytes_ = 0;  // Of all keys and what they hold.
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_METADATA_COLUMNS_GROWING_H_
