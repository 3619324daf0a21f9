#include "db/metadata_columns_growing.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "db/metadata_column_words.h"
#include "db/metadata_value.h"

namespace corkscrew {
namespace {

uint8_t WidthOf(uint32_t number) {
  if (number <= 0xFF) return 1;
  return number <= 0xFFFF ? 2 : 4;
}

uint32_t LoadNumber(const char* numbers, uint8_t width, size_t i) {
  uint32_t number = 0;
  std::memcpy(&number, numbers + i * width, width);
  return number;
}

void StoreNumber(uint32_t number, uint8_t width, size_t i, char* numbers) {
  std::memcpy(numbers + i * width, &number, width);
}

// How many of the first `slots` slots are in a word.
size_t SlotsOf(uint32_t word, size_t slots) {
  return std::min<size_t>(64, slots - size_t{64} * word);
}

}  // namespace

void GrowingMetadata::Add(uint32_t slot, const Metadata& metadata) {
  for (const auto& [name, value] : metadata) {
    const uint32_t k = KeyNumber(name);
    const uint32_t number = ValueNumber(k, value);
    const Stretch& stretch = StretchFor(*keys_[k], slot / 64, number);
    StoreNumber(number, stretch.width, slot % 64, stretch.numbers);
  }
}

template <typename T>
void GrowingMetadata::Append(const T& element, PublishedVector<T>* vector) {
  key_bytes_ -= vector->bytes();
  vector->push_back(element);
  key_bytes_ += vector->bytes();
}

uint32_t GrowingMetadata::KeyNumber(absl::string_view name) {
  const auto name_of = [this](uint32_t k) -> absl::string_view {
    return keys_[k]->name;
  };
  const uint32_t found = key_numbers_.Find(name, name_of);
  if (found != StringTable::kNone) return found;
  const auto k = static_cast<uint32_t>(keys_.size());
  keys_.push_back(std::make_unique<Key>(name));
  key_bytes_ += sizeof(Key) + name.size();
  key_numbers_.Set(name, k, name_of);
  published_keys_.store(k + 1, std::memory_order_release);
  return k;
}

uint32_t GrowingMetadata::ValueNumber(uint32_t key, const Value& value) {
  bytes_.assign(reinterpret_cast<const char*>(&key), sizeof(key));
  AppendTypedValue(value, &bytes_);
  const auto bytes_of = [this](uint32_t place) {
    const Known& known = known_[place];
    return arena_.Get(keys_[known.key]->values.Read()[known.number - 1]);
  };
  const uint32_t found = value_numbers_.Find(bytes_, bytes_of);
  if (found != StringTable::kNone) return known_[found].number;
  PublishedVector<uint64_t>& values = keys_[key]->values;
  Append(arena_.Append(bytes_), &values);
  const auto number = static_cast<uint32_t>(values.Read().size());
  known_.push_back({key, number});
  value_numbers_.Set(bytes_, static_cast<uint32_t>(known_.size() - 1),
                     bytes_of);
  return number;
}

const GrowingMetadata::Stretch& GrowingMetadata::StretchFor(Key& key,
                                                            uint32_t word,
                                                            uint32_t number) {
  const absl::Span<const Stretch> stretches = key.stretches.Read();
  const bool is_new = stretches.empty() || stretches.back().word != word;
  if (!is_new && stretches.back().width >= WidthOf(number)) {
    return stretches.back();
  }
  // As wide as the numbers are by now: the next ones are likely to be as large.
  const auto values = static_cast<uint32_t>(key.values.Read().size());
  Stretch wide{word, WidthOf(values), nullptr};
  const size_t size = size_t{64} * wide.width;
  key.memory.push_back(std::make_unique<char[]>(size));  // Zeros: no key.
  wide.numbers = key.memory.back().get();
  key_bytes_ += size;
  for (size_t i = 0; !is_new && i < 64; ++i) {
    const Stretch& narrow = stretches.back();
    StoreNumber(LoadNumber(narrow.numbers, narrow.width, i), wide.width, i,
                wide.numbers);
  }
  Append(wide, &key.stretches);
  return key.stretches.Read().back();
}

size_t GrowingMetadata::Find(absl::string_view key) const {
  const size_t count = keys();
  for (size_t k = 0; k < count; ++k) {
    if (keys_[k]->name == key) return k;
  }
  return kNoKey;
}

uint32_t GrowingMetadata::values(size_t k) const {
  return static_cast<uint32_t>(keys_[k]->values.Read().size());
}

ValueView GrowingMetadata::ValueAt(uint64_t position) const {
  return ReadTypedValue(arena_.Get(position).substr(sizeof(uint32_t)));
}

ValueView GrowingMetadata::value(size_t k, uint32_t number) const {
  return ValueAt(keys_[k]->values.Read()[number - 1]);
}

uint32_t GrowingMetadata::number(size_t k, size_t slot) const {
  const absl::Span<const Stretch> stretches = keys_[k]->stretches.Read();
  const auto after = std::upper_bound(
      stretches.begin(), stretches.end(), slot / 64,
      [](size_t word, const Stretch& s) { return word < s.word; });
  if (after == stretches.begin()) return 0;
  const Stretch& stretch = *(after - 1);
  if (stretch.word != slot / 64) return 0;
  return LoadNumber(stretch.numbers, stretch.width, slot % 64);
}

void GrowingMetadata::ForEach(
    size_t k, size_t slots,
    absl::FunctionRef<void(uint32_t slot, uint32_t number)> visit) const {
  const absl::Span<const Stretch> stretches = keys_[k]->stretches.Read();
  for (size_t s = 0; s < stretches.size(); ++s) {
    const Stretch& stretch = stretches[s];
    if (size_t{64} * stretch.word >= slots) return;
    const bool replaced =
        s + 1 < stretches.size() && stretches[s + 1].word == stretch.word;
    if (replaced) continue;
    for (size_t i = 0; i < SlotsOf(stretch.word, slots); ++i) {
      const uint32_t number = LoadNumber(stretch.numbers, stretch.width, i);
      if (number != 0) {
        visit(64 * stretch.word + static_cast<uint32_t>(i), number);
      }
    }
  }
}

void GrowingMetadata::Select(size_t k, const Filter& comparison, size_t slots,
                             uint64_t* words) const {
  std::fill_n(words, (slots + 63) / 64, 0);
  const absl::Span<const Stretch> stretches = keys_[k]->stretches.Read();
  // Later than the stretches: it has all values of their numbers.
  const absl::Span<const uint64_t> values = keys_[k]->values.Read();
  NumberTable table(static_cast<uint32_t>(values.size()));
  for (size_t i = 0; i < values.size(); ++i) {
    if (MatchesValue(comparison, ValueAt(values[i]))) {
      table.Set(static_cast<uint32_t>(i + 1));
    }
  }
  for (const Stretch& stretch : stretches) {
    if (size_t{64} * stretch.word >= slots) return;
    const size_t n = SlotsOf(stretch.word, slots);
    uint64_t* const word = words + stretch.word;
    const auto fill = [&]<typename T>(T) {
      FillWords<T>(stretch.numbers, n, word, [&](const char* numbers) {
        return WordInTable<T>(numbers, table);
      });
    };
    if (stretch.width == 1) {
      fill(uint8_t{});
    } else if (stretch.width == 2) {
      fill(uint16_t{});
    } else {
      fill(uint32_t{});
    }
  }
}

size_t GrowingMetadata::bytes() const {
  return key_bytes_ + arena_.capacity() + key_numbers_.bytes() +
         value_numbers_.bytes() + known_.capacity() * sizeof(Known);
}

}  // namespace corkscrew
