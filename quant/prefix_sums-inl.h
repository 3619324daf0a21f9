// Sums over the prefixes of blocks (scan_layout.h), compiled once per SIMD
// target: partial sums of the bits that are set are looked up. Include after
// highway.h.

#if defined(CORKSCREW_QUANT_PREFIX_SUMS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CORKSCREW_QUANT_PREFIX_SUMS_INL_H_
#undef CORKSCREW_QUANT_PREFIX_SUMS_INL_H_
#else
#define CORKSCREW_QUANT_PREFIX_SUMS_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
#include "quant/byte_products-inl.h"
#include "quant/code_scan.h"
#include "quant/scan_layout.h"

// See byte_products-inl.h.
#if HWY_TARGET == HWY_AVX3_DL
HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR ",avx512vnni")
#else
HWY_BEFORE_NAMESPACE();
#endif
namespace corkscrew {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// ----------------------------------------------------------------------------
// The prefix: partial sums of the bits that are set are looked up. A partial
// sum, made non-negative, is split into two bytes' worth that can be added up a
// few times as bytes.

// Low bits of a partial sum: eight of them add up to a byte.
constexpr int kLowSumBits = 5;

#if HWY_TARGET == HWY_AVX3_DL

// A lookup has six index bits: the lower six of a byte of the prefix, or the
// upper two of three bytes. Tables [prefix_bytes / 3, rounded up] of four such
// sixes: three bytes, then what is left of them.
constexpr size_t kTableEntries = 64;
constexpr size_t kBytesPerGroup = 3;
constexpr size_t kLookupsPerGroup = 4;

// The coordinates of lookup `lookup`, by index bit; -1 for none.
inline void CoordinatesOf(size_t lookup, size_t prefix_bytes, int coords[6]) {
  const size_t first = lookup / kLookupsPerGroup * kBytesPerGroup;
  const size_t i = lookup % kLookupsPerGroup;
  for (size_t bit = 0; bit < 6; ++bit) {
    const size_t byte = first + (i < kBytesPerGroup ? i : bit / 2);
    const size_t of_byte = i < kBytesPerGroup ? bit : 6 + bit % 2;
    coords[bit] =
        byte < prefix_bytes ? static_cast<int>(8 * byte + of_byte) : -1;
  }
}

#else

// A lookup has four index bits, a half of a byte of the prefix.
constexpr size_t kTableEntries = 16;
constexpr size_t kBytesPerGroup = 1;
constexpr size_t kLookupsPerGroup = 2;

inline void CoordinatesOf(size_t lookup, size_t /*prefix_bytes*/,
                          int coords[4]) {
  for (size_t bit = 0; bit < 4; ++bit) {
    coords[bit] = static_cast<int>(4 * lookup + bit);
  }
}

#endif

// Bytes of the tables.
size_t PrefixTableBytes(size_t prefix_bytes) {
  return (prefix_bytes + kBytesPerGroup - 1) / kBytesPerGroup *
         kLookupsPerGroup * 2 * kTableEntries;
}

// The integers of a lookup, by index bit, and what makes their sums
// non-negative.
struct LookupIntegers {
  LookupIntegers(const int8_t* values, size_t lookup, size_t prefix_bytes) {
    int coords[6];
    CoordinatesOf(lookup, prefix_bytes, coords);
    for (size_t bit = 0; size_t{1} << bit < kTableEntries; ++bit) {
      value[bit] = coords[bit] < 0 ? int16_t{0} : values[coords[bit]];
      offset = static_cast<int16_t>(offset - std::min<int16_t>(value[bit], 0));
    }
  }

  int16_t value[6] = {};
  int16_t offset = 0;
};

#if HWY_TARGET == HWY_AVX3_DL

// Sums of the integers whose bits are set in 0 to 31, plus `offset`. The first
// `bits` bits count.
HWY_INLINE __m512i SubsetSums(const int16_t* value, size_t bits,
                              int16_t offset) {
  constexpr __mmask32 kHasBit[] = {0xAAAAAAAA, 0xCCCCCCCC, 0xF0F0F0F0,
                                   0xFF00FF00, 0xFFFF0000};
  __m512i sums = _mm512_set1_epi16(offset);
  for (size_t bit = 0; bit < bits; ++bit) {
    sums = _mm512_mask_add_epi16(sums, kHasBit[bit], sums,
                                 _mm512_set1_epi16(value[bit]));
  }
  return sums;
}

HWY_INLINE void StoreAsBytes(__m512i sums, uint8_t* to) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                      _mm512_cvtepi16_epi8(sums));
}

