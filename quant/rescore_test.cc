#include "quant/rescore.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/types/span.h"
#include "base/testing.h"
#include "corkscrew/metric.h"
#include "gtest/gtest.h"
#include "quant/reference_quantizer.h"
#include "quant/splitmix.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::ForEachSimdTarget;
using ::corkscrew::testing::RandomNormal;

constexpr Metric kMetrics[] = {Metric::kCosine, Metric::kDot, Metric::kL2};

std::vector<float> Widen(const std::vector<uint16_t>& row) {
  std::vector<float> x;
  for (const uint16_t value : row) {
    x.push_back(std::bit_cast<float>(uint32_t{value} << 16));
  }
  return x;
}

// Values whose sum depends on the order of the additions.
std::vector<float> Uneven(size_t n, uint64_t seed) {
  std::vector<float> x = RandomNormal(n, seed);
  SplitMix64 random(seed);
  for (float& value : x) {
    value = std::ldexp(value, static_cast<int>(random.Bounded(60)) - 30);
  }
  return x;
}

// Values at the ends and the ties of both formats.
std::vector<float> Adversarial() {
  std::vector<float> x = {0.0f,
                          -0.0f,
                          1.0f,
                          -1.0f,
                          0x1p-149f,
                          -0x1p-149f,
                          0x1.fcp-127f,
                          0x1p-126f,
                          0x1p-133f,
                          0x1p-134f,
                          0x1.8p-133f,
                          0x1.fep127f,
                          std::numeric_limits<float>::max(),
                          std::numeric_limits<float>::lowest()};
  for (const uint32_t upper : {0x3F80u, 0x3F81u, 0x0000u, 0x0001u, 0x7F7Eu,
                               0x7F7Fu, 0xBF80u, 0xBF81u}) {
    for (const uint32_t lower :
         {0x0000u, 0x0001u, 0x7FFFu, 0x8000u, 0x8001u, 0xFFFFu}) {
      x.push_back(std::bit_cast<float>(upper << 16 | lower));
    }
  }
  return x;
}

TEST(Dot8Test, EqualsTheDefinitionForEveryLength) {
  for (size_t n = 0; n <= 130; ++n) {
    const std::vector<float> x = Uneven(n, /*seed=*/n);
    const std::vector<float> y = Uneven(n, /*seed=*/1000 + n);
    const double want = reference::Dot8(x, y);
    ForEachSimdTarget([&] { EXPECT_EQ(Dot8(x, y), want) << "n = " << n; });
  }
}

TEST(Dot8Test, EqualsTheDefinitionForAdversarialValues) {
  const std::vector<float> x = Adversarial();
  std::vector<float> y = x;
  std::reverse(y.begin(), y.end());
  ForEachSimdTarget([&] {
    EXPECT_EQ(Dot8(x, y), reference::Dot8(x, y));
    EXPECT_EQ(Dot8(x, x), reference::Dot8(x, x));
  });
}

std::vector<float> ValuesOf(const FixedPoint& fixed,
                            const std::vector<int16_t>& row) {
  std::vector<float> values;
  for (const int16_t factor : row) values.push_back(fixed.scale * factor);
  return values;
}

// Vectors whose factors are at the ends of their range, in every binade.
std::vector<std::vector<float>> HardToFix() {
  std::vector<std::vector<float>> vectors = {
      {}, {0.0f, -0.0f}, Adversarial(), {0x1p-149f, 0x1.8p-148f}};
  // Values that are rounded up must still be floats here.
  for (float& x : vectors[2]) x = std::clamp(x, -0x1p100f, 0x1p100f);
  for (int exponent = -149; exponent < 120; ++exponent) {
    for (const float x : {1.0f, 0x1.fffcp0f, 0x1.fffdp0f, 0x1.fffep0f,
                          0x1.ffff00p0f, 0x1.fffffep0f}) {
      vectors.push_back({std::ldexp(x, exponent), std::ldexp(-x, exponent),
                         std::ldexp(x, exponent - 14) / 2,
                         std::ldexp(x, exponent - 17)});
    }
  }
  for (size_t n = 0; n <= 130; ++n) {
    vectors.push_back(Uneven(n, /*seed=*/n));
    vectors.push_back(RandomNormal(n, /*seed=*/n));
  }
  return vectors;
}

