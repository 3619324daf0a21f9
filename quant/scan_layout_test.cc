#include "quant/scan_layout.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "corkscrew/quantizer.h"
#include "gtest/gtest.h"
#include "quant/packing.h"
#include "quant/reference_quantizer.h"
#include "quant/splitmix.h"

namespace corkscrew {
namespace {

// The widths of a mode that a code of it can have.
std::vector<QuantizerParams> AllParams(size_t dim) {
  std::vector<QuantizerParams> all;
  for (int bits = 1; bits <= 8; ++bits) {
    all.push_back({.dim = dim, .bits = bits});
    if (bits >= 2) {
      all.push_back({.dim = dim, .mode = QuantizerMode::kIp, .bits = bits});
    }
  }
  return all;
}

// Codes with their columns, in memory of just the size that they may use.
class Columns {
 public:
  Columns(const QuantizerParams& params, size_t slots)
      : layout(params),
        prefix(layout.prefix_size(slots), 0xEE),
        rest(layout.rest_size(slots) + kScanPadding, 0xEE),
        low(layout.low_size(slots) + kScanPadding, 0xEE) {}

  // Random values: first the levels of all coordinates, then the sketch.
  void AddRandom(SplitMix64& random) {
    std::vector<uint8_t> values;
    for (size_t i = 0; i < layout.dim; ++i) {
      values.push_back(
          static_cast<uint8_t>(random.Bounded(1u << layout.level_bits)));
    }
    std::vector<uint8_t> code = reference::Pack(values, layout.level_bits);
    if (layout.has_sketch) {
      std::vector<uint8_t> sketch;
      for (size_t i = 0; i < layout.dim; ++i) {
        sketch.push_back(static_cast<uint8_t>(random.Bounded(2)));
      }
      const std::vector<uint8_t> bytes = reference::Pack(sketch, 1);
      code.insert(code.end(), bytes.begin(), bytes.end());
      sketches.push_back(sketch);
    }
    StoreCode(layout, code, codes.size(),
              {prefix.data(), rest.data(), low.data()});
    codes.push_back(code);
    levels.push_back(values);
  }

  // Bit `i` of the sign plane of `slot`, by the description of the columns.
  int SignBit(size_t slot, size_t i) const {
    const size_t byte = i / 8;
    const size_t block = slot / 64;
    const size_t in_block = slot % 64;
    const size_t line = 2 * (in_block % 32) + in_block / 32;
    const uint8_t value =
        byte < layout.prefix_bytes
            ? prefix[(block * layout.prefix_bytes + byte) * 64 + line]
            : rest[slot * layout.rest_bytes + byte - layout.prefix_bytes];
    return value >> i % 8 & 1;
  }

  int LowBit(size_t slot, size_t plane, size_t i) const {
    return low[(slot * layout.low_planes + plane) * layout.plane_bytes +
               i / 8] >>
               i % 8 &
           1;
  }

  ScanLayout layout;
  std::vector<uint8_t> prefix, rest, low;
  std::vector<std::vector<uint8_t>> codes, levels, sketches;
};

TEST(ScanLayoutTest, ThePartsOfThePlanesAddUpToTheCode) {
  for (size_t dim = 8; dim <= 4096; dim += 8) {
    for (const QuantizerParams& params : AllParams(dim)) {
      const ScanLayout layout(params);
      EXPECT_EQ(layout.prefix_bytes + layout.rest_bytes + layout.low_bytes,
                dim * static_cast<size_t>(params.bits) / 8);
      EXPECT_GE(layout.prefix_bytes, 1u);
      EXPECT_LE(layout.prefix_bytes, 32u);
    }
  }
  EXPECT_EQ(ScanLayout({.dim = 384}).prefix_bytes, 16u);
  EXPECT_EQ(ScanLayout({.dim = 192}).rest_bytes, 0u);
  EXPECT_EQ(ScanLayout({.dim = 1536}).prefix_bytes, 24u);
  EXPECT_EQ(ScanLayout({.dim = 65535}).prefix_bytes, 32u);
}

TEST(ScanLayoutTest, EveryBitIsWhereTheDescriptionSays) {
  SplitMix64 random(1);
  for (const size_t dim : {1, 7, 8, 9, 65, 192, 193, 201, 384, 1000, 1536}) {
    for (const QuantizerParams& params : AllParams(dim)) {
      Columns columns(params, /*slots=*/70);
      for (int i = 0; i < 70; ++i) columns.AddRandom(random);
      const ScanLayout& layout = columns.layout;
      const auto bits = static_cast<size_t>(layout.level_bits);
      for (size_t slot = 0; slot < 70; ++slot) {
        for (size_t i = 0; i < dim; ++i) {
          int level = columns.SignBit(slot, i);
          for (size_t p = 0; p + 1 < bits; ++p) {
            level = 2 * level + columns.LowBit(slot, p, i);
          }
          ASSERT_EQ(level, columns.levels[slot][i]) << dim << ", slot " << slot;
          if (layout.has_sketch) {
            ASSERT_EQ(columns.LowBit(slot, bits - 1, i),
                      columns.sketches[slot][i]);
          }
        }
      }
    }
  }
}

TEST(ScanLayoutTest, CodesComeBackForEveryDimensionAndWidth) {
  SplitMix64 random(2);
  for (size_t dim = 1; dim <= 1100; dim += dim < 300 ? 1 : 37) {
    for (const QuantizerParams& params : AllParams(dim)) {
      Columns columns(params, /*slots=*/5);
      for (int i = 0; i < 5; ++i) columns.AddRandom(random);
      for (size_t slot = 0; slot < 5; ++slot) {
        std::vector<uint8_t> got(columns.codes[slot].size(), 0xAA);
        LoadCode(
            columns.layout,
            {columns.prefix.data(), columns.rest.data(), columns.low.data()},
            slot, absl::MakeSpan(got));
        ASSERT_EQ(got, columns.codes[slot]) << "dim " << dim;
      }
    }
  }
}

TEST(ScanLayoutTest, StoringASlotChangesNoOther) {
  SplitMix64 random(3);
  for (const size_t dim : {100, 384}) {
    Columns columns({.dim = dim, .bits = 3}, /*slots=*/128);
    for (int i = 0; i < 128; ++i) columns.AddRandom(random);
    Columns changed = columns;
    std::vector<uint8_t> code = columns.codes[77];
    for (size_t i = 0; i + 1 < code.size(); ++i) {
      code[i] = static_cast<uint8_t>(~code[i]);
    }
    StoreCode(changed.layout, code, 77,
              {changed.prefix.data(), changed.rest.data(), changed.low.data()});
    for (size_t slot = 0; slot < 128; ++slot) {
      std::vector<uint8_t> got(code.size());
      LoadCode(changed.layout,
               {changed.prefix.data(), changed.rest.data(), changed.low.data()},
               slot, absl::MakeSpan(got));
      EXPECT_EQ(got, slot == 77 ? code : columns.codes[slot]) << slot;
    }
    // Nor the padding.
    EXPECT_TRUE(std::all_of(changed.low.end() - kScanPadding, changed.low.end(),
                            [](uint8_t byte) { return byte == 0xEE; }));
  }
}

}  // namespace
}  // namespace corkscrew
