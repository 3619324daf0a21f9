#include "db/filter.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/random.h"
#include "base/testing.h"
#include "corkscrew/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::Not;
using Op = Filter::Op;
using Strings = std::vector<std::string>;

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr int64_t kTwo53 = int64_t{1} << 53;
constexpr Op kComparisons[] = {Op::kEq, Op::kNe, Op::kLt,      Op::kLe,
                               Op::kGt, Op::kGe, Op::kContains};

std::vector<Value> Universe() {
  return {false,
          true,
          kMin,
          kMin + 1,
          int64_t{-1},
          int64_t{0},
          int64_t{1},
          kTwo53,
          kTwo53 + 1,
          kTwo53 + 2,
          kMax - 1,
          kMax,
          -1e300,
          -9223372036854775808.0,
          -9223372036854777856.0,  // The double below -2^63.
          -1.5,
          -1.0,
          -0.5,
          -0.0,
          0.0,
          5e-324,
          0.5,
          1.0,
          9007199254740992.0,     // 2^53
          9007199254740994.0,     // 2^53 + 2
          9223372036854774784.0,  // The double below 2^63.
          9223372036854775808.0,
          1e300,
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

// The semantics of corkscrew/filter.h by other means: numbers as 64-bit
// mantissas (exact for both types), everything else with std operators.
enum class Relation { kNone, kLess, kEqual, kGreater, kDiffers };

template <typename T>
Relation Order(const T& a, const T& b) {
  return a < b   ? Relation::kLess
         : b < a ? Relation::kGreater
                 : Relation::kEqual;
}

std::optional<long double> AsNumber(const Value& value) {
  static_assert(std::numeric_limits<long double>::digits >= 64);
  if (value.index() == 1) return std::get<int64_t>(value);
  if (value.index() == 2) return std::get<double>(value);
  return std::nullopt;
}

Relation Relate(const Value& a, const Value& b) {
  if (AsNumber(a) && AsNumber(b)) return Order(*AsNumber(a), *AsNumber(b));
  if (a.index() != b.index()) return Relation::kNone;
  if (a.index() == 0) return Order(std::get<bool>(a), std::get<bool>(b));
  if (a.index() == 3) {
    const std::string& x = std::get<std::string>(a);
    const std::string& y = std::get<std::string>(b);
    return Order(std::vector<uint8_t>(x.begin(), x.end()),
                 std::vector<uint8_t>(y.begin(), y.end()));
  }
  return std::get<Strings>(a) == std::get<Strings>(b) ? Relation::kEqual
                                                      : Relation::kDiffers;
}

bool Expected(Op op, const Value* stored, const Value& wanted) {
  if (stored == nullptr) return false;
  const Relation r = Relate(*stored, wanted);
  const bool less = r == Relation::kLess;
  const bool equal = r == Relation::kEqual;
  const bool greater = r == Relation::kGreater;
  switch (op) {
    case Op::kEq:
      return equal;
    case Op::kNe:
      return less || greater || r == Relation::kDiffers;
    case Op::kLt:
      return less;
    // A list has equality only.
    case Op::kLe:
      return less || (equal && stored->index() != 4);
    case Op::kGt:
      return greater;
    case Op::kGe:
      return greater || (equal && stored->index() != 4);
    default:
      break;
  }
  if (wanted.index() != 3) return false;
  const std::string& needle = std::get<std::string>(wanted);
  if (stored->index() == 3) {
    return std::get<std::string>(*stored).find(needle) != std::string::npos;
  }
  if (stored->index() != 4) return false;
  bool found = false;
  for (const std::string& item : std::get<Strings>(*stored)) {
    found = found || item == needle;
  }
  return found;
}

TEST(FilterTest, EveryComparisonOfTwoValuesFollowsTheDefinition) {
  const std::vector<Value> universe = Universe();
  for (size_t s = 0; s <= universe.size(); ++s) {
    const Value* const stored = s < universe.size() ? &universe[s] : nullptr;
    Metadata metadata = {{"a", int64_t{1}}, {"z", std::string("ab")}};
    if (stored != nullptr) metadata["key"] = *stored;
    EXPECT_EQ(Matches(Filter::Exists("key"), metadata), stored != nullptr);
    EXPECT_TRUE(Matches(Filter::All(), metadata));
    EXPECT_FALSE(Matches(Filter::In("key", {}), metadata));
    for (size_t w = 0; w < universe.size(); ++w) {
      for (const Op op : kComparisons) {
        const Filter filter = Filter::Compare(op, "key", universe[w]);
        ASSERT_THAT(ValidateFilter(filter), IsOk());
        const bool expected = Expected(op, stored, universe[w]);
        ASSERT_EQ(Matches(filter, metadata), expected)
            << "stored " << s << ", wanted " << w << ", op " << int(op);
        ASSERT_EQ(Matches(Filter::Not(filter), metadata), !expected);
      }
      const Value& other = universe[(w * 7 + 3) % universe.size()];
      ASSERT_EQ(Matches(Filter::In("key", {universe[w], other}), metadata),
                Expected(Op::kEq, stored, universe[w]) ||
                    Expected(Op::kEq, stored, other));
    }
  }
}

TEST(FilterTest, InfinityComparesWithEveryNumber) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const Value& value : {Value(kMin), Value(kMax), Value(1e300)}) {
    const Metadata metadata = {{"key", value}};
    EXPECT_TRUE(Matches(Filter::Compare(Op::kLt, "key", infinity), metadata));
    EXPECT_TRUE(Matches(Filter::Compare(Op::kGt, "key", -infinity), metadata));
    EXPECT_TRUE(Matches(Filter::Compare(Op::kNe, "key", infinity), metadata));
  }
}