// By the definition: the smallest power of two with which all fit.
double ScaleOf(const std::vector<float>& x) {
  for (int exponent = -149;; ++exponent) {
    const double scale = std::ldexp(1.0, exponent);
    if (std::all_of(x.begin(), x.end(), [scale](float value) {
          return std::abs(std::nearbyint(value / scale)) <= 32767;
        })) {
      return scale;
    }
  }
}

TEST(RoundToFixedTest, FollowsTheDefinitionOnEveryTarget) {
  for (const std::vector<float>& x : HardToFix()) {
    const double scale = ScaleOf(x);
    std::vector<int16_t> factors;
    long double errors = 0;
    for (const float value : x) {
      factors.push_back(static_cast<int16_t>(std::nearbyint(value / scale)));
      const long double error = value - factors.back() * scale;
      errors += error * error;
    }
    const long double length = std::sqrt(errors);
    ForEachSimdTarget([&] {
      std::vector<int16_t> row(x.size());
      const FixedPoint fixed = RoundToFixed(x, absl::MakeSpan(row));
      const bool zero = std::all_of(x.begin(), x.end(),
                                    [](float value) { return value == 0; });
      if (!zero) {
        EXPECT_EQ(fixed.scale, scale);
      }
      EXPECT_EQ(row, factors);
      const std::vector<float> values = ValuesOf(fixed, row);
      EXPECT_EQ(fixed.n2, reference::Dot8(values, values));
      EXPECT_GE(fixed.error, length);
      EXPECT_LE(fixed.error,
                std::nextafter(static_cast<float>(length * (1 + 1e-7L)),
                               std::numeric_limits<float>::infinity()));
    });
  }
}

TEST(RoundToFixedTest, VectorsOfFewBitsAreExact) {
  std::vector<int16_t> row(4);
  for (const std::vector<float>& x : {std::vector<float>{1, 0, 0, 0},
                                      {0.5f, -0.25f, 3, -4},
                                      {32767, -32767, 1, 0},
                                      {0, 0, 0, 0},
                                      {0x1p-149f, 0, 0x1p-140f, 0}}) {
    const FixedPoint fixed = RoundToFixed(x, absl::MakeSpan(row));
    EXPECT_EQ(fixed.error, 0);
    EXPECT_EQ(fixed.n2, LengthsOf(x).n2);
    EXPECT_EQ(Dot8Fixed(row, fixed.scale, x), Dot8(x, x));
  }
}

TEST(Dot8FixedTest, EqualsTheDefinitionForEveryLength) {
  for (const std::vector<float>& x : HardToFix()) {
    const std::vector<float> query = Uneven(x.size(), /*seed=*/x.size());
    std::vector<int16_t> row(x.size());
    const FixedPoint fixed = RoundToFixed(x, absl::MakeSpan(row));
    const double want = reference::Dot8(ValuesOf(fixed, row), query);
    ForEachSimdTarget(
        [&] { EXPECT_EQ(Dot8Fixed(row, fixed.scale, query), want); });
  }
}

TEST(Dot8FixedTest, RowsTogetherGiveWhatEachGivesAlone) {
  constexpr size_t kMost = 11;
  for (const size_t dim : {1, 7, 8, 9, 64, 100, 384}) {
    const std::vector<float> query = Uneven(dim, /*seed=*/dim);
    std::vector<std::vector<int16_t>> rows(kMost, std::vector<int16_t>(dim));
    std::vector<const int16_t*> pointers;
    std::vector<float> scales;
    for (size_t i = 0; i < kMost; ++i) {
      scales.push_back(
          RoundToFixed(Uneven(dim, /*seed=*/100 + i), absl::MakeSpan(rows[i]))
              .scale);
      pointers.push_back(rows[i].data());
    }
    for (size_t n = 0; n <= kMost; ++n) {
      ForEachSimdTarget([&] {
        std::vector<double> dots(n);
        Dot8Fixed(absl::MakeConstSpan(pointers).first(n), scales.data(), query,
                  dots.data());
        for (size_t i = 0; i < n; ++i) {
          EXPECT_EQ(dots[i], Dot8Fixed(rows[i], scales[i], query))
              << "row " << i << " of " << n << ", dim " << dim;
        }
      });
    }
  }
}

