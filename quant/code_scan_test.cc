#include "quant/code_scan.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "absl/types/span.h"
#include "base/testing.h"
#include "corkscrew/metric.h"
#include "corkscrew/quantizer.h"
#include "gtest/gtest.h"
#include "quant/codebook.h"
#include "quant/prepared_query.h"
#include "quant/reference_quantizer.h"
#include "quant/rotation.h"
#include "quant/scan_layout.h"
#include "quant/splitmix.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::ForEachSimdTarget;
using ::corkscrew::testing::RandomNormal;

// All kinds of codes.
std::vector<QuantizerParams> AllParams(size_t dim) {
  std::vector<QuantizerParams> all;
  for (int bits = 1; bits <= 8; ++bits) {
    all.push_back({.dim = dim, .bits = bits, .codebook = 1, .seed = 7});
  }
  all.push_back({.dim = dim, .bits = 8, .codebook = 2, .seed = 7});
  for (const int bits : {2, 3, 5, 8}) {
    all.push_back({.dim = dim,
                   .mode = QuantizerMode::kIp,
                   .bits = bits,
                   .codebook = 1,
                   .seed = 7});
  }
  return all;
}

Quantizer Make(const QuantizerParams& params) {
  auto quantizer = Quantizer::Create(params);
  EXPECT_TRUE(quantizer.ok());
  return *std::move(quantizer);
}

// A vector whose integers are all -127 or 127.
std::vector<float> VectorOfExtremes(const QuantizerParams& params) {
  std::vector<int32_t> v(params.dim);
  std::vector<int32_t> scratch(params.dim);
  for (size_t i = 0; i < v.size(); ++i) {
    v[i] = static_cast<int32_t>(0x1p24 /
                                std::sqrt(static_cast<double>(params.dim)));
    if (i % 5 == 4) v[i] = -v[i];
  }
  Rotation(params.dim, params.seed, RotationKind::kMain)
      .Inverse(absl::MakeSpan(v), absl::MakeSpan(scratch));
  return {v.begin(), v.end()};
}

// What a test gives the kernels, and the sums by definition.
struct Case {
  Case(const QuantizerParams& params, size_t slots, bool extreme = false)
      : quantizer(Make(params)),
        scan(quantizer),
        layout(params),
        prefix(layout.prefix_size(slots)),
        rest(layout.rest_size(slots) + kScanPadding, 0xEE),
        low(layout.low_size(slots) + kScanPadding, 0xEE),
        query(extreme ? VectorOfExtremes(params)
                      : RandomNormal(params.dim, /*seed=*/slots)) {
    SplitMix64 random(params.dim * 1000 + slots);
    const reference::Query plain =
        reference::Quantizer(quantizer.params()).Prepare(query, 127);
    const std::vector<int16_t> levels =
        MakeCodebook(quantizer.params().codebook, layout.level_bits).levels;
    for (size_t slot = 0; slot < slots; ++slot) {
      std::vector<uint8_t> values;
      std::vector<uint8_t> sketch;
      for (size_t i = 0; i < params.dim; ++i) {
        const auto n = static_cast<uint32_t>(levels.size());
        values.push_back(static_cast<uint8_t>(
            !extreme ? random.Bounded(n) : (plain.grid[i] > 0 ? n - 1 : 0)));
        sketch.push_back(static_cast<uint8_t>(random.Bounded(2)));
      }
      AddSlot(plain, levels, values, sketch);
    }
  }

  void AddSlot(const reference::Query& plain,
               const std::vector<int16_t>& levels,
               const std::vector<uint8_t>& values,
               const std::vector<uint8_t>& sketch) {
    std::vector<uint8_t> code = reference::Pack(values, layout.level_bits);
    if (layout.has_sketch) {
      const std::vector<uint8_t> more = reference::Pack(sketch, 1);
      code.insert(code.end(), more.begin(), more.end());
    }
    StoreCode(layout, code, scalars.size(),
              {prefix.data(), rest.data(), low.data()});
    codes.insert(codes.end(), code.begin(), code.end());
    scalars.push_back({.norm = 2, .scale = 0.01f});
    int32_t prefix_sum = 0;
    int32_t sign_sum = 0;
    int64_t full_sum = 0;
    int32_t sketch_sum = 0;
    for (size_t i = 0; i < layout.dim; ++i) {
      const bool positive = values[i] >= levels.size() / 2;
      const int32_t term = positive ? plain.grid[i] : -plain.grid[i];
      if (i < 8 * layout.prefix_bytes) prefix_sum += term;
      sign_sum += term;
      full_sum += int64_t{plain.grid[i]} * levels[values[i]];
      if (layout.has_sketch) {
        sketch_sum +=
            sketch[i] != 0 ? plain.sketch_grid[i] : -plain.sketch_grid[i];
      }
    }
    prefix_sums.push_back(static_cast<int16_t>(prefix_sum));
    EXPECT_EQ(prefix_sums.back(), prefix_sum);
    sign_sums.push_back(sign_sum);
    full_sums.push_back(static_cast<float>(full_sum));
    sketch_sums.push_back(static_cast<float>(sketch_sum));
  }

