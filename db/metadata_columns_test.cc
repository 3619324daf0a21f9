#include "db/metadata_columns.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "base/testing.h"
#include "db/filter.h"
#include "db/metadata_column_form.h"
#include "db/metadata_column_words.h"
#include "db/metadata_columns_builder.h"
#include "db/metadata_columns_growing.h"
#include "db/metadata_columns_packed.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::testing::HasSubstr;
using Op = Filter::Op;
using Strings = std::vector<std::string>;

constexpr Op kOps[] = {Op::kEq, Op::kNe,     Op::kLt,       Op::kLe, Op::kGt,
                       Op::kGe, Op::kExists, Op::kContains, Op::kIn};

std::vector<Value> Universe() {
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  constexpr int64_t kTwo53 = int64_t{1} << 53;
  return {false,
          true,
          kMin,
          int64_t{-1},
          int64_t{0},
          int64_t{1},
          int64_t{255},
          int64_t{256},
          kTwo53 + 1,
          kMax,
          -1e300,
          -9223372036854775808.0,
          -1.0,
          -0.5,
          -0.0,
          0.0,
          0.5,
          1.0,
          9007199254740992.0,
          9223372036854775808.0,
          std::string(),
          std::string("a"),
          std::string("ab"),
          std::string("b"),
          std::string("a\0b", 3),
          std::string("\u00e9"),
          Strings{},
          Strings{""},
          Strings{"a"},
          Strings{"a", "b"},
          Strings{"b", "a"},
          Strings{"ab"}};
}

// Columns for slots, with what holds them.
struct Packed {
  std::unique_ptr<PackedColumns> bytes;
  PackedMetadata columns;
};

absl::StatusOr<PackedMetadata> Open(const PackedColumns& bytes, size_t slots) {
  return PackedMetadata::Open({bytes.keys, bytes.numbers, bytes.values},
                              static_cast<uint32_t>(slots));
}

Packed Pack(const std::vector<SlotMetadata>& slots) {
  Packed packed{std::make_unique<PackedColumns>(PackMetadata(slots)), {}};
  auto opened = Open(*packed.bytes, slots.size());
  EXPECT_THAT(opened, IsOk());
  if (opened.ok()) packed.columns = *std::move(opened);
  return packed;
}

std::vector<SlotMetadata> AllOf(const MetadataColumns& columns, size_t slots) {
  std::vector<SlotMetadata> all;
  for (uint32_t i = 0; i < slots; ++i) all.push_back({&columns, i});
  return all;
}

std::unique_ptr<GrowingMetadata> Grow(const std::vector<Metadata>& records) {
  auto columns = std::make_unique<GrowingMetadata>();
  for (size_t i = 0; i < records.size(); ++i) {
    columns->Add(static_cast<uint32_t>(i), records[i]);
  }
  return columns;
}

std::vector<uint64_t> Select(const MetadataColumns& columns,
                             const Filter& filter, size_t slots,
                             const std::vector<uint64_t>& among) {
  std::vector<uint64_t> words = among;
  words.resize((slots + 63) / 64);
  RetainMatches(columns, filter, slots, words.data());
  return words;
}

// By definition, the slots of `among` that match.
std::vector<uint64_t> Want(const std::vector<Metadata>& records,
                           const Filter& filter,
                           const std::vector<uint64_t>& among) {
  std::vector<uint64_t> words((records.size() + 63) / 64);
  for (size_t i = 0; i < records.size(); ++i) {
    if ((among[i / 64] >> i % 64 & 1) != 0 && Matches(filter, records[i])) {
      words[i / 64] |= uint64_t{1} << i % 64;
    }
  }
  return words;
}

std::vector<uint64_t> AllBits(size_t slots) {
  std::vector<uint64_t> words((slots + 63) / 64, ~uint64_t{0});
  if (slots % 64 != 0) words.back() = (uint64_t{1} << slots % 64) - 1;
  return words;
}

// Metadata with every form of column: a value for all, few values, many, rare
// keys, all types.
Metadata RandomMetadata(Random* random, const std::vector<Value>& universe) {
  Metadata metadata = {{"same", std::string("x")}};
  if (random->Next() % 8 != 0) {
    metadata["few"] = static_cast<int64_t>(random->Next() % 5) - 2;
  }
  if (random->Next() % 8 != 0) {
    metadata["any"] = universe[random->Next() % universe.size()];
  }
  if (random->Next() % 2 != 0) {
    metadata["many"] = static_cast<int64_t>(random->Next() % 600) * 1000;
  }
  if (random->Next() % 40 == 0) {
    metadata["rare"] = universe[random->Next() % universe.size()];
  }
  if (random->Next() % 40 == 0) metadata["flag"] = true;
  if (random->Next() % 2 == 0) {
    metadata[""] = static_cast<int64_t>(random->Next() >> 20);
  }
  return metadata;
}