// The nearest bfloat16, of two equally near ones that with an even last bit:
// found among all neighbours of the upper half.
uint16_t NearestBFloat16(float x) {
  const auto upper = static_cast<uint16_t>(std::bit_cast<uint32_t>(x) >> 16);
  uint16_t best = upper;
  double best_error = std::numeric_limits<double>::infinity();
  for (const int step : {0, 1}) {  // Away from zero.
    const auto candidate = static_cast<uint16_t>(upper + step);
    const float value = Widen({candidate})[0];
    if (!std::isfinite(value)) continue;
    const double error =
        std::abs(static_cast<double>(value) - static_cast<double>(x));
    if (error < best_error || (error == best_error && candidate % 2 == 0)) {
      best = candidate;
      best_error = error;
    }
  }
  return best;
}

TEST(RoundToBFloat16Test, GivesTheNearestValueAndTiesToEven) {
  std::vector<float> values = Adversarial();
  const std::vector<float> more = Uneven(1000, /*seed=*/1);
  values.insert(values.end(), more.begin(), more.end());
  ForEachSimdTarget([&] {
    std::vector<uint16_t> row(values.size());
    RoundToBFloat16(values, absl::MakeSpan(row));
    for (size_t i = 0; i < values.size(); ++i) {
      EXPECT_EQ(row[i], NearestBFloat16(values[i])) << values[i];
    }
  });
}

TEST(RoundToBFloat16Test, GivesTheSameBoundOnEveryTarget) {
  for (size_t n = 0; n <= 40; ++n) {
    const std::vector<float> x = Uneven(n, /*seed=*/n);
    std::vector<uint16_t> want(n);
    const float bound = RoundToBFloat16(x, absl::MakeSpan(want));
    ForEachSimdTarget([&] {
      std::vector<uint16_t> row(n);
      EXPECT_EQ(RoundToBFloat16(x, absl::MakeSpan(row)), bound) << n;
      EXPECT_EQ(row, want) << n;
    });
  }
}

// The length of the error in more precision than the bound is made with.
long double ErrorLength(const std::vector<float>& x,
                        const std::vector<uint16_t>& row) {
  const std::vector<float> rounded = Widen(row);
  long double squares = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const long double error =
        static_cast<long double>(x[i]) - static_cast<long double>(rounded[i]);
    squares += error * error;
  }
  return std::sqrt(squares);
}

TEST(RoundToBFloat16Test, BoundsTheErrorClosely) {
  const auto check = [](const std::vector<float>& x) {
    std::vector<uint16_t> row(x.size());
    const float bound = RoundToBFloat16(x, absl::MakeSpan(row));
    const long double length = ErrorLength(x, row);
    EXPECT_GE(bound, length);
    EXPECT_LE(bound, std::nextafter(static_cast<float>(length * (1 + 1e-7L)),
                                    std::numeric_limits<float>::infinity()));
  };
  check({});
  check({0.0f, -0.0f});
  check(Adversarial());
  for (const float x : Adversarial()) check({x});
  for (uint64_t seed = 0; seed < 50; ++seed) {
    check(RandomNormal(384, seed));
    check(Uneven(20 + seed, seed));
  }
}

TEST(RoundToBFloat16Test, ErrorOfRepresentableVectorsIsZero) {
  std::vector<uint16_t> row(3);
  EXPECT_EQ(RoundToBFloat16(std::vector<float>{1, -0.5f, 0x1p-133f},
                            absl::MakeSpan(row)),
            0);
}