  ScanColumns columns() const {
    return {prefix.data(), rest.data(), low.data()};
  }

  // Compares all slots, and `list`, on the present SIMD target.
  void Check(const std::vector<uint32_t>& list) const {
    const auto prepared = quantizer.Prepare(query);
    ASSERT_TRUE(prepared.ok());
    Check(list, *prepared, scan.Prepare(*prepared));
    // In memory that held another query.
    QueryGrid grid;
    ScanQuery again;
    const std::vector<float> other(query.rbegin(), query.rend());
    ASSERT_TRUE(scan.Prepare(other, /*shared=*/true, &grid, &again).ok());
    const uint8_t* const memory = again.memory.get();
    ASSERT_TRUE(scan.Prepare(query, /*shared=*/true, &grid, &again).ok());
    EXPECT_EQ(again.memory.get(), memory);
    Check(list, *prepared, again);
  }

  void Check(const std::vector<uint32_t>& list, const PreparedQuery& prepared,
             const ScanQuery& scan_query) const {
    const size_t blocks = ScanLayout::Blocks(scalars.size());
    std::vector<int16_t> prefix_got(blocks * kScanBlock);
    scan.PrefixSums(scan_query, prefix.data(), blocks, prefix_got.data());
    prefix_got.resize(scalars.size());
    ASSERT_EQ(prefix_got, prefix_sums);
    ASSERT_EQ(SharedPrefixSums(scan_query), prefix_sums);
    for (const int16_t sum : prefix_sums) {
      EXPECT_LE(std::abs(int{sum}), scan_query.prefix_magnitude);
    }

    const size_t n = list.size();
    std::vector<int16_t> prefix_of_list;
    for (const uint32_t slot : list) {
      prefix_of_list.push_back(prefix_sums[slot]);
    }
    std::vector<int32_t> sign_got(n);
    std::vector<float> full_got(n);
    std::vector<float> sketch_got(n);
    scan.SignSums(scan_query, columns(), list, prefix_of_list.data(),
                  sign_got.data());
    scan.FullSums(scan_query, columns(), list, sign_got.data(),
                  full_got.data());
    if (layout.has_sketch) {
      scan.SketchSums(scan_query, columns(), list, sketch_got.data());
    }
    for (size_t i = 0; i < n; ++i) {
      ASSERT_EQ(sign_got[i], sign_sums[list[i]]) << "entry " << i;
      ASSERT_EQ(full_got[i], full_sums[list[i]]) << "entry " << i;
      if (layout.has_sketch) {
        ASSERT_EQ(sketch_got[i], sketch_sums[list[i]]) << "entry " << i;
      }
    }
    CheckScores(prepared, scan_query);
  }

  // All prefix sums, by blocks made ready for several queries.
  std::vector<int16_t> SharedPrefixSums(const ScanQuery& scan_query) const {
    const size_t blocks = ScanLayout::Blocks(scalars.size());
    std::vector<int16_t> sums(blocks * kScanBlock);
    SharedBlocks shared;
    for (size_t b = 0; b < blocks; b += shared.blocks()) {
      scan.Share(prefix.data() + layout.PrefixPosition(b * kScanBlock, 0),
                 std::min(SharedBlocks::kMaxBlocks, blocks - b), &shared);
      scan.PrefixSums(scan_query, shared, sums.data() + b * kScanBlock);
    }
    sums.resize(scalars.size());
    return sums;
  }

  void CheckScores(const PreparedQuery& prepared,
                   const ScanQuery& scan_query) const {
    const size_t n = scalars.size();
    for (const Metric metric : {Metric::kCosine, Metric::kDot, Metric::kL2}) {
      if (layout.has_sketch && metric == Metric::kCosine) continue;
      std::vector<float> want(n);
      std::vector<float> got(n);
      quantizer.Score(prepared, metric, codes, scalars, absl::MakeSpan(want));
      scan.FullScores(scan_query, metric, full_sums.data(), sketch_sums.data(),
                      scalars.data(), n, got.data());
      EXPECT_EQ(got, want);
    }
  }

