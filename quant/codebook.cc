#include "quant/codebook.h"

#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace corkscrew {
namespace {

// The positive levels; the others are their mirror image. Part of the format.
constexpr int16_t kLevels1[] = {1};
constexpr int16_t kLevels2[] = {3, 10};
constexpr int16_t kLevels3[] = {7, 22, 39, 62};
constexpr int16_t kLevels4[] = {3, 9, 15, 21, 28, 36, 46, 61};
constexpr int16_t kLevels5[] = {2,  6,  10, 14, 18, 22, 26, 31,
                                36, 41, 47, 53, 60, 68, 79, 96};
constexpr int16_t kLevels6[] = {
    2,  6,  10, 14, 18, 22, 26,  30,  34,  38,  42,  46,  50,  55,  60,  65,
    70, 75, 80, 86, 92, 98, 104, 111, 119, 127, 136, 146, 158, 172, 191, 221};
constexpr int16_t kLevels7[] = {
    8,    24,   40,   56,   72,   88,   104,  120,  136,  152,  168,
    184,  201,  217,  234,  250,  267,  284,  301,  318,  335,  352,
    370,  387,  405,  423,  442,  460,  479,  498,  517,  537,  557,
    577,  597,  618,  640,  661,  684,  707,  730,  754,  779,  804,
    830,  857,  885,  914,  945,  976,  1009, 1044, 1081, 1121, 1163,
    1208, 1258, 1312, 1373, 1443, 1526, 1628, 1763, 1978};
constexpr int16_t kLevels8[] = {
    7,    22,   37,   52,   67,   82,   97,   112,  127,  142,  157,  172,
    187,  202,  217,  232,  247,  262,  277,  292,  308,  323,  338,  353,
    369,  384,  399,  415,  430,  446,  461,  477,  493,  508,  524,  540,
    556,  572,  588,  604,  620,  636,  653,  669,  685,  702,  719,  735,
    752,  769,  786,  803,  820,  837,  855,  872,  890,  907,  925,  943,
    961,  980,  998,  1016, 1035, 1054, 1073, 1092, 1111, 1131, 1151, 1170,
    1191, 1211, 1231, 1252, 1273, 1294, 1316, 1337, 1359, 1382, 1404, 1427,
    1450, 1474, 1498, 1522, 1547, 1572, 1597, 1623, 1650, 1677, 1704, 1732,
    1761, 1790, 1820, 1851, 1882, 1915, 1948, 1982, 2017, 2053, 2090, 2129,
    2169, 2211, 2254, 2299, 2347, 2396, 2449, 2504, 2563, 2626, 2694, 2767,
    2848, 2937, 3038, 3154, 3292, 3463, 3693, 4061};

struct LloydMax {
  absl::Span<const int16_t> positive;
  int64_t unit;
};

LloydMax LloydMaxOf(int bits) {
  switch (bits) {
    case 1:
      return {kLevels1, 6693141};
    case 2:
      return {kLevels2, 1266973};
    case 3:
      return {kLevels3, 290552};
    case 4:
      return {kLevels4, 375834};
    case 5:
      return {kLevels5, 284586};
    case 6:
      return {kLevels6, 142118};
    case 7:
      return {kLevels7, 17768};
    default:
      assert(bits == 8);
      return {kLevels8, 9509};
  }
}

constexpr int64_t kUniformUnit = 128787;

}  // namespace

Codebook MakeCodebook(int id, int bits) {
  assert(id == 1 || (id == 2 && bits == 8));
  Codebook codebook;
  if (id == 2) {
    codebook.unit = kUniformUnit;
    for (int k = 0; k < 256; ++k) {
      codebook.levels.push_back(static_cast<int16_t>(2 * k - 255));
    }
    return codebook;
  }
  const auto [positive, unit] = LloydMaxOf(bits);
  codebook.unit = unit;
  for (size_t i = positive.size(); i-- > 0;) {
    codebook.levels.push_back(static_cast<int16_t>(-positive[i]));
  }
  codebook.levels.insert(codebook.levels.end(), positive.begin(),
                         positive.end());
  return codebook;
}

std::vector<int32_t> Thresholds(const Codebook& codebook, size_t dim) {
  const double root = std::sqrt(static_cast<double>(dim));
  std::vector<int32_t> thresholds;
  for (size_t i = 0; i + 1 < codebook.levels.size(); ++i) {
    const int64_t sum = codebook.levels[i] + codebook.levels[i + 1];
    thresholds.push_back(static_cast<int32_t>(
        std::rint(static_cast<double>(sum * codebook.unit) / root)));
  }
  return thresholds;
}

std::vector<int32_t> FixedPointLevels(const Codebook& codebook, size_t dim) {
  const double root = std::sqrt(static_cast<double>(dim));
  std::vector<int32_t> levels;
  for (const int64_t level : codebook.levels) {
    levels.push_back(static_cast<int32_t>(
        std::rint(static_cast<double>(2 * level * codebook.unit) / root)));
  }
  return levels;
}

}  // namespace corkscrew