HWY_INLINE void FillLookup(const LookupIntegers& integers, uint8_t* low,
                           uint8_t* high) {
  const __m512i first = SubsetSums(integers.value, 5, integers.offset);
  const __m512i second =
      _mm512_add_epi16(first, _mm512_set1_epi16(integers.value[5]));
  const __m512i mask = _mm512_set1_epi16((1 << kLowSumBits) - 1);
  StoreAsBytes(_mm512_and_si512(first, mask), low);
  StoreAsBytes(_mm512_and_si512(second, mask), low + 32);
  StoreAsBytes(_mm512_srli_epi16(first, kLowSumBits), high);
  StoreAsBytes(_mm512_srli_epi16(second, kLowSumBits), high + 32);
}

#else

HWY_INLINE void FillLookup(const LookupIntegers& integers, uint8_t* low,
                           uint8_t* high) {
  for (size_t i = 0; i < kTableEntries; ++i) {
    int sum = integers.offset;
    for (size_t bit = 0; bit < 4; ++bit) {
      sum += (i >> bit & 1) != 0 ? integers.value[bit] : 0;
    }
    low[i] = static_cast<uint8_t>(sum & ((1 << kLowSumBits) - 1));
    high[i] = static_cast<uint8_t>(sum >> kLowSumBits);
  }
}

#endif

// Fills `tables` [PrefixTableBytes()] from `values` [dim], 0 after the last,
// readable to the end of the prefix. Returns what is added to the sums.
int32_t FillPrefixTables(const int8_t* values, size_t prefix_bytes,
                         uint8_t* tables) {
  int32_t offset = 0;
  const size_t lookups = PrefixTableBytes(prefix_bytes) / (2 * kTableEntries);
  for (size_t lookup = 0; lookup < lookups; ++lookup) {
    const LookupIntegers integers(values, lookup, prefix_bytes);
    uint8_t* const low = tables + lookup * 2 * kTableEntries;
    FillLookup(integers, low, low + kTableEntries);
    offset += integers.offset;
  }
  return offset;
}

#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128

void PrefixSumsOf(const ScanLayout& layout, const ScanQuery& query,
                  const uint8_t* prefix, size_t blocks, int16_t* sums) {
  for (size_t slot = 0; slot < blocks * kScanBlock; ++slot) {
    int32_t sum = 0;
    for (size_t i = 0; i < layout.prefix_bytes; ++i) {
      const uint8_t byte = prefix[layout.PrefixPosition(slot, i)];
      const uint8_t* low = query.prefix_tables + i * 4 * kTableEntries;
      for (const size_t index : {byte & 15, byte >> 4}) {
        sum += low[index] + (low[index + kTableEntries] << kLowSumBits);
        low += 2 * kTableEntries;
      }
    }
    sums[slot] = static_cast<int16_t>(2 * sum - query.prefix_offset);
  }
}

#else  // There are vectors.

using TagU8 = Tag<uint8_t>;
using TagU16 = Tag<uint16_t>;
using VecU16 = hn::Vec<TagU16>;

// Bytes that add up, as 16-bit sums of the even and of the odd ones.
class WideSums {
 public:
  HWY_INLINE WideSums() : both_(hn::Zero(TagU16())), odd_(both_) {}

  HWY_INLINE void Add(VecU8 bytes) {
    const VecU16 pairs = hn::BitCast(TagU16(), bytes);
    both_ = hn::Add(both_, pairs);
    odd_ = hn::Add(odd_, hn::ShiftRight<8>(pairs));
  }
  HWY_INLINE VecU16 even() const {
    return hn::Sub(both_, hn::ShiftLeft<8>(odd_));
  }
  HWY_INLINE VecU16 odd() const { return odd_; }

 private:
  VecU16 both_;
  VecU16 odd_;
};

// Looks up `kLines` lines of one vector of slots, at most kLinesPerSum. The
// number is a constant so that the code has no branches.
#if HWY_TARGET == HWY_AVX3_DL

