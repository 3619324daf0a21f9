#include "db/metadata_columns_packed.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <compare>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/cursor.h"
#include "base/status_macros.h"
#include "db/alive_words.h"
#include "db/metadata_column_form.h"
#include "db/metadata_column_words.h"

namespace corkscrew {
namespace {

// Of all lists of a key; more than any segment has.
constexpr uint64_t kMostItems = uint64_t{1} << 40;

// Types of values, their indices in Value.
constexpr size_t kString = 3;
constexpr size_t kList = 4;

// LoadUnsigned() for where it is called per slot: a copy of a size that is not
// known to the compiler is a call.
uint64_t LoadNumber(const char* bytes, uint8_t width, size_t i) {
  switch (width) {
    case 0:
      return 0;
    case 1:
      return static_cast<uint8_t>(bytes[i]);
    case 2:
      return LoadUnsigned(bytes, 2, i);
    case 4:
      return LoadUnsigned(bytes, 4, i);
    default:
      return LoadUnsigned(bytes, 8, i);
  }
}

uint32_t LoadSlot(const char* slots, size_t i) {
  return static_cast<uint32_t>(LoadUnsigned(slots, sizeof(uint32_t), i));
}

// Reads `size` bytes, and where they lie to *bytes.
bool ReadPart(Cursor* from, uint64_t size, const char** bytes) {
  absl::string_view view;
  const bool there = from->ReadBytes(size, &view);
  *bytes = view.data();
  return there;
}

bool ReadStrings(Cursor* from, uint32_t size, uint64_t bytes,
                 StringColumn* strings) {
  strings->size = size;
  strings->end_width = BytesFor(bytes);
  return ReadPart(from, uint64_t{size} * strings->end_width, &strings->ends) &&
         from->ReadBytes(bytes, &strings->bytes);
}

absl::Status Malformed(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("segment: metadata: ", what));
}

}  // namespace

absl::StatusOr<PackedMetadata> PackedMetadata::Open(const MetadataBytes& parts,
                                                    uint32_t slots) {
  PackedMetadata metadata;
  metadata.slots_ = slots;
  metadata.mapped_ =
      parts.keys.size() + parts.numbers.size() + parts.values.size();
  Cursor keys(parts.keys);
  Cursor numbers(parts.numbers);
  Cursor values(parts.values);
  while (!keys.done()) {
    Key key;
    CORKSCREW_RETURN_IF_ERROR(OpenKey(slots, &keys, &numbers, &values, &key));
    if (!metadata.keys_.empty() && metadata.keys_.back().name >= key.name) {
      return Malformed("its keys are not in order");
    }
    metadata.keys_.push_back(key);
  }
  if (!numbers.done() || !values.done()) {
    return Malformed("it has more than its keys need");
  }
  return metadata;
}

absl::Status PackedMetadata::OpenKey(uint32_t slots, Cursor* keys,
                                     Cursor* numbers, Cursor* values,
                                     Key* key) {
  uint32_t name_bytes;
  std::array<uint32_t, kTypes> counts;
  uint64_t string_bytes;
  if (!keys->ReadLittle(&name_bytes) || !keys->ReadLittle(&key->present) ||
      !keys->ReadLittle(&counts) || !keys->ReadLittle(&string_bytes) ||
      !keys->ReadLittle(&key->integer_base) ||
      !keys->ReadLittle(&key->integer_width) ||
      !keys->ReadBytes(name_bytes, &key->name)) {
    return Malformed("a key is cut off");
  }
  uint64_t count = 0;
  for (size_t type = 0; type < kTypes; ++type) {
    count += counts[type];
    key->ends[type] = static_cast<uint32_t>(count);
  }
  const uint8_t width = key->integer_width;
  if (key->present > slots || count == 0 || count > key->present ||
      counts[0] > 2 || width > 8 || (width & (width - 1)) != 0) {
    return Malformed("a key has a value out of range");
  }
  const NumbersForm form = FormOfNumbers(slots, key->present, count);
  const uint64_t rows = form.listed ? key->present : slots;
  key->width = form.width;
  uint32_t item_strings = 0;
  uint64_t item_bytes = 0;
  if (counts[kList] > 0 &&
      (!keys->ReadLittle(&item_strings) || !keys->ReadLittle(&item_bytes) ||
       !keys->ReadLittle(&key->item_count) || key->item_count > kMostItems)) {
    return Malformed("the lists of a key are cut off");
  }
  key->item_width = WidthOfItems(item_strings);
  if ((form.listed &&
       !ReadPart(numbers, rows * sizeof(uint32_t), &key->slots)) ||
      !ReadPart(numbers, rows * form.width, &key->numbers) ||
      !ReadPart(values, counts[0], &key->bools) ||
      !ReadPart(values, uint64_t{counts[1]} * width, &key->integers) ||
      !ReadPart(values, uint64_t{counts[2]} * sizeof(double), &key->doubles) ||
      !ReadStrings(values, counts[kString], string_bytes, &key->strings) ||
      !ReadStrings(values, item_strings, item_bytes, &key->item_strings) ||
      !ReadPart(values, uint64_t{counts[kList]} * BytesFor(key->item_count),
                &key->item_ends) ||
      !ReadPart(values, key->item_count * key->item_width, &key->items)) {
    return Malformed("the values of a key are cut off");
  }
  return absl::OkStatus();
}

