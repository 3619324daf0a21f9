// Sums over codes of any width for CPUs that cut fields out of words and look
// bytes up in long tables (AVX-512 VBMI and VNNI: target AVX3_DL). Compiled
// once; include after highway.h.

#if defined(CORKSCREW_QUANT_SHIFTED_SUMS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CORKSCREW_QUANT_SHIFTED_SUMS_INL_H_
#undef CORKSCREW_QUANT_SHIFTED_SUMS_INL_H_
#else
#define CORKSCREW_QUANT_SHIFTED_SUMS_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
#include "quant/code_sums.h"
#include "quant/packing.h"

#if HWY_TARGET == HWY_AVX3_DL

// See code_sums-inl.h.
HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR ",avx512vnni")
namespace corkscrew {
namespace HWY_NAMESPACE {

// Coordinates of one vector; their codes are `bits` times 8 bytes.
constexpr size_t kGroup = 64;

// Cuts 64 codes of one width into bytes: eight codes lie in `bits` adjacent
// bytes, which are first copied to a 64-bit word of their own.
class CodeCutter {
 public:
  explicit CodeCutter(int bits) {
    alignas(64) uint8_t copy[kGroup];
    alignas(64) uint8_t shift[kGroup];
    for (int i = 0; i < 64; ++i) {
      copy[i] = static_cast<uint8_t>(i / 8 * bits + i % 8);
      shift[i] = static_cast<uint8_t>(i % 8 * bits);
    }
    copy_ = _mm512_load_si512(copy);
    shift_ = _mm512_load_si512(shift);
    mask_ = _mm512_set1_epi8(static_cast<char>((1 << bits) - 1));
  }

  // From the first `size` <= 64 bytes at `packed`.
  HWY_INLINE __m512i Cut(const uint8_t* packed, size_t size) const {
    const __mmask64 readable = ~uint64_t{0} >> (64 - size);
    const __m512i bytes = _mm512_maskz_loadu_epi8(readable, packed);
    const __m512i words = _mm512_permutexvar_epi8(copy_, bytes);
    return _mm512_and_si512(_mm512_multishift_epi64_epi8(shift_, words), mask_);
  }

 private:
  __m512i copy_;
  __m512i shift_;
  __m512i mask_;
};

// A table of bytes by code.
template <int kBits>
class ByteTable {
 public:
  explicit ByteTable(const uint8_t* table)  // [256], repeats itself.
      : t0_(_mm512_load_si512(table)),
        t1_(_mm512_load_si512(table + 64)),
        t2_(_mm512_load_si512(table + 128)),
        t3_(_mm512_load_si512(table + 192)) {}

  HWY_INLINE __m512i Lookup(__m512i codes) const {
    if constexpr (kBits <= 6) return _mm512_permutexvar_epi8(codes, t0_);
    const __m512i first = _mm512_permutex2var_epi8(t0_, codes, t1_);
    if constexpr (kBits == 7) return first;
    const __m512i second = _mm512_permutex2var_epi8(t2_, codes, t3_);
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(codes), first, second);
  }

 private:
  __m512i t0_, t1_, t2_, t3_;
};

template <int kBits>
HWY_NOINLINE void SumShiftedOf(const CodeTables& tables,
                               const QueryIntegers& query, const CodeRows& rows,
                               float* HWY_RESTRICT sums) {
  constexpr bool kTwoBytes = kBits >= 6;
  constexpr size_t kGroupBytes = size_t{kBits} * 8;
  const CodeCutter cutter(kBits);
  const ByteTable<kBits> low(tables.level_low);
  const ByteTable<kBits> high(tables.level_high);
  const size_t row_bytes = PackedBytes(tables.dim, kBits);
  const int64_t offset = query.total * tables.offset;
  for (size_t row = 0; row < rows.count; ++row) {
    const uint8_t* packed = rows.first + row * rows.stride;
    const int8_t* q = query.planes.get();
    __m512i low_sum = _mm512_setzero_si512();
    __m512i high_sum = _mm512_setzero_si512();
    for (size_t i = 0; i < row_bytes; i += kGroupBytes, q += kGroup) {
      const __m512i codes =
          cutter.Cut(packed + i, std::min(kGroupBytes, row_bytes - i));
      const __m512i values = _mm512_load_si512(q);
      low_sum = _mm512_dpbusd_epi32(low_sum, low.Lookup(codes), values);
      if constexpr (kTwoBytes) {
        high_sum = _mm512_dpbusd_epi32(high_sum, high.Lookup(codes), values);
      }
    }
    // Each is at most 65535 * 255 * 127 < 2^31.
    const int64_t total = int64_t{_mm512_reduce_add_epi32(low_sum)} +
                          256 * int64_t{_mm512_reduce_add_epi32(high_sum)} -
                          offset;
    sums[row] = static_cast<float>(total);
  }
}

inline void SumShifted(const CodeTables& tables, const QueryIntegers& query,
                       const CodeRows& rows, float* HWY_RESTRICT sums) {
  switch (tables.bits) {
    case 3:
      return SumShiftedOf<3>(tables, query, rows, sums);
    case 5:
      return SumShiftedOf<5>(tables, query, rows, sums);
    case 6:
      return SumShiftedOf<6>(tables, query, rows, sums);
    case 7:
      return SumShiftedOf<7>(tables, query, rows, sums);
    default:
      return SumShiftedOf<8>(tables, query, rows, sums);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace corkscrew
HWY_AFTER_NAMESPACE();

#endif  // HWY_TARGET == HWY_AVX3_DL

#endif  // per-target include guard