  Quantizer quantizer;
  CodeScan scan;
  ScanLayout layout;
  std::vector<uint8_t> prefix, rest, low;
  std::vector<float> query;
  std::vector<uint8_t> codes;
  std::vector<CodeScalars> scalars;
  std::vector<int16_t> prefix_sums;
  std::vector<int32_t> sign_sums;
  std::vector<float> full_sums, sketch_sums;
};

void Check(const QuantizerParams& params, size_t slots, size_t list_size,
           bool extreme = false) {
  SCOPED_TRACE(::testing::Message()
               << "dim " << params.dim << ", bits " << params.bits
               << ", codebook " << params.codebook << ", mode "
               << static_cast<int>(params.mode) << ", slots " << slots);
  const Case test(params, slots, extreme);
  SplitMix64 random(list_size);
  std::vector<uint32_t> list;
  while (list.size() < list_size) {
    list.push_back(random.Bounded(static_cast<uint32_t>(slots)));
  }
  if (!list.empty()) list.back() = static_cast<uint32_t>(slots - 1);
  ForEachSimdTarget([&] { test.Check(list); });
}

TEST(CodeScanTest, SumsEqualTheDefinitionForEveryDimension) {
  for (size_t dim = 1; dim <= 600; dim += dim < 70 ? 1 : 13) {
    for (const QuantizerParams& params : AllParams(dim)) {
      Check(params, /*slots=*/9, /*list_size=*/6);
    }
  }
}

TEST(CodeScanTest, SumsEqualTheDefinitionForEveryPrefix) {
  // All prefixes of a whole plane; then those of a part of one.
  for (size_t dim = 8; dim <= 208; dim += 8) {
    Check({.dim = dim, .bits = 1}, /*slots=*/130, /*list_size=*/20);
  }
  for (size_t dim = 1024; dim <= 2112; dim += 64) {
    Check({.dim = dim, .bits = 2}, /*slots=*/65, /*list_size=*/7);
  }
}

TEST(CodeScanTest, SumsEqualTheDefinitionForLongVectors) {
  for (const size_t dim : {384, 768, 1000, 1536, 4097, 16384}) {
    for (const QuantizerParams& params : AllParams(dim)) {
      Check(params, /*slots=*/5, /*list_size=*/5);
    }
  }
}

TEST(CodeScanTest, SumsEqualTheDefinitionForEveryNumberOfSlots) {
  for (const int bits : {1, 2, 3, 4}) {
    for (size_t slots = 1; slots <= 200; slots += slots < 70 ? 1 : 31) {
      Check({.dim = 384, .bits = bits}, slots, /*list_size=*/slots % 40);
    }
  }
}

TEST(CodeScanTest, SumsAreExactWhereTheyAreLargest) {
  for (const size_t dim : {128, 192, 384, 2048, 65528}) {
    for (const QuantizerParams& params : AllParams(dim)) {
      Check(params, /*slots=*/2, /*list_size=*/2, /*extreme=*/true);
    }
  }
}

TEST(CodeScanTest, SeveralQueriesGetWhatEachGetsAlone) {
  constexpr size_t kSlots = 30000;  // More than one run.
  constexpr size_t kQueries = 5;
  const QuantizerParams params = {.dim = 384, .bits = 1};
  const Quantizer quantizer = Make(params);
  const ScanLayout layout(params);
  SplitMix64 random(1);
  std::vector<uint8_t> prefix(layout.prefix_size(kSlots));
  std::vector<uint8_t> rest(layout.rest_size(kSlots) + kScanPadding);
  for (auto* column : {&prefix, &rest}) {
    for (uint8_t& byte : *column) byte = static_cast<uint8_t>(random.Next());
  }
  const ScanColumns columns = {.prefix = prefix.data(), .rest = rest.data()};
  const CodeScan scan(quantizer);
  ForEachSimdTarget([&] {
    std::vector<ScanQuery> queries;
    std::vector<std::vector<uint32_t>> slots(kQueries);
    std::vector<std::vector<int16_t>> prefix_sums(kQueries);
    std::vector<std::vector<int32_t>> want(kQueries);
    std::vector<std::vector<int32_t>> got(kQueries);
    for (size_t q = 0; q < kQueries; ++q) {
      queries.push_back(
          scan.Prepare(*quantizer.Prepare(RandomNormal(384, /*seed=*/q))));
      // The first has no slots, the last has all.
      const uint32_t one_in = q + 1 == kQueries ? 1 : 10;
      for (uint32_t slot = 0; q != 0 && slot < kSlots; ++slot) {
        if (random.Bounded(one_in) == 0) slots[q].push_back(slot);
      }
      prefix_sums[q].resize(slots[q].size());
      for (int16_t& sum : prefix_sums[q]) {
        sum = static_cast<int16_t>(random.Bounded(1000));
      }
      want[q].resize(slots[q].size());
      got[q].resize(slots[q].size());
      scan.SignSums(queries[q], columns, slots[q], prefix_sums[q].data(),
                    want[q].data());
    }
    std::vector<const ScanQuery*> all;
    std::vector<absl::Span<const uint32_t>> all_slots;
    std::vector<const int16_t*> all_prefix_sums;
    std::vector<int32_t*> all_sums;
    for (size_t q = 0; q < kQueries; ++q) {
      all.push_back(&queries[q]);
      all_slots.emplace_back(slots[q]);
      all_prefix_sums.push_back(prefix_sums[q].data());
      all_sums.push_back(got[q].data());
    }
    scan.SignSums(all, columns, all_slots, all_prefix_sums,
                  absl::MakeSpan(all_sums));
    EXPECT_EQ(got, want);
  });
}

