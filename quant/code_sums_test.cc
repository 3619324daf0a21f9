#include "quant/code_sums.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/testing.h"
#include "gtest/gtest.h"
#include "hwy/targets.h"
#include "quant/codebook.h"
#include "quant/packing.h"
#include "quant/reference_quantizer.h"
#include "quant/splitmix.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::ForEachSimdTarget;

struct Width {
  int codebook;
  int bits;
};
constexpr Width kWidths[] = {{1, 1}, {1, 2}, {1, 3}, {1, 4}, {1, 5},
                             {1, 6}, {1, 7}, {1, 8}, {2, 8}};

// What a test gives the kernels, and the sums by definition.
struct Case {
  Case(Width width, size_t dim, size_t rows, size_t gap, bool extreme,
       uint64_t seed)
      : codebook(MakeCodebook(width.codebook, width.bits)),
        sums(codebook, width.bits, dim) {
    SplitMix64 random(seed);
    const auto levels = static_cast<uint32_t>(codebook.levels.size());
    for (size_t i = 0; i < dim; ++i) {
      query.push_back(static_cast<int8_t>(
          extreme ? (i % 7 == 6 ? -127 : 127)
                  : static_cast<int>(random.Bounded(255)) - 127));
    }
    stride = PackedBytes(dim, width.bits) + gap;
    for (size_t row = 0; row < rows; ++row) {
      std::vector<uint8_t> codes;
      int64_t sum = 0;
      for (size_t i = 0; i < dim; ++i) {
        // The code whose level has the sign of the query, or one of any.
        const uint32_t code =
            extreme ? (query[i] > 0 ? levels - 1 : 0) : random.Bounded(levels);
        codes.push_back(static_cast<uint8_t>(code));
        sum += int64_t{query[i]} * codebook.levels[code];
      }
      want.push_back(static_cast<float>(sum));
      const std::vector<uint8_t> packed = reference::Pack(codes, width.bits);
      bytes.insert(bytes.end(), packed.begin(), packed.end());
      // Between the rows is what does not belong to the codes.
      if (row + 1 < rows) bytes.insert(bytes.end(), gap, uint8_t{0xFF});
    }
    bytes.shrink_to_fit();  // A read past the end is one past the allocation.
  }

  std::vector<float> Run() const {
    std::vector<float> got(want.size(), -1.0f);
    sums.Sum(sums.Arrange(query),
             {.first = bytes.data(),
              .stride = stride,
              .count = want.size(),
              .end = bytes.data() + bytes.size()},
             got.data());
    return got;
  }

  Codebook codebook;
  CodeSums sums;
  std::vector<int8_t> query;
  std::vector<uint8_t> bytes;
  size_t stride;
  std::vector<float> want;
};

void Check(Width width, size_t dim, size_t rows, size_t gap = 0,
           bool extreme = false) {
  const Case test(width, dim, rows, gap, extreme, /*seed=*/dim * 1000 + rows);
  ForEachSimdTarget([&] {
    EXPECT_EQ(test.Run(), test.want)
        << "codebook " << width.codebook << ", bits " << width.bits << ", dim "
        << dim << ", rows " << rows << ", gap " << gap;
  });
}

TEST(CodeSumsTest, EqualTheDefinitionForEveryDimension) {
  for (const Width width : kWidths) {
    for (size_t dim = 1; dim <= 300; ++dim) Check(width, dim, /*rows=*/5);
  }
}

TEST(CodeSumsTest, EqualTheDefinitionForEveryNumberOfRows) {
  for (const Width width : kWidths) {
    for (size_t rows = 0; rows <= 70; ++rows) Check(width, 100, rows);
  }
}

TEST(CodeSumsTest, EqualTheDefinitionForLongRows) {
  for (const Width width : kWidths) {
    for (const size_t dim :
         {384, 768, 1000, 1536, 4095, 4096, 4097, 5000, 8549, 16384, 65535}) {
      Check(width, dim, /*rows=*/2);
    }
  }
}

TEST(CodeSumsTest, AreExactForTheLargestSums) {
  for (const Width width : kWidths) {
    for (const size_t dim : {127, 4096, 4163, 4164, 8548, 8549, 65535}) {
      Check(width, dim, /*rows=*/1, /*gap=*/0, /*extreme=*/true);
    }
  }
}

TEST(CodeSumsTest, IgnoreWhatLiesBetweenTheRows) {
  for (const Width width : kWidths) {
    for (const size_t dim : {1, 7, 64, 129, 384}) {
      Check(width, dim, /*rows=*/6, /*gap=*/13);
    }
  }
}

TEST(CodeSumsTest, RunOnTheTargetWithByteProductsWhereTheCpuHasThem) {
  if ((hwy::SupportedTargets() & HWY_AVX3_DL) == 0) return;
  std::vector<std::string> targets;
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    targets.emplace_back(hwy::TargetName(target));
  }
  EXPECT_NE(std::find(targets.begin(), targets.end(), "AVX3_DL"),
            targets.end());
}

}  // namespace
}  // namespace corkscrew
