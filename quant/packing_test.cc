#include "quant/packing.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "quant/reference_quantizer.h"
#include "quant/splitmix.h"

namespace corkscrew {
namespace {

std::vector<uint8_t> RandomValues(size_t n, int bits) {
  SplitMix64 random(n);
  std::vector<uint8_t> values(n);
  for (uint8_t& value : values) {
    value = static_cast<uint8_t>(random.Bounded(1u << bits));
  }
  return values;
}

TEST(PackingTest, EqualsTheDefinitionForEverySizeAndWidth) {
  for (int bits = 1; bits <= 8; ++bits) {
    for (size_t n = 0; n <= 70; ++n) {
      const std::vector<uint8_t> values = RandomValues(n, bits);
      // Exact sizes: a byte read or written too much is outside.
      std::vector<uint8_t> packed(PackedBytes(n, bits), 0xFF);
      PackBits(values, bits, absl::MakeSpan(packed));
      EXPECT_EQ(packed, reference::Pack(values, bits)) << n << ", " << bits;
      std::vector<uint8_t> unpacked(n, 0xFF);
      UnpackBits(packed, bits, absl::MakeSpan(unpacked));
      EXPECT_EQ(unpacked, values) << n << ", " << bits;
      EXPECT_TRUE(UnusedBitsAreZero(packed, n, bits));
    }
  }
}

TEST(PackingTest, EveryUnusedBitIsNoticedAndNoUsedOne) {
  for (int bits = 1; bits <= 8; ++bits) {
    for (size_t n = 1; n <= 17; ++n) {
      for (size_t bit = 0; bit < PackedBytes(n, bits) * 8; ++bit) {
        std::vector<uint8_t> packed(PackedBytes(n, bits));
        packed[bit / 8] = static_cast<uint8_t>(1 << (bit % 8));
        EXPECT_EQ(UnusedBitsAreZero(packed, n, bits),
                  bit < n * static_cast<size_t>(bits))
            << n << ", " << bits << ", " << bit;
      }
    }
  }
}

}  // namespace
}  // namespace corkscrew