// Lines after which the bytes of the sums may be full.
constexpr size_t kLinesPerSum = 6;

HWY_INLINE void LookUpSix(__m512i index, const uint8_t* HWY_RESTRICT tables,
                          __m512i* low, __m512i* high) {
  // The instruction ignores the upper two bits of an index.
  *low = _mm512_add_epi8(
      *low, _mm512_permutexvar_epi8(index, _mm512_load_si512(tables)));
  *high = _mm512_add_epi8(
      *high, _mm512_permutexvar_epi8(index, _mm512_load_si512(tables + 64)));
}

// The lines of a group, 1 to 3.
template <size_t kLines>
HWY_INLINE void LookUpGroup(const uint8_t* HWY_RESTRICT prefix,
                            const uint8_t* HWY_RESTRICT tables, __m512i* low,
                            __m512i* high) {
  constexpr size_t kTable = 2 * kTableEntries;
  constexpr int kSelect = 0xCA;  // First operand ? second : third.
  const __m512i x0 = _mm512_loadu_si512(prefix);
  LookUpSix(x0, tables, low, high);
  __m512i upper = _mm512_srli_epi16(x0, 6);
  if constexpr (kLines > 1) {
    const __m512i x1 = _mm512_loadu_si512(prefix + kScanBlock);
    LookUpSix(x1, tables + kTable, low, high);
    upper = _mm512_ternarylogic_epi64(_mm512_set1_epi8(0x03), upper,
                                      _mm512_srli_epi16(x1, 4), kSelect);
  }
  if constexpr (kLines > 2) {
    const __m512i x2 = _mm512_loadu_si512(prefix + 2 * kScanBlock);
    LookUpSix(x2, tables + 2 * kTable, low, high);
    upper = _mm512_ternarylogic_epi64(_mm512_set1_epi8(0x0F), upper,
                                      _mm512_srli_epi16(x2, 2), kSelect);
  }
  // Bits of lines that are not there meet coordinates that are not there.
  LookUpSix(upper, tables + 3 * kTable, low, high);
}

template <size_t kLines>
HWY_INLINE void LookUpLines(const uint8_t* HWY_RESTRICT prefix,
                            const uint8_t* HWY_RESTRICT tables, VecU8* low_sum,
                            VecU8* high_sum) {
  static_assert(kLines <= kLinesPerSum);
  __m512i low = _mm512_setzero_si512();
  __m512i high = _mm512_setzero_si512();
  LookUpGroup<std::min<size_t>(kLines, 3)>(prefix, tables, &low, &high);
  if constexpr (kLines > 3) {
    LookUpGroup<kLines - 3>(prefix + 3 * kScanBlock,
                            tables + kLookupsPerGroup * 2 * kTableEntries, &low,
                            &high);
  }
  *low_sum = VecU8{low};
  *high_sum = VecU8{high};
}

#else

constexpr size_t kLinesPerSum = 4;

template <size_t kLines>
HWY_INLINE void LookUpLines(const uint8_t* HWY_RESTRICT prefix,
                            const uint8_t* HWY_RESTRICT tables, VecU8* low_sum,
                            VecU8* high_sum) {
  static_assert(kLines <= kLinesPerSum);
  const TagU8 d;
  const VecU8 mask = hn::Set(d, 0x0F);
  VecU8 low = hn::Zero(d);
  VecU8 high = hn::Zero(d);
  for (size_t i = 0; i < kLines; ++i) {
    const VecU8 x = hn::LoadU(d, prefix + i * kScanBlock);
    const VecU8 x0 = hn::And(x, mask);
    const VecU8 x1 = hn::And(ShiftBytes<4>(x), mask);
    const uint8_t* table = tables + i * 4 * kTableEntries;
    const auto look_up = [&](size_t t, VecU8 index) HWY_ATTR {
      return hn::TableLookupBytes(hn::LoadDup128(d, table + t * kTableEntries),
                                  index);
    };
    low = hn::Add(low, hn::Add(look_up(0, x0), look_up(2, x1)));
    high = hn::Add(high, hn::Add(look_up(1, x0), look_up(3, x1)));
  }
  *low_sum = low;
  *high_sum = high;
}

#endif

// The sums over the prefixes of one vector of slots.
class PrefixSum {
 public:
  HWY_INLINE PrefixSum() {}  // Inlined into functions of the target.