TEST(FilterTest, EmptyAndIsTrueAndEmptyOrIsFalse) {
  EXPECT_TRUE(Matches(Filter::And({}), {}));
  EXPECT_FALSE(Matches(Filter::Or({}), {}));
  EXPECT_THAT(ValidateFilter(Filter::And({})), IsOk());
  EXPECT_THAT(ValidateFilter(Filter::Or({})), IsOk());
}

// A random tree and what it means for each of the 16 records over four keys.
std::pair<Filter, uint32_t> RandomTree(Random* random, int depth) {
  const uint64_t kind = random->Next() % (depth == 0 ? 3 : 6);
  if (kind < 3) {
    const uint64_t key = random->Next() % 4;
    uint32_t truth = 0;
    for (uint32_t record = 0; record < 16; ++record) {
      if (kind != 2 && (record >> key & 1)) truth |= 1u << record;
    }
    const std::string name(1, static_cast<char>('a' + key));
    if (kind == 0) return {Filter::Exists(name), truth};
    if (kind == 1) return {Filter::Eq(name, true), truth};
    return {Filter::Compare(Op::kNe, name, true), truth};
  }
  if (kind == 3) {
    auto [child, truth] = RandomTree(random, depth - 1);
    return {Filter::Not(std::move(child)), ~truth & 0xFFFF};
  }
  std::vector<Filter> children;
  uint32_t truth = kind == 4 ? 0xFFFF : 0;
  for (uint64_t n = random->Next() % 4; n > 0; --n) {
    auto [child, of_child] = RandomTree(random, depth - 1);
    truth = kind == 4 ? truth & of_child : truth | of_child;
    children.push_back(std::move(child));
  }
  return {kind == 4 ? Filter::And(std::move(children))
                    : Filter::Or(std::move(children)),
          truth};
}

TEST(FilterTest, TreesFollowTheirTruthTable) {
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    Random random(seed);
    const auto [filter, truth] = RandomTree(&random, 4);
    for (uint32_t record = 0; record < 16; ++record) {
      Metadata metadata;
      for (int key = 0; key < 4; ++key) {
        if (record >> key & 1) metadata[std::string(1, 'a' + key)] = true;
      }
      ASSERT_EQ(Matches(filter, metadata), (truth >> record & 1) == 1)
          << "seed " << seed << ", record " << record;
    }
  }
}