TEST(LengthsOfTest, AreTheRootAndTheSquareSum) {
  const Lengths lengths = LengthsOf(std::vector<float>{3, 4});
  EXPECT_EQ(lengths.n, 5);
  EXPECT_EQ(lengths.n2, 25);
}

TEST(ScoreFromDotTest, FollowsTheFormulas) {
  const Lengths x = {.n = 5, .n2 = 25};
  const Lengths q = {.n = 2, .n2 = 4};
  EXPECT_EQ(ScoreFromDot(Metric::kDot, 0.1, x, q), 0.1f);
  EXPECT_EQ(ScoreFromDot(Metric::kCosine, 7, x, q), 0.7f);
  EXPECT_EQ(ScoreFromDot(Metric::kL2, 7, x, q), 15);
  EXPECT_EQ(ScoreFromDot(Metric::kL2, 20, x, q), 0) << "rounded below zero";
  EXPECT_EQ(ScoreFromDot(Metric::kCosine, 7, {}, q), 0);
  EXPECT_EQ(ScoreFromDot(Metric::kCosine, 7, x, {}), 0);
}

// Bounds made with the rounded row hold for the score of the vector itself.
void CheckBounds(const std::vector<float>& vector,
                 const std::vector<float>& query) {
  std::vector<int16_t> row(vector.size());
  const FixedPoint fixed = RoundToFixed(vector, absl::MakeSpan(row));
  const Lengths x = LengthsOf(vector);
  const Lengths q = LengthsOf(query);
  for (const Metric metric : kMetrics) {
    const float score = ScoreFromDot(metric, Dot8(vector, query), x, q);
    float nearest = 0;
    float farthest = 0;
    ScoreBounds(metric, Dot8Fixed(row, fixed.scale, query), fixed.error, x, q,
                &nearest, &farthest);
    if (metric == Metric::kL2) {
      EXPECT_LE(nearest, score);
      EXPECT_GE(farthest, score);
    } else {
      EXPECT_GE(nearest, score);
      EXPECT_LE(farthest, score);
    }
    if (fixed.error == 0) {
      EXPECT_EQ(nearest, score);
      EXPECT_EQ(farthest, score);
    }
  }
}

TEST(ScoreBoundsTest, HoldForTheTrueScore) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const size_t n = 1 + seed % 100;
    const std::vector<float> x = RandomNormal(n, seed);
    CheckBounds(x, RandomNormal(n, 1000 + seed));
    CheckBounds(x, x);  // The distance is 0, the cosine 1.
    CheckBounds(Uneven(n, seed), Uneven(n, 2000 + seed));
    CheckBounds(x, std::vector<float>(n, 0.0f));
    CheckBounds(std::vector<float>(n, 0.0f), x);
  }
}

// The error points along the query: the bound is reached but for its slack.
TEST(ScoreBoundsTest, HoldWhenTheErrorPointsAlongTheQuery) {
  for (const float scale : {1.0f, 0x1p-60f, 0x1p55f}) {
    for (const size_t n : {1, 8, 384}) {
      std::vector<float> x(n);
      for (size_t i = 0; i < n; ++i) {
        x[i] = (i % 3 == 0 ? 0x1.00fffep0f : 0x1.010002p0f) * scale;
      }
      std::vector<int16_t> row(n);
      const FixedPoint fixed = RoundToFixed(x, absl::MakeSpan(row));
      std::vector<float> query = ValuesOf(fixed, row);
      for (size_t i = 0; i < n; ++i) query[i] = x[i] - query[i];
      CheckBounds(x, query);
    }
  }
}

TEST(ScoreBoundsTest, HoldWhenTheErrorIsSmallerThanTheRoundingOfTheSum) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    std::vector<float> x = RandomNormal(1000, seed);
    std::vector<int16_t> row(x.size());
    const FixedPoint fixed = RoundToFixed(x, absl::MakeSpan(row));
    x = ValuesOf(fixed, row);  // Exact, but for one tiny coordinate.
    x[seed] = 0x1.00fffep-60f;
    CheckBounds(x, Uneven(1000, seed));
  }
}

}  // namespace
}  // namespace corkscrew