std::vector<Metadata> RandomRecords(Random* random,
                                    const std::vector<Value>& universe,
                                    size_t records) {
  std::vector<Metadata> all;
  for (size_t i = 0; i < records; ++i) {
    all.push_back(RandomMetadata(random, universe));
  }
  return all;
}

Filter RandomFilter(Random* random, const std::vector<Value>& universe,
                    int depth) {
  const uint64_t kind = random->Next() % (depth == 0 ? 4 : 7);
  if (kind < 4) {
    static constexpr const char* kKeys[] = {"same", "few",  "any", "many",
                                            "rare", "flag", "",    "none"};
    const std::string key = kKeys[random->Next() % std::size(kKeys)];
    const Op op = kOps[random->Next() % std::size(kOps)];
    const auto value = [&]() -> Value {
      if (key == "many" || random->Next() % 4 == 0) {
        return static_cast<int64_t>(random->Next() % 600) * 1000;
      }
      return universe[random->Next() % universe.size()];
    };
    if (op == Op::kExists) return Filter::Exists(key);
    if (op == Op::kIn) {
      std::vector<Value> values;
      for (uint64_t n = random->Next() % 6; n > 0; --n) {
        values.push_back(value());
      }
      return Filter::In(key, std::move(values));
    }
    return Filter::Compare(op, key, value());
  }
  if (kind == 4) return Filter::Not(RandomFilter(random, universe, depth - 1));
  std::vector<Filter> children;
  for (uint64_t n = random->Next() % 4; n > 0; --n) {
    children.push_back(RandomFilter(random, universe, depth - 1));
  }
  return kind == 5 ? Filter::And(std::move(children))
                   : Filter::Or(std::move(children));
}

// What a slot has, key by key.
std::vector<std::string> Describe(const MetadataColumns& columns, size_t slot) {
  std::vector<std::string> all;
  for (size_t k = 0; k < columns.keys(); ++k) {
    const uint32_t number = columns.number(k, slot);
    if (number == 0) continue;
    const ValueView value = columns.value(k, number);
    std::string text = absl::StrCat(columns.key(k), ":", TypeOf(value), ":");
    if (const auto* x = std::get_if<bool>(&value)) absl::StrAppend(&text, *x);
    if (const auto* x = std::get_if<int64_t>(&value)) {
      absl::StrAppend(&text, *x);
    }
    if (const auto* x = std::get_if<double>(&value)) absl::StrAppend(&text, *x);
    if (const auto* x = std::get_if<absl::string_view>(&value)) {
      absl::StrAppend(&text, *x);
    }
    if (TypeOf(value) == 4) {
      for (ListReader list(value); list.left() > 0;) {
        absl::StrAppend(&text, list.Next(), ",");
      }
    }
    all.push_back(text);
  }
  std::sort(all.begin(), all.end());
  return all;
}

TEST(MetadataColumnsTest, EveryComparisonWithEveryValueIsThatOfMatches) {
  const std::vector<Value> universe = Universe();
  std::vector<Metadata> records = {{}};
  for (const Value& value : universe) records.push_back({{"key", value}});
  const size_t slots = records.size();
  const auto growing = Grow(records);
  const Packed packed = Pack(AllOf(*growing, slots));
  for (const Op op : kOps) {
    for (const Value& wanted : universe) {
      Filter filter = Filter::Compare(op, "key", wanted);
      if (op == Op::kExists) filter = Filter::Exists("key");
      const auto want = Want(records, filter, AllBits(slots));
      EXPECT_EQ(Select(*growing, filter, slots, AllBits(slots)), want);
      EXPECT_EQ(Select(packed.columns, filter, slots, AllBits(slots)), want);
    }
  }
}

