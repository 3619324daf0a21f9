#include "embed/quantize_row.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/testing.h"
#include "embed/ggml_types.h"
#include "embed/gguf.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::testing::HasSubstr;

std::string ReadVector(const std::string& name) {
  std::ifstream in(
      absl::StrCat(CORKSCREW_SOURCE_DIR, "/tests/testdata/gguf_quant/", name),
      std::ios::binary);
  EXPECT_TRUE(in.is_open()) << name;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

TEST(QuantizeRowTest, BlocksAreThoseThatGgmlWrites) {
  const std::string source = ReadVector("f32.bin");
  std::vector<float> values(source.size() / sizeof(float));
  std::memcpy(values.data(), source.data(), source.size());
  for (const char* name :
       {"f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1"}) {
    const auto type = QuantizedTypeCalled(name);
    ASSERT_THAT(type, IsOk());
    std::string blocks;
    QuantizeRow(*type, values.data(), values.size(), &blocks);
    const std::string want = ReadVector(absl::StrCat(name, ".bin"));
    ASSERT_EQ(blocks.size(), want.size()) << name;
    size_t differing = 0;
    for (size_t i = 0; i < want.size(); ++i) differing += blocks[i] != want[i];
    EXPECT_EQ(differing, 0u) << name;
  }
}

TEST(QuantizeRowTest, HalvesAreTheNearestOfAllHalves) {
  std::vector<float> halves(0x7c00);
  for (size_t i = 0; i < halves.size(); ++i) {
    const auto bits = static_cast<uint16_t>(i);
    DequantizeRow(GgmlType::kF16, reinterpret_cast<const char*>(&bits), 1,
                  &halves[i]);
    std::string back;
    QuantizeRow(GgmlType::kF16, &halves[i], 1, &back);
    EXPECT_EQ(std::memcmp(back.data(), &bits, 2), 0) << i;
  }
  for (size_t i = 0; i + 1 < halves.size(); ++i) {
    // Halfway between two: the even one.
    const float middle = (halves[i] + halves[i + 1]) / 2;
    for (const float sign : {1.0f, -1.0f}) {
      const float value = sign * middle;
      std::string bytes;
      QuantizeRow(GgmlType::kF16, &value, 1, &bytes);
      float rounded = 0;
      DequantizeRow(GgmlType::kF16, bytes.data(), 1, &rounded);
      EXPECT_EQ(rounded, sign * halves[i % 2 == 0 ? i : i + 1]) << i;
    }
  }
}

TEST(QuantizeRowTest, ZerosStayZerosInEachType) {
  const std::vector<float> zeros(32);
  for (const char* name : {"q8_0", "q4_0", "q4_1", "q5_0", "q5_1"}) {
    const GgmlType type = *QuantizedTypeCalled(name);
    std::string block;
    QuantizeRow(type, zeros.data(), zeros.size(), &block);
    std::vector<float> back(32, 1);
    DequantizeRow(type, block.data(), back.size(), back.data());
    EXPECT_EQ(back, zeros) << name;
  }
}

TEST(QuantizeRowTest, AnUnknownNameIsRefusedWithThoseThereAre) {
  EXPECT_THAT(QuantizedTypeCalled("q3"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("want one of f32, f16, bf16, q8_0")));
  EXPECT_FALSE(CanQuantize(GgmlType::kQ6_K));
}

}  // namespace
}  // namespace corkscrew