// One integer is far larger than the others: partial sums of all sizes.
TEST(CodeScanTest, SumsOfUnevenQueriesEqualTheDefinition) {
  for (const size_t dim : {8, 40, 136, 384, 2048}) {
    for (const double decay : {0.5, 0.9, 0.99, 1.0}) {
      Case test({.dim = dim, .bits = 1}, /*slots=*/100);
      std::vector<int32_t> v(dim);
      std::vector<int32_t> scratch(dim);
      double size = 0x1p20;
      for (size_t i = 0; i < dim; ++i, size *= decay) {
        v[i] = static_cast<int32_t>(i % 3 == 2 ? -size : size);
      }
      Rotation(dim, test.quantizer.params().seed, RotationKind::kMain)
          .Inverse(absl::MakeSpan(v), absl::MakeSpan(scratch));
      const std::vector<float> query(v.begin(), v.end());
      ForEachSimdTarget([&] {
        const ScanQuery prepared =
            test.scan.Prepare(*test.quantizer.Prepare(query));
        std::vector<int16_t> want;
        for (size_t slot = 0; slot < 100; ++slot) {
          int sum = 0;
          for (size_t j = 0; j < 8 * test.layout.prefix_bytes; ++j) {
            const uint8_t byte =
                test.prefix[test.layout.PrefixPosition(slot, j / 8)];
            const int value = prepared.levels.in_order[j];
            sum += (byte >> j % 8 & 1) != 0 ? value : -value;
          }
          want.push_back(static_cast<int16_t>(sum));
        }
        EXPECT_EQ(test.SharedPrefixSums(prepared), want)
            << "dim " << dim << ", decay " << decay;
      });
    }
  }
}

TEST(CodeScanTest, StageScoresFollowTheirFormulas) {
  const StageUnits units = {.query = 0.1f, .level = 0.3f, .norm2 = 4.0f};
  const std::vector<int32_t> sums = {-16777217, 0, 100};
  const std::vector<CodeScalars> scalars = {
      {.norm = 1.5f}, {.norm = 0}, {.norm = 3.0f}};
  std::vector<float> scores(3);
  const auto run = [&](Metric metric) {
    StageScores(metric, units, sums.data(), scalars.data(), 3, scores.data());
    return scores;
  };
  EXPECT_EQ(run(Metric::kCosine), (std::vector<float>{-16777216.0f, 0, 100}));
  EXPECT_EQ(run(Metric::kDot), (std::vector<float>{-25165824.0f, 0, 300}));
  const float dot = ((100.0f * 0.1f) * 3.0f) * 0.3f;
  EXPECT_EQ(run(Metric::kL2)[1], 4.0f);
  EXPECT_EQ(run(Metric::kL2)[2], (9.0f + 4.0f) - 2 * dot);
}

TEST(CodeScanTest, ThePrefixUnitScalesThePrefixToTheWholePlane) {
  const Case test({.dim = 384, .bits = 4}, /*slots=*/1);
  const auto prepared = test.quantizer.Prepare(test.query);
  ASSERT_TRUE(prepared.ok());
  const ScanQuery query = test.scan.Prepare(*prepared);
  EXPECT_EQ(query.prefix_units.query, 3 * query.sign_units.query);
  EXPECT_EQ(query.prefix_units.level, query.sign_units.level);
  EXPECT_FLOAT_EQ(query.sign_units.level,
                  static_cast<float>(std::sqrt(2 / (M_PI * 384))));
}

}  // namespace
}  // namespace corkscrew