TEST(MetadataColumnsTest, RandomFiltersSelectWhatMatches) {
  const std::vector<Value> universe = Universe();
  uint64_t seed = 0;
  for (const size_t slots : {1, 15, 63, 64, 65, 127, 128, 129, 700, 3000}) {
    SCOPED_TRACE(absl::StrCat("seed ", ++seed, ", slots ", slots));
    Random random(seed);
    auto records = RandomRecords(&random, universe, slots);
    const auto growing = Grow(records);
    const Packed packed = Pack(AllOf(*growing, slots));
    for (int trial = 0; trial < 400; ++trial) {
      const Filter filter = RandomFilter(&random, universe, 3);
      std::vector<uint64_t> among = AllBits(slots);
      for (uint64_t& word : among) word &= random.Next() | random.Next();
      const auto want = Want(records, filter, among);
      ASSERT_EQ(Select(*growing, filter, slots, among), want) << trial;
      ASSERT_EQ(Select(packed.columns, filter, slots, among), want) << trial;
    }
    // A reader that knows of fewer slots of a block that grows.
    const size_t fewer = slots / 2 + 1;
    records.resize(fewer);
    for (int trial = 0; trial < 100; ++trial) {
      const Filter filter = RandomFilter(&random, universe, 2);
      ASSERT_EQ(Select(*growing, filter, fewer, AllBits(fewer)),
                Want(records, filter, AllBits(fewer)));
    }
  }
}

TEST(MetadataColumnsTest, PackedColumnsAreEqualWhateverBlocksTheirSlotsLayIn) {
  const std::vector<Value> universe = Universe();
  Random random(7);
  constexpr size_t kSlots = 500;
  const auto records = RandomRecords(&random, universe, kSlots);
  const auto growing = Grow(records);
  const Packed packed = Pack(AllOf(*growing, kSlots));
  // In two blocks, where the slots lie in another order.
  std::array<GrowingMetadata, 2> halves;
  std::array<uint32_t, 2> sizes = {};
  std::vector<SlotMetadata> slots(kSlots);
  for (size_t i = kSlots; i-- > 0;) {
    const size_t half = random.Next() % 2;
    halves[half].Add(sizes[half], records[i]);
    slots[i] = {&halves[half], sizes[half]++};
  }
  const Packed of_halves = Pack(slots);
  const Packed again = Pack(AllOf(packed.columns, kSlots));
  for (const Packed* other : {&of_halves, &again}) {
    EXPECT_EQ(other->bytes->keys, packed.bytes->keys);
    EXPECT_EQ(other->bytes->numbers, packed.bytes->numbers);
    EXPECT_EQ(other->bytes->values, packed.bytes->values);
  }
  for (size_t i = 0; i < kSlots; ++i) {
    ASSERT_EQ(Describe(packed.columns, i), Describe(*growing, i)) << i;
    ASSERT_EQ(Describe(packed.columns, i).size(), records[i].size());
  }
}

TEST(MetadataColumnsTest, ASegmentOfSomeSlotsHasNothingOfTheOthers) {
  std::vector<Metadata> records;
  for (int64_t i = 0; i < 200; ++i) {
    const char* const kind = i % 4 == 0 ? "taken" : "other";
    records.push_back({{i % 2 == 0 ? "even" : "odd", absl::StrCat(kind, i)}});
  }
  const auto growing = Grow(records);
  std::vector<SlotMetadata> slots;
  for (uint32_t i = 0; i < 200; i += 4) slots.push_back({growing.get(), i});
  const Packed packed = Pack(slots);
  ASSERT_EQ(packed.columns.keys(), 1u);
  EXPECT_EQ(packed.columns.key(0), "even");
  EXPECT_EQ(packed.columns.values(0), 50u);
  for (uint32_t number = 1; number <= 50; ++number) {
    const ValueView value = packed.columns.value(0, number);
    EXPECT_THAT(std::get<absl::string_view>(value), HasSubstr("taken"));
  }
  EXPECT_EQ(packed.bytes->values.find("other"), std::string::npos);
}

