#include "embed/ggml_types.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "embed/gguf.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

constexpr GgmlType kAllTypes[] = {
    GgmlType::kF32,  GgmlType::kF16,    GgmlType::kQ4_0,   GgmlType::kQ4_1,
    GgmlType::kQ5_0, GgmlType::kQ5_1,   GgmlType::kQ8_0,   GgmlType::kQ2_K,
    GgmlType::kQ3_K, GgmlType::kQ4_K,   GgmlType::kQ5_K,   GgmlType::kQ6_K,
    GgmlType::kBF16, GgmlType::kIQ4_NL, GgmlType::kIQ4_XS,
};

std::string ReadGolden(const std::string& file) {
  std::ifstream in(
      absl::StrCat(CORKSCREW_SOURCE_DIR, "/tests/testdata/gguf_quant/", file),
      std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

// The golden blocks hold 4 rows of 512 values, quantized and decoded by ggml.
TEST(GgmlTypesTest, DecodesEveryTypeLikeGgmlBitForBit) {
  constexpr size_t kValues = 2048;
  for (const GgmlType type : kAllTypes) {
    const std::string name = absl::AsciiStrToLower(NameOf(type));
    SCOPED_TRACE(name);
    const std::string blocks = ReadGolden(name + ".bin");
    const std::string want = ReadGolden(name + ".dequant.f32");
    ASSERT_TRUE(CanDequantize(type));
    const GgmlBlock block = BlockOf(type);
    ASSERT_EQ(blocks.size(), kValues / block.values * block.bytes);
    ASSERT_EQ(want.size(), kValues * sizeof(float));
    std::vector<float> got(kValues);
    DequantizeRow(type, blocks.data(), kValues, got.data());
    for (size_t i = 0; i < kValues; ++i) {
      float value;
      std::memcpy(&value, want.data() + i * sizeof(float), sizeof(float));
      ASSERT_EQ(std::memcmp(&got[i], &value, sizeof(float)), 0)
          << "value " << i << " is " << got[i] << ", want " << value;
    }
  }
}

// The definition of binary16, in double.
double HalfByDefinition(uint16_t half) {
  const int sign = half >> 15 == 0 ? 1 : -1;
  const int exponent = half >> 10 & 31;
  const int mantissa = half & 1023;
  if (exponent == 31) {
    return mantissa == 0 ? sign * std::numeric_limits<double>::infinity()
                         : std::numeric_limits<double>::quiet_NaN();
  }
  return exponent == 0 ? sign * std::ldexp(mantissa, -24)
                       : sign * std::ldexp(1024 + mantissa, exponent - 25);
}

TEST(GgmlTypesTest, DecodesEveryHalfFloat) {
  for (uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const double want = HalfByDefinition(half);
    float got;
    DequantizeRow(GgmlType::kF16, reinterpret_cast<const char*>(&half), 1,
                  &got);
    if (std::isnan(want)) {
      EXPECT_TRUE(std::isnan(got)) << bits;
    } else {
      EXPECT_EQ(double{got}, want) << bits;
      EXPECT_EQ(std::signbit(got), half >> 15 != 0) << bits;
    }
  }
}

// Blocks lie at any byte offset in a file.
TEST(GgmlTypesTest, ReadsUnalignedRows) {
  for (const GgmlType type : kAllTypes) {
    const std::string name = absl::AsciiStrToLower(NameOf(type));
    const std::string blocks = ReadGolden(name + ".bin");
    const std::string shifted = "x" + blocks;
    std::vector<float> want(512);
    std::vector<float> got(512);
    DequantizeRow(type, blocks.data(), 512, want.data());
    DequantizeRow(type, shifted.data() + 1, 512, got.data());
    EXPECT_EQ(got, want) << name;
  }
}

TEST(GgmlTypesTest, AnUnknownTypeHasNoBlocksAndItsNumberAsName) {
  const auto unknown = static_cast<GgmlType>(9);
  EXPECT_EQ(BlockOf(unknown).values, 0u);
  EXPECT_EQ(BlockOf(unknown).bytes, 0u);
  EXPECT_FALSE(CanDequantize(unknown));
  EXPECT_EQ(NameOf(unknown), "type 9");
}

}  // namespace
}  // namespace corkscrew
