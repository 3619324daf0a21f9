#include "db/metadata_columns_builder.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <map>
#include <numeric>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "db/filter.h"
#include "db/metadata_column_form.h"

namespace corkscrew {
namespace {

constexpr uint32_t kNone = 0xFFFFFFFF;
constexpr size_t kTypes = 5;
constexpr size_t kListType = 4;  // Index in Value.

// Appends the low `width` bytes.
void AppendUnsigned(uint64_t value, uint8_t width, std::string* out) {
  static_assert(std::endian::native == std::endian::little);
  out->append(reinterpret_cast<const char*>(&value), width);
}
template <typename T>
void Append(T value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// A block, and where its slots go.
struct Source {
  const MetadataColumns* columns = nullptr;
  std::vector<uint32_t> to = {};  // [slots]; kNone: nowhere.
};

std::vector<Source> SourcesOf(absl::Span<const SlotMetadata> slots) {
  std::vector<Source> sources;
  absl::flat_hash_map<const MetadataColumns*, size_t> places;
  for (size_t i = 0; i < slots.size(); ++i) {
    const auto [found, is_new] =
        places.try_emplace(slots[i].columns, sources.size());
    if (is_new) sources.push_back({slots[i].columns});
    std::vector<uint32_t>& to = sources[found->second].to;
    if (to.size() <= slots[i].slot) to.resize(slots[i].slot + 1, kNone);
    to[slots[i].slot] = static_cast<uint32_t>(i);
  }
  return sources;
}

// A slot that has a key, and which value: its place, then its number.
struct SlotValue {
  uint32_t slot;
  uint32_t value;
};

// A StringColumn.
struct StringsBuilder {
  std::string bytes;
  std::vector<uint64_t> ends;

  void Add(absl::string_view string) {
    bytes.append(string.data(), string.size());
    ends.push_back(bytes.size());
  }
  void AppendTo(std::string* out) const {
    const uint8_t width = BytesFor(bytes.size());
    for (const uint64_t end : ends) AppendUnsigned(end, width, out);
    out->append(bytes);
  }
};

// One key of the new segment.
class KeyBuilder {
 public:
  void Add(const Source& source, size_t k) {
    const MetadataColumns& columns = *source.columns;
    std::vector<uint32_t> places(size_t{columns.values(k)} + 1, kNone);
    columns.ForEach(k, source.to.size(), [&](uint32_t slot, uint32_t number) {
      if (source.to[slot] == kNone) return;
      if (places[number] == kNone) {
        places[number] = static_cast<uint32_t>(values_.size());
        values_.push_back(columns.value(k, number));
      }
      slots_.push_back({source.to[slot], places[number]});
    });
  }

  // Appends the key to `out`, unless no slot has it.
  void Finish(absl::string_view name, uint64_t slots, PackedColumns* out) {
    if (slots_.empty()) return;
    SortValues();
    SortSlots();
    AppendKey(name, &out->keys);
    AppendNumbers(slots, &out->numbers);
    AppendValues(&out->values);
  }

 private:
  // Blocks number equal values otherwise.
  void SortValues() {
    std::vector<uint32_t> order(values_.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [this](uint32_t a, uint32_t b) {
      return DictionaryOrder(values_[a], values_[b]) < 0;
    });
    std::vector<ValueView> distinct;
    std::vector<uint32_t> numbers(values_.size());
    for (const uint32_t place : order) {
      if (distinct.empty() ||
          DictionaryOrder(distinct.back(), values_[place]) != 0) {
        distinct.push_back(values_[place]);
      }
      numbers[place] = static_cast<uint32_t>(distinct.size());
    }
    values_ = std::move(distinct);
    for (SlotValue& slot : slots_) slot.value = numbers[slot.value];
  }

  void SortSlots() {
    const auto before = [](const SlotValue& a, const SlotValue& b) {
      return a.slot < b.slot;
    };
    if (!std::is_sorted(slots_.begin(), slots_.end(), before)) {
      std::sort(slots_.begin(), slots_.end(), before);
    }
  }

  void AppendKey(absl::string_view name, std::string* out) {
    std::array<uint32_t, kTypes> counts = {};
    uint64_t least = 0;
    uint64_t most = 0;
    for (const ValueView& value : values_) {
      ++counts[TypeOf(value)];
      if (const auto* text = std::get_if<absl::string_view>(&value)) {
        strings_.Add(*text);
      }
      const auto* const integer = std::get_if<int64_t>(&value);
      if (integer == nullptr) continue;
      // They are sorted.
      if (counts[1] == 1) least = static_cast<uint64_t>(*integer);
      most = static_cast<uint64_t>(*integer) - least;
    }
    integer_base_ = least;
    integer_width_ = BytesFor(most);
    Append(static_cast<uint32_t>(name.size()), out);
    Append(static_cast<uint32_t>(slots_.size()), out);
    for (const uint32_t count : counts) Append(count, out);
    Append(uint64_t{strings_.bytes.size()}, out);
    Append(integer_base_, out);
    Append(integer_width_, out);
    out->append(name.data(), name.size());
    if (counts[kListType] == 0) return;
    CollectItems();
    Append(static_cast<uint32_t>(item_strings_.ends.size()), out);
    Append(uint64_t{item_strings_.bytes.size()}, out);
    Append(uint64_t{items_.size()}, out);
  }

  // Lists have few different strings: these are numbered in their order, which
  // keeps that of the lists.
  void CollectItems() {
    absl::flat_hash_map<absl::string_view, uint32_t> numbers;
    for (const ValueView& value : values_) {
      if (TypeOf(value) != kListType) continue;
      for (ListReader list(value); list.left() > 0;) {
        numbers.try_emplace(list.Next(), 0);
      }
    }
    std::vector<absl::string_view> sorted;
    sorted.reserve(numbers.size());
    for (const auto& [string, number] : numbers) sorted.push_back(string);
    std::sort(sorted.begin(), sorted.end());
    for (const absl::string_view string : sorted) {
      numbers[string] = static_cast<uint32_t>(item_strings_.ends.size());
      item_strings_.Add(string);
    }
    for (const ValueView& value : values_) {
      if (TypeOf(value) != kListType) continue;
      for (ListReader list(value); list.left() > 0;) {
        items_.push_back(numbers[list.Next()]);
      }
      item_ends_.push_back(items_.size());
    }
  }

  void AppendNumbers(uint64_t slots, std::string* out) const {
    const NumbersForm form =
        FormOfNumbers(slots, slots_.size(), values_.size());
    if (form.listed) {
      for (const SlotValue& slot : slots_) Append(slot.slot, out);
      for (const SlotValue& slot : slots_) {
        AppendUnsigned(slot.value, form.width, out);
      }
      return;
    }
    const size_t begin = out->size();
    out->resize(begin + slots * form.width, '\0');
    for (const SlotValue& slot : slots_) {
      std::copy_n(reinterpret_cast<const char*>(&slot.value), form.width,
                  out->data() + begin + size_t{slot.slot} * form.width);
    }
  }

  void AppendValues(std::string* out) const {
    for (const ValueView& value : values_) {
      if (const auto* flag = std::get_if<bool>(&value)) {
        Append(static_cast<uint8_t>(*flag), out);
      } else if (const auto* integer = std::get_if<int64_t>(&value)) {
        AppendUnsigned(static_cast<uint64_t>(*integer) - integer_base_,
                       integer_width_, out);
      } else if (const auto* number = std::get_if<double>(&value)) {
        Append(*number, out);
      }
    }
    strings_.AppendTo(out);
    item_strings_.AppendTo(out);
    for (const uint64_t end : item_ends_) {
      AppendUnsigned(end, BytesFor(items_.size()), out);
    }
    const uint8_t width = WidthOfItems(item_strings_.ends.size());
    for (const uint32_t item : items_) AppendUnsigned(item, width, out);
  }

  std::vector<ValueView> values_;
  std::vector<SlotValue> slots_;
  StringsBuilder strings_;
  StringsBuilder item_strings_;  // Of lists.
  std::vector<uint32_t> items_;
  std::vector<uint64_t> item_ends_;
  uint64_t integer_base_ = 0;
  uint8_t integer_width_ = 0;
};

}  // namespace

PackedColumns PackMetadata(absl::Span<const SlotMetadata> slots) {
  const std::vector<Source> sources = SourcesOf(slots);
  std::map<absl::string_view, std::vector<std::pair<size_t, size_t>>> keys;
  for (size_t s = 0; s < sources.size(); ++s) {
    const MetadataColumns& columns = *sources[s].columns;
    for (size_t k = 0; k < columns.keys(); ++k) {
      keys[columns.key(k)].emplace_back(s, k);
    }
  }
  PackedColumns packed;
  for (const auto& [name, places] : keys) {
    KeyBuilder key;
    for (const auto& [s, k] : places) key.Add(sources[s], k);
    key.Finish(name, slots.size(), &packed);
  }
  return packed;
}

}  // namespace corkscrew