// Numbers of 1, 2 and 4 bytes, within stretches of 64 slots that change.
TEST(MetadataColumnsTest, ValuesOfAnyNumberAreFound) {
  constexpr size_t kSlots = 70'000;
  std::vector<Metadata> records;
  for (size_t i = 0; i < kSlots; ++i) {
    Metadata metadata = {{"n", static_cast<int64_t>(i)}};
    if (i % 3 == 0) metadata["third"] = static_cast<int64_t>(i);
    records.push_back(std::move(metadata));
  }
  const auto growing = Grow(records);
  const Packed packed = Pack(AllOf(*growing, kSlots));
  // The third has 23,334 values: two bytes for each slot.
  EXPECT_EQ(packed.bytes->numbers.size(), kSlots * 4 + kSlots * 2);
  for (const auto* key : {"n", "third"}) {
    for (const int64_t wanted : {0, 254, 255, 256, 65'534, 65'535, 65'536}) {
      for (const Op op : {Op::kEq, Op::kLt, Op::kNe}) {
        const Filter filter = Filter::Compare(op, key, wanted);
        const auto want = Want(records, filter, AllBits(kSlots));
        ASSERT_EQ(Select(*growing, filter, kSlots, AllBits(kSlots)), want);
        ASSERT_EQ(Select(packed.columns, filter, kSlots, AllBits(kSlots)),
                  want);
      }
    }
  }
}

TEST(MetadataColumnsTest, NumbersTakeTheFewestBytes) {
  EXPECT_EQ(FormOfNumbers(100, 100, 1).width, 0);
  EXPECT_FALSE(FormOfNumbers(100, 100, 1).listed);
  EXPECT_EQ(FormOfNumbers(1000, 900, 255).width, 1);
  EXPECT_EQ(FormOfNumbers(1000, 900, 256).width, 2);
  EXPECT_EQ(FormOfNumbers(100'000, 90'000, 65'536).width, 4);
  EXPECT_TRUE(FormOfNumbers(1000, 199, 3).listed);
  EXPECT_FALSE(FormOfNumbers(1000, 200, 3).listed);
  EXPECT_TRUE(FormOfNumbers(1000, 249, 1).listed);
  EXPECT_EQ(FormOfNumbers(1000, 249, 1).width, 0);
}

template <typename T>
void ExpectWordsByDefinition() {
  Random random(sizeof(T));
  NumberTable table(1000);
  std::vector<bool> wanted(1001);
  for (uint32_t n = 1; n <= 1000; ++n) {
    wanted[n] = random.Next() % 2 == 0;
    if (wanted[n]) table.Set(n);
  }
  for (size_t slots = 0; slots <= 200; ++slots) {
    std::vector<T> numbers(slots);
    for (T& n : numbers) n = static_cast<T>(random.Next() % 1001);
    // At an odd address, and nothing behind it.
    std::string bytes(1 + slots * sizeof(T), 'x');
    if (slots > 0) {
      std::memcpy(bytes.data() + 1, numbers.data(), slots * sizeof(T));
    }
    std::vector<uint64_t> in_range((slots + 63) / 64, 5);
    std::vector<uint64_t> in_table((slots + 63) / 64, 5);
    const auto begin = static_cast<T>(random.Next() % 1001);
    const auto count = static_cast<T>(random.Next() % 200);
    FillWords<T>(bytes.data() + 1, slots, in_range.data(), [&](const char* b) {
      return WordInRange<T>(b, begin, count);
    });
    FillWords<T>(bytes.data() + 1, slots, in_table.data(),
                 [&](const char* b) { return WordInTable<T>(b, table); });
    for (size_t i = 0; i < 64 * in_range.size(); ++i) {
      const bool there = i < slots;
      const uint64_t n = there ? numbers[i] : 0;
      const auto distance = static_cast<T>(n - begin);
      ASSERT_EQ((in_range[i / 64] >> i % 64 & 1) != 0,
                there && distance < count);
      ASSERT_EQ((in_table[i / 64] >> i % 64 & 1) != 0, there && wanted[n]);
    }
  }
}

TEST(MetadataColumnsTest, WordsFollowTheirDefinition) {
  ExpectWordsByDefinition<uint8_t>();
  ExpectWordsByDefinition<uint16_t>();
  ExpectWordsByDefinition<uint32_t>();
}

// A reader finds all metadata of the slots that it has learned of.
TEST(MetadataColumnsTest, ReadersSeeTheMetadataOfAllSlotsTheyKnowOf) {
  constexpr size_t kSlots = 20'000;
  GrowingMetadata columns;
  std::atomic<size_t> published = 0;
  std::atomic<bool> whole = true;
  const auto read = [&] {
    const Filter all = Filter::And({Filter::Exists("many"),
                                    Filter::Compare(Op::kGe, "few", int64_t{0}),
                                    Filter::Not(Filter::Exists("none"))});
    for (size_t slots = 0; slots < kSlots;) {
      slots = published.load(std::memory_order_acquire);
      const auto bits = AllBits(slots);
      if (Select(columns, all, slots, bits) != bits) whole = false;
      if (slots == 0) continue;
      const size_t k = columns.Find("many");
      const uint32_t number = columns.number(k, slots - 1);
      if (number == 0 || Compare(columns.value(k, number),
                                 static_cast<int64_t>(slots - 1)) != 0) {
        whole = false;
      }
    }
  };
  std::thread first(read);
  std::thread second(read);
  for (size_t i = 0; i < kSlots; ++i) {
    Metadata metadata = {{"many", static_cast<int64_t>(i)},
                         {"few", static_cast<int64_t>(i / 100)}};
    if (i % 500 == 0) metadata[absl::StrCat("key-", i)] = true;
    columns.Add(static_cast<uint32_t>(i), metadata);
    published.store(i + 1, std::memory_order_release);
  }
  first.join();
  second.join();
  EXPECT_TRUE(whole);
}

size_t ReadEverything(const PackedMetadata& columns, size_t slots,
                      const std::vector<Filter>& filters) {
  size_t sum = 0;
  std::vector<uint64_t> words((slots + 63) / 64);
  for (size_t k = 0; k < columns.keys(); ++k) {
    sum += columns.Find(columns.key(k));
    for (size_t i = 0; i < slots; ++i) sum += columns.number(k, i);
    columns.ForEach(k, slots, [&](uint32_t slot, uint32_t number) {
      sum += slot + TypeOf(columns.value(k, number));
    });
    for (Filter filter : filters) {
      filter.key = std::string(columns.key(k));
      columns.Select(k, filter, slots, words.data());
      for (const uint64_t word : words) sum += word;
    }
  }
  return sum;
}

TEST(MetadataColumnsTest, WhateverTheBytesAreReadingIsBounded) {
  const std::vector<Value> universe = Universe();
  Random random(11);
  constexpr size_t kSlots = 100;
  const auto records = RandomRecords(&random, universe, kSlots);
  const auto growing = Grow(records);
  const PackedColumns good = PackMetadata(AllOf(*growing, kSlots));
  std::vector<Filter> filters = {Filter::Exists("")};
  for (const Op op : {Op::kEq, Op::kNe, Op::kLt, Op::kGe, Op::kContains}) {
    for (const size_t i : {1, 5, 17, 22, 28}) {
      filters.push_back(Filter::Compare(op, "", universe[i]));
    }
  }
  size_t opened = 0;
  size_t refused = 0;
  for (std::string PackedColumns::*part :
       {&PackedColumns::keys, &PackedColumns::numbers,
        &PackedColumns::values}) {
    const size_t size = (good.*part).size();
    for (size_t at = 0; at < size; ++at) {
      PackedColumns changed = good;
      (changed.*part)[at] ^= static_cast<char>(1 + random.Next() % 255);
      auto columns = Open(changed, kSlots);
      if (!columns.ok()) {
        EXPECT_THAT(columns, StatusIs(absl::StatusCode::kDataLoss,
                                      HasSubstr("metadata")));
        ++refused;
        continue;
      }
      ++opened;
      ReadEverything(*columns, kSlots, filters);
      // What is made of it can be read.
      const PackedColumns again = PackMetadata(AllOf(*columns, kSlots));
      ASSERT_THAT(Open(again, kSlots), IsOk());
    }
    for (size_t cut = 0; cut < size; ++cut) {
      PackedColumns changed = good;
      (changed.*part).resize(cut);
      const auto columns = Open(changed, kSlots);
      // Without its last keys it fits no numbers.
      EXPECT_THAT(columns,
                  StatusIs(absl::StatusCode::kDataLoss, HasSubstr("metadata")))
          << cut;
    }
  }
  EXPECT_GT(opened, 100u);
  EXPECT_GT(refused, 50u);
}

// A title per record costs its bytes, where it ends and its number.
TEST(MetadataColumnsTest, MemoryIsThatOfDistinctValues) {
  constexpr size_t kSlots = 10'000;
  std::vector<Metadata> records;
  for (size_t i = 0; i < kSlots; ++i) {
    records.push_back({{"lang", std::string(i % 2 == 0 ? "en" : "de")},
                       {"title", absl::StrCat("the title number ", 10'000 + i)},
                       {"year", static_cast<int64_t>(1990 + i % 30)}});
  }
  const auto growing = Grow(records);
  const Packed packed = Pack(AllOf(*growing, kSlots));
  const size_t title = sizeof("the title number 10000") - 1;
  EXPECT_LE(packed.columns.bytes(), kSlots * (title + 4 + 2 + 1 + 1) + 2000);
  EXPECT_LE(growing->bytes(), kSlots * (title + 90));
}

}  // namespace
}  // namespace corkscrew
