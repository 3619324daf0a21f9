#include "quant/rotation.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "absl/types/span.h"
#include "base/testing.h"
#include "gtest/gtest.h"
#include "quant/reference_quantizer.h"
#include "quant/splitmix.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::ForEachSimdTarget;

constexpr int32_t kOne = 1 << 24;

// A fixed-point vector of length 1, as the specification makes it.
std::vector<int32_t> UnitVector(size_t dim, uint64_t seed) {
  SplitMix64 random(seed);
  std::vector<double> x(dim);
  double squares = 0;
  for (double& value : x) {
    value = static_cast<double>(random.Bounded(2001)) - 1000;
    squares += value * value;
  }
  std::vector<int32_t> v(dim, 0);
  if (squares == 0) {
    v[0] = kOne;
    return v;
  }
  for (size_t i = 0; i < dim; ++i) {
    v[i] = static_cast<int32_t>(std::rint(x[i] * kOne / std::sqrt(squares)));
  }
  return v;
}

// Compares both directions with the definition on every SIMD target.
void Check(const std::vector<int32_t>& v, uint64_t seed, bool sketch) {
  const size_t dim = v.size();
  const reference::Quantizer plain(
      {.dim = dim, .bits = 1, .codebook = 1, .seed = seed});
  std::vector<int32_t> rotated = v;
  for (size_t r = 0; r < reference::Rounds(dim); ++r) {
    rotated = plain.Round(rotated, sketch, r);
  }
  const std::vector<int32_t> back = plain.Inverse(rotated, sketch);
  const Rotation rotation(dim, seed,
                          sketch ? RotationKind::kSketch : RotationKind::kMain);
  ForEachSimdTarget([&] {
    std::vector<int32_t> got = v;
    std::vector<int32_t> scratch(dim);
    rotation.Forward(absl::MakeSpan(got), absl::MakeSpan(scratch));
    EXPECT_EQ(got, rotated) << "dim " << dim << ", seed " << seed;
    rotation.Inverse(absl::MakeSpan(got), absl::MakeSpan(scratch));
    EXPECT_EQ(got, back) << "dim " << dim << ", seed " << seed;
  });
}

TEST(RotationTest, EqualsTheDefinitionForEveryDimension) {
  for (size_t dim = 1; dim <= 300; ++dim) {
    Check(UnitVector(dim, dim), /*seed=*/dim, /*sketch=*/dim % 2 == 0);
  }
}

TEST(RotationTest, EqualsTheDefinitionForEveryBlockSize) {
  for (size_t dim = 512; dim <= 8192; dim *= 2) {
    Check(UnitVector(dim, dim), /*seed=*/7, /*sketch=*/false);
    Check(UnitVector(dim + dim / 2 + 3, dim), /*seed=*/8, /*sketch=*/false);
  }
}

// A constant block has all its length in one value after the transform: the
// largest value that there can be (docs/quantizer.md, 2.7).
TEST(RotationTest, DoesNotOverflowOnConstantBlocks) {
  for (const size_t dim : {4096, 8192, 12288}) {
    const auto value = static_cast<int32_t>(
        std::rint(kOne / std::sqrt(static_cast<double>(dim))));
    Check(std::vector<int32_t>(dim, value), /*seed=*/1, /*sketch=*/false);
    // The residual of a sketch is up to 1.28 times as long.
    Check(std::vector<int32_t>(dim, value * 128 / 100), /*seed=*/1,
          /*sketch=*/true);
  }
}

TEST(RotationTest, InverseReturnsEveryCoordinateButForRounding) {
  for (const size_t dim : {1, 2, 3, 25, 127, 384, 1000, 5000, 16384}) {
    const Rotation rotation(dim, /*seed=*/3, RotationKind::kMain);
    for (uint64_t seed = 0; seed < 5; ++seed) {
      const std::vector<int32_t> v = UnitVector(dim, seed);
      std::vector<int32_t> got = v;
      std::vector<int32_t> scratch(dim);
      rotation.Forward(absl::MakeSpan(got), absl::MakeSpan(scratch));
      rotation.Inverse(absl::MakeSpan(got), absl::MakeSpan(scratch));
      for (size_t i = 0; i < dim; ++i) {
        ASSERT_LE(std::abs(got[i] - v[i]), 10) << "dim " << dim << ", " << i;
      }
    }
  }
}

}  // namespace
}  // namespace corkscrew