Filter Nested(size_t depth) {
  Filter filter = Filter::Exists("key");
  while (--depth > 0) filter = Filter::Not(std::move(filter));
  return filter;
}

Filter Wide(size_t nodes) {
  return Filter::Or(std::vector<Filter>(nodes - 1, Filter::Exists("key")));
}

TEST(FilterTest, DepthAndNodesAreLimited) {
  EXPECT_THAT(ValidateFilter(Nested(kMaxFilterDepth)), IsOk());
  EXPECT_THAT(ValidateFilter(Nested(kMaxFilterDepth + 1)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("exists \"key\": nested deeper than 16")));
  EXPECT_THAT(ValidateFilter(Nested(10000)), Not(IsOk()));
  EXPECT_THAT(ValidateFilter(Wide(kMaxFilterNodes)), IsOk());
  EXPECT_THAT(ValidateFilter(Wide(kMaxFilterNodes + 1)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("more than 256 nodes")));
}

TEST(FilterTest, MalformedNodesAreRefusedWithOperatorAndKey) {
  const Value one = int64_t{1};
  const struct {
    Filter filter;
    const char* message;
  } cases[] = {
      {{static_cast<Op>(99), "k", {}, {}}, "unknown operator 99"},
      {{static_cast<Op>(-1), "k", {}, {}}, "unknown operator -1"},
      {{Op::kAll, "k", {}, {}}, "all: has the key \"k\", want none"},
      {{Op::kAll, "", {one}, {}}, "all: has 1 values, want none"},
      {{Op::kAll, "", {}, {Filter::All()}}, "all: has 1 children, want none"},
      {{Op::kAnd, "k", {}, {}}, "and: has the key \"k\", want none"},
      {{Op::kOr, "", {one, one}, {}}, "or: has 2 values, want none"},
      {{Op::kNot, "", {}, {}}, "not: has 0 children, want 1"},
      {{Op::kNot, "", {}, {Filter::All(), Filter::All()}},
       "not: has 2 children, want 1"},
      {{Op::kEq, "", {one}, {}}, "eq \"\": the key is empty"},
      {{Op::kEq, "k", {}, {}}, "eq \"k\": has 0 values, want 1"},
      {{Op::kNe, "k", {one, one}, {}}, "ne \"k\": has 2 values, want 1"},
      {{Op::kLt, "k", {one}, {Filter::All()}},
       "lt \"k\": has 1 children, want none"},
      {{Op::kLe, "k", {}, {}}, "le \"k\": has 0 values"},
      {{Op::kGt, "k", {}, {}}, "gt \"k\": has 0 values"},
      {{Op::kGe, "k", {}, {}}, "ge \"k\": has 0 values"},
      {{Op::kContains, "k", {}, {}}, "contains \"k\": has 0 values"},
      {{Op::kIn, "", {one}, {}}, "in \"\": the key is empty"},
      {{Op::kExists, "k", {one}, {}}, "exists \"k\": has 1 values, want none"},
      {{Op::kExists, "\xFF", {}, {}}, "exists: the key is not valid UTF-8"},
      {Filter::Eq("k", std::string("\xFF")),
       "eq \"k\": the value is not valid"},
      {Filter::Eq("k", Strings{"a", "\xFF"}),
       "eq \"k\": a string of the value"},
      {Filter::In("k", {one, std::numeric_limits<double>::quiet_NaN()}),
       "in \"k\": the value is NaN"},
  };
  for (const auto& [filter, message] : cases) {
    for (const Filter& tree : {filter, Filter::And({Filter::All(), filter})}) {
      EXPECT_THAT(
          ValidateFilter(tree),
          StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
    }
  }
}

}  // namespace
}  // namespace corkscrew