  // The next `kLines` lines and their tables.
  template <size_t kLines>
  HWY_INLINE void Add(const uint8_t* HWY_RESTRICT prefix,
                      const uint8_t* HWY_RESTRICT tables) {
    constexpr size_t kNow = std::min(kLines, kLinesPerSum);
    VecU8 low;
    VecU8 high;
    LookUpLines<kNow>(prefix, tables, &low, &high);
    low_.Add(low);
    high_.Add(high);
    if constexpr (kLines > kNow) {
      Add<kLines - kNow>(prefix + kNow * kScanBlock,
                         tables + kTableBytesPerSum);
    }
  }

  // As many as `lines`.
  HWY_INLINE void Add(const uint8_t* HWY_RESTRICT prefix,
                      const uint8_t* HWY_RESTRICT tables, size_t lines) {
    for (; lines >= kLinesPerSum; lines -= kLinesPerSum) {
      Add<kLinesPerSum>(prefix, tables);
      prefix += kLinesPerSum * kScanBlock;
      tables += kTableBytesPerSum;
    }
    switch (lines) {
      case 1:
        return Add<1>(prefix, tables);
      case 2:
        return Add<2>(prefix, tables);
      case 3:
        return Add<3>(prefix, tables);
#if HWY_TARGET == HWY_AVX3_DL
      case 4:
        return Add<4>(prefix, tables);
      case 5:
        return Add<5>(prefix, tables);
#endif
      default:
        return;
    }
  }

  // Stores the sums of the even bytes to `sums` and those of the odd ones half
  // a block later. They fit in int16 at the end and wrap in between.
  HWY_INLINE void Store(VecU16 offset, int16_t* HWY_RESTRICT sums) const {
    const hn::RebindToSigned<TagU16> d;
    const auto finish = [&](VecU16 low, VecU16 high) HWY_ATTR {
      const VecU16 sum =
          hn::Add(hn::ShiftLeft<1>(low), hn::ShiftLeft<kLowSumBits + 1>(high));
      return hn::BitCast(d, hn::Sub(sum, offset));
    };
    hn::StoreU(finish(low_.even(), high_.even()), d, sums);
    hn::StoreU(finish(low_.odd(), high_.odd()), d, sums + kScanBlock / 2);
  }

 private:
  static constexpr size_t kTableBytesPerSum =
      kLinesPerSum / kBytesPerGroup * kLookupsPerGroup * 2 * kTableEntries;

  WideSums low_;
  WideSums high_;
};

// `kLines` are the lines of a block, or 0 for layout.prefix_bytes.
template <size_t kLines>
HWY_NOINLINE void PrefixSumsLoop(const ScanLayout& layout,
                                 const ScanQuery& query,
                                 const uint8_t* HWY_RESTRICT prefix,
                                 size_t blocks, int16_t* HWY_RESTRICT sums) {
  const TagU8 d;
  const size_t lines = kLines == 0 ? layout.prefix_bytes : kLines;
  const uint8_t* HWY_RESTRICT tables = query.prefix_tables;
  const VecU16 offset =
      hn::Set(TagU16(), static_cast<uint16_t>(query.prefix_offset));
  for (size_t block = 0; block < blocks; ++block) {
    for (size_t part = 0; part < kScanBlock; part += hn::Lanes(d)) {
      PrefixSum sum;
      if constexpr (kLines == 0) {
        sum.Add(prefix + part, tables, lines);
      } else {
        sum.Add<kLines>(prefix + part, tables);
      }
      sum.Store(offset, sums + part / 2);
    }
    prefix += lines * kScanBlock;
    sums += kScanBlock;
  }
}

void PrefixSumsOf(const ScanLayout& layout, const ScanQuery& query,
                  const uint8_t* prefix, size_t blocks, int16_t* sums) {
  switch (layout.prefix_bytes) {
    case 16:
      return PrefixSumsLoop<16>(layout, query, prefix, blocks, sums);
    case 24:
      return PrefixSumsLoop<24>(layout, query, prefix, blocks, sums);
    default:
      return PrefixSumsLoop<0>(layout, query, prefix, blocks, sums);
  }
}

#endif  // There are vectors.

}  // namespace HWY_NAMESPACE
}  // namespace corkscrew
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