size_t PackedMetadata::Find(absl::string_view key) const {
  const auto found = std::lower_bound(
      keys_.begin(), keys_.end(), key,
      [](const Key& a, absl::string_view name) { return a.name < name; });
  return found != keys_.end() && found->name == key
             ? static_cast<size_t>(found - keys_.begin())
             : kNoKey;
}

uint64_t PackedMetadata::ItemEnd(const Key& key, uint32_t list) {
  return LoadNumber(key.item_ends, BytesFor(key.item_count), list);
}

ValueView PackedMetadata::ListAt(const Key& key, uint32_t list) {
  const uint64_t begin = list == 0 ? 0 : ItemEnd(key, list - 1);
  const uint64_t end = ItemEnd(key, list);
  if (begin > end || end > key.item_count) return NumberedStrings{};
  return NumberedStrings{end - begin, key.items + begin * key.item_width,
                         key.item_width, &key.item_strings};
}

ValueView PackedMetadata::value(size_t k, uint32_t number) const {
  const Key& key = keys_[k];
  const uint32_t index = number - 1;
  if (index < key.ends[0]) return key.bools[index] != 0;
  if (index < key.ends[1]) {
    return static_cast<int64_t>(
        key.integer_base +
        LoadUnsigned(key.integers, key.integer_width, index - key.ends[0]));
  }
  if (index < key.ends[2]) {
    const auto value = std::bit_cast<double>(
        LoadUnsigned(key.doubles, sizeof(double), index - key.ends[1]));
    // No writer wrote NaN; whoever sorts values relies on it.
    return std::isnan(value) ? 0 : value;
  }
  if (index < key.ends[3]) return key.strings.Get(index - key.ends[2]);
  return ListAt(key, index - key.ends[3]);
}

uint32_t PackedMetadata::number(size_t k, size_t slot) const {
  const Key& key = keys_[k];
  size_t i = slot;
  if (key.slots != nullptr) {
    size_t begin = 0;
    for (size_t end = key.present; begin < end;) {
      const size_t middle = (begin + end) / 2;
      if (LoadSlot(key.slots, middle) < slot) {
        begin = middle + 1;
      } else {
        end = middle;
      }
    }
    if (begin == key.present || LoadSlot(key.slots, begin) != slot) return 0;
    i = begin;
  }
  const uint32_t number = NumberAt(key, i);
  return number <= key.ends.back() ? number : 0;
}

uint32_t PackedMetadata::NumberAt(const Key& key, size_t i) {
  return key.width == 0
             ? 1
             : static_cast<uint32_t>(LoadNumber(key.numbers, key.width, i));
}

void PackedMetadata::ForEach(
    size_t k, size_t slots,
    absl::FunctionRef<void(uint32_t slot, uint32_t number)> visit) const {
  const Key& key = keys_[k];
  const size_t rows =
      key.slots == nullptr ? std::min<size_t>(slots, slots_) : key.present;
  size_t next = 0;  // Slots are given in order, whatever the bytes are.
  for (size_t i = 0; i < rows; ++i) {
    const uint32_t slot = key.slots == nullptr ? static_cast<uint32_t>(i)
                                               : LoadSlot(key.slots, i);
    const uint32_t number = NumberAt(key, i);
    if (slot < next || slot >= slots || number == 0 ||
        number > key.ends.back()) {
      continue;
    }
    visit(slot, number);
    next = size_t{slot} + 1;
  }
}

PackedMetadata::Range PackedMetadata::EqualRange(
    size_t k, Range range, const ValueView& wanted) const {
  // The first value in the range that is not before `wanted`, or not before and
  // not equal to it.
  const auto find = [&](bool after_equal) {
    uint32_t begin = range.begin;
    for (uint32_t end = range.end; begin < end;) {
      const uint32_t middle = begin + (end - begin) / 2;
      const std::partial_ordering order = Compare(value(k, middle + 1), wanted);
      if (order < 0 || (after_equal && order == 0)) {
        begin = middle + 1;
      } else {
        end = middle;
      }
    }
    return begin;
  };
  return {find(false), find(true)};
}

void PackedMetadata::AddRanges(size_t k, size_t type, const Filter& comparison,
                               std::vector<Range>* wanted) const {
  const Range all = keys_[k].OfType(type);
  if (all.begin == all.end) return;
  const auto add = [wanted](uint32_t begin, uint32_t end) {
    if (begin < end) wanted->push_back({begin, end});
  };
  if (comparison.op == Filter::Op::kExists) return add(all.begin, all.end);
  if (comparison.op == Filter::Op::kContains) {
    const auto* const string = std::get_if<std::string>(&comparison.values[0]);
    if (string == nullptr || type < kString) return;
    if (type == kList) return AddLists(keys_[k], *string, wanted);
    for (uint32_t i = all.begin; i < all.end; ++i) {
      if (MatchesValue(comparison, value(k, i + 1))) add(i, i + 1);
    }
    return;
  }
  for (const Value& one : comparison.values) {
    const bool numbers =
        (type == 1 || type == 2) && (one.index() == 1 || one.index() == 2);
    if (type != one.index() && !numbers) continue;
    const Range equal = EqualRange(k, all, ViewOf(one));
    switch (comparison.op) {
      case Filter::Op::kEq:
      case Filter::Op::kIn:
        add(equal.begin, equal.end);
        break;
      case Filter::Op::kNe:
        add(all.begin, equal.begin);
        add(equal.end, all.end);
        break;
      // Lists have no order.
      case Filter::Op::kLt:
        if (type != kList) add(all.begin, equal.begin);
        break;
      case Filter::Op::kLe:
        if (type != kList) add(all.begin, equal.end);
        break;
      case Filter::Op::kGt:
        if (type != kList) add(equal.end, all.end);
        break;
      case Filter::Op::kGe:
        if (type != kList) add(equal.begin, all.end);
        break;
      default:
        break;
    }
  }
}

void PackedMetadata::AddLists(const Key& key, absl::string_view string,
                              std::vector<Range>* wanted) {
  uint32_t number = 0;
  for (uint32_t end = key.item_strings.size; number < end;) {
    const uint32_t middle = number + (end - number) / 2;
    if (key.item_strings.Get(middle) < string) {
      number = middle + 1;
    } else {
      end = middle;
    }
  }
  if (number == key.item_strings.size ||
      key.item_strings.Get(number) != string) {
    return;
  }
  const Range lists = key.OfType(kList);
  uint32_t list = 0;
  // Items 64 at a time, and then to which list each belongs that is wanted.
  const auto add = [&](uint64_t first, uint64_t word) {
    for (; word != 0; word &= word - 1) {
      const uint64_t item =
          first + static_cast<uint64_t>(std::countr_zero(word));
      while (list < lists.end - lists.begin && ItemEnd(key, list) <= item) {
        ++list;
      }
      if (list == lists.end - lists.begin) return;
      const uint32_t value = lists.begin + list;
      if (wanted->empty() || wanted->back().end <= value) {
        wanted->push_back({value, value + 1});
      }
    }
  };
  const auto scan = [&]<typename T>(T) {
    for (uint64_t first = 0; first < key.item_count; first += 64) {
      const size_t n = std::min<uint64_t>(64, key.item_count - first);
      uint64_t word;
      FillWords<T>(key.items + first * sizeof(T), n, &word,
                   [number](const char* items) {
                     return WordInRange<T>(items, static_cast<T>(number), 1);
                   });
      add(first, word);
    }
  };
  if (key.item_width == 1) {
    scan(uint8_t{});
  } else if (key.item_width == 2) {
    scan(uint16_t{});
  } else {
    scan(uint32_t{});
  }
}

template <typename T>
void PackedMetadata::SelectNumbers(const Key& key,
                                   absl::Span<const Range> wanted, size_t slots,
                                   uint64_t* words) {
  if (wanted.size() == 1) {
    const auto begin = static_cast<T>(wanted[0].begin + 1);
    const auto count = static_cast<T>(wanted[0].end - wanted[0].begin);
    FillWords<T>(key.numbers, slots, words, [begin, count](const char* bytes) {
      return WordInRange<T>(bytes, begin, count);
    });
    return;
  }
  const NumberTable table = TableOf(key.ends.back(), wanted);
  FillWords<T>(key.numbers, slots, words, [&table](const char* bytes) {
    return WordInTable<T>(bytes, table);
  });
}

void PackedMetadata::Select(size_t k, const Filter& comparison, size_t slots,
                            uint64_t* words) const {
  const Key& key = keys_[k];
  std::vector<Range> wanted;
  for (size_t type = 0; type < kTypes; ++type) {
    AddRanges(k, type, comparison, &wanted);
  }
  std::fill_n(words, (slots + 63) / 64, 0);
  if (wanted.empty()) return;
  if (key.slots != nullptr) {
    const NumberTable table = TableOf(key.ends.back(), wanted);
    for (size_t i = 0; i < key.present; ++i) {
      const uint32_t slot = LoadSlot(key.slots, i);
      if (slot >= slots) continue;
      words[slot / 64] |= uint64_t{table[NumberAt(key, i)]} << slot % 64;
    }
  } else if (key.width == 0) {
    for (size_t first = 0; first < slots; first += 64) {
      words[first / 64] = FirstBits(slots - first);
    }
  } else if (key.width == 1) {
    SelectNumbers<uint8_t>(key, wanted, slots, words);
  } else if (key.width == 2) {
    SelectNumbers<uint16_t>(key, wanted, slots, words);
  } else {
    SelectNumbers<uint32_t>(key, wanted, slots, words);
  }
}

NumberTable PackedMetadata::TableOf(uint32_t values,
                                    absl::Span<const Range> wanted) {
  NumberTable table(values);
  for (const Range& range : wanted) table.Set(range.begin + 1, range.end + 1);
  return table;
}

size_t PackedMetadata::bytes() const {
  return mapped_ + keys_.capacity() * sizeof(Key);
}

}  // namespace corkscrew
