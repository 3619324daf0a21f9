// Sums over the prefixes of blocks for several queries that share the reading
// and, where the CPU looks bytes up in tables of 64 and adds products of bytes
// four at a time (AVX3_DL), the preparing of the indices. Compiled once per
// SIMD target; include after highway.h.

#if defined(CORKSCREW_QUANT_SHARED_PREFIX_SUMS_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef CORKSCREW_QUANT_SHARED_PREFIX_SUMS_INL_H_
#undef CORKSCREW_QUANT_SHARED_PREFIX_SUMS_INL_H_
#else
#define CORKSCREW_QUANT_SHARED_PREFIX_SUMS_INL_H_
#endif

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "hwy/highway.h"
#include "quant/byte_products-inl.h"
#include "quant/code_scan.h"
#include "quant/prefix_sums-inl.h"
#include "quant/scan_layout.h"

// See byte_products-inl.h.
#if HWY_TARGET == HWY_AVX3_DL
HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR ",avx512vnni")
#else
HWY_BEFORE_NAMESPACE();
#endif
namespace corkscrew {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_AVX3_DL

// Four lines of a block, a column, are regrouped so that the four bytes of a
// slot are a 32-bit lane. A half of each of its bytes, with the number of the
// byte in front, indexes a table of 64: four tables of 16. The four partial
// sums of a lane are added up by the instruction for products of bytes, with 1.
// That is half of the work of adding bytes that must be widened, but for the
// regrouping, which serves all queries.
constexpr size_t kColumnLines = 4;
constexpr size_t kMaxColumns = 8;
constexpr size_t kHalves = 2;
constexpr size_t kVectorsPerHalf = 4;
constexpr size_t kVectorBytes = 64;
constexpr size_t kHalfBytes = kVectorsPerHalf * kVectorBytes;

HWY_INLINE size_t ColumnsOf(size_t prefix_bytes) {
  return (prefix_bytes + kColumnLines - 1) / kColumnLines;
}

// Bytes of the tables: [columns, halves, 64], and as many that are added where
// a partial sum does not fit in a byte.
size_t SharedTableBytes(size_t prefix_bytes) {
  return 2 * ColumnsOf(prefix_bytes) * kHalves * kVectorBytes;
}

// Fills `tables` [SharedTableBytes()] from `values` as FillPrefixTables() does.
// Returns which tables have something to add, by bit.
uint32_t FillSharedTables(const int8_t* values, size_t prefix_bytes,
                          uint8_t* tables) {
  const size_t columns = ColumnsOf(prefix_bytes);
  uint8_t* const more = tables + columns * kHalves * kVectorBytes;
  const __m512i most = _mm512_set1_epi16(255);
  uint32_t excess = 0;
  for (size_t line = 0; line < columns * kColumnLines; ++line) {
    for (size_t half = 0; half < kHalves; ++half) {
      int16_t value[4] = {};
      int16_t offset = 0;
      int range = 0;
      for (size_t bit = 0; bit < 4 && line < prefix_bytes; ++bit) {
        value[bit] = values[8 * line + 4 * half + bit];
        offset =
            static_cast<int16_t>(offset - std::min<int16_t>(value[bit], 0));
        range += std::abs(int{value[bit]});
      }
      const size_t table = line / kColumnLines * kHalves + half;
      const size_t at = table * kVectorBytes + line % kColumnLines * 16;
      const __m512i sums = SubsetSums(value, 4, offset);  // Of 0 to 15, twice.
      _mm_storeu_si128(reinterpret_cast<__m128i*>(tables + at),
                       _mm256_castsi256_si128(_mm512_cvtusepi16_epi8(sums)));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(more + at),
                       _mm256_castsi256_si128(_mm512_cvtepi16_epi8(
                           _mm512_subs_epu16(sums, most))));
      if (range > 255) excess |= uint32_t{1} << table;
    }
  }
  return excess;
}

// The indices of both halves of the bytes of 16 slots.
HWY_INLINE void StoreIndices(__m512i slots, uint8_t* HWY_RESTRICT indices) {
  const __m512i half = _mm512_set1_epi8(0x0F);
  const __m512i byte = _mm512_set1_epi32(0x30201000);
  constexpr int kAndOr = 0xEA;  // (first & second) | third.
  _mm512_store_si512(indices,
                     _mm512_ternarylogic_epi32(slots, half, byte, kAndOr));
  _mm512_store_si512(indices + kHalfBytes,
                     _mm512_ternarylogic_epi32(_mm512_srli_epi32(slots, 4),
                                               half, byte, kAndOr));
}

// The indices of a block, [columns, halves, 4, 64]: lane e of 128-bit block l
// of vector r belongs to byte 16 * l + 4 * r + e of the lines.
HWY_INLINE void Regroup(const uint8_t* HWY_RESTRICT prefix, size_t prefix_bytes,
                        uint8_t* HWY_RESTRICT indices) {
  for (size_t line = 0; line < prefix_bytes; line += kColumnLines) {
    // A line that is not there meets integers that are 0: any will do.
    const auto* const first = prefix + line * kScanBlock;
    const size_t last = std::min(kColumnLines, prefix_bytes - line) - 1;
    const __m512i x0 = _mm512_loadu_si512(first);
    const __m512i x1 =
        _mm512_loadu_si512(first + std::min<size_t>(last, 1) * kScanBlock);
    const __m512i x2 =
        _mm512_loadu_si512(first + std::min<size_t>(last, 2) * kScanBlock);
    const __m512i x3 = _mm512_loadu_si512(first + last * kScanBlock);
    const __m512i low01 = _mm512_unpacklo_epi8(x0, x1);
    const __m512i low23 = _mm512_unpacklo_epi8(x2, x3);
    const __m512i high01 = _mm512_unpackhi_epi8(x0, x1);
    const __m512i high23 = _mm512_unpackhi_epi8(x2, x3);
    StoreIndices(_mm512_unpacklo_epi16(low01, low23), indices);
    StoreIndices(_mm512_unpackhi_epi16(low01, low23), indices + kVectorBytes);
    StoreIndices(_mm512_unpacklo_epi16(high01, high23),
                 indices + 2 * kVectorBytes);
    StoreIndices(_mm512_unpackhi_epi16(high01, high23),
                 indices + 3 * kVectorBytes);
    indices += kHalves * kHalfBytes;
  }
}

// The sums of the 64 slots of a block, 16 to a vector, as Regroup() has them.
class RegroupedSums {
 public:
  HWY_INLINE RegroupedSums()
      : s0_(_mm512_setzero_si512()), s1_(s0_), s2_(s0_), s3_(s0_) {}

  // What `table` has for one half of the bytes of a column.
  HWY_INLINE void Add(__m512i table, const uint8_t* HWY_RESTRICT indices) {
    s0_ = AddLookedUp(s0_, table, indices);
    s1_ = AddLookedUp(s1_, table, indices + kVectorBytes);
    s2_ = AddLookedUp(s2_, table, indices + 2 * kVectorBytes);
    s3_ = AddLookedUp(s3_, table, indices + 3 * kVectorBytes);
  }

  // As PrefixSum::Store(): twice the sums less `offset`, in the order of slots.
  HWY_INLINE void Store(__m512i offset, __m512i even, __m512i odd,
                        int16_t* HWY_RESTRICT sums) const {
    const __m512i first = _mm512_packs_epi32(s0_, s1_);
    const __m512i second = _mm512_packs_epi32(s2_, s3_);
    const __m512i a = _mm512_permutex2var_epi16(first, even, second);
    const __m512i b = _mm512_permutex2var_epi16(first, odd, second);
    _mm512_storeu_si512(sums, _mm512_sub_epi16(_mm512_add_epi16(a, a), offset));
    _mm512_storeu_si512(sums + kScanBlock / 2,
                        _mm512_sub_epi16(_mm512_add_epi16(b, b), offset));
  }

 private:
  static HWY_INLINE __m512i AddLookedUp(__m512i sum, __m512i table,
                                        const uint8_t* indices) {
    const __m512i parts =
        _mm512_permutexvar_epi8(_mm512_load_si512(indices), table);
    return _mm512_dpbusd_epi32(sum, parts, _mm512_set1_epi8(1));
  }

  __m512i s0_, s1_, s2_, s3_;
};

// Adds tables `kFirst` to kTables - 1. A recursion, not a loop, so that `table`
// and the sums are registers.
template <size_t kFirst, size_t kTables>
HWY_INLINE void AddTables(const __m512i* table,
                          const uint8_t* HWY_RESTRICT indices,
                          RegroupedSums& sums) {
  if constexpr (kFirst < kTables) {
    sums.Add(table[kFirst], indices + kFirst * kHalfBytes);
    AddTables<kFirst + 1, kTables>(table, indices, sums);
  }
}

// Sets `sums` to those of `blocks` blocks, whose indices Regroup() gave.
template <size_t kColumns>
HWY_NOINLINE void SumRegrouped(const ScanQuery& query,
                               const uint8_t* HWY_RESTRICT indices,
                               size_t blocks, int16_t* HWY_RESTRICT sums) {
  constexpr size_t kTables = kColumns * kHalves;
  // Byte 2 * i of the lines is of slot i. Bytes 0 to 7 of 16 are in the first
  // vector of Store(), 8 to 15 in the second.
  alignas(64) int16_t even[32];
  alignas(64) int16_t odd[32];
  for (int i = 0; i < 32; ++i) {
    const int at = i / 8 * 8 + 2 * i % 8 + (i % 8 >= 4 ? 32 : 0);
    even[i] = static_cast<int16_t>(at);
    odd[i] = static_cast<int16_t>(at + 1);
  }
  const __m512i even_slots = _mm512_load_si512(even);
  const __m512i odd_slots = _mm512_load_si512(odd);
  const __m512i offset =
      _mm512_set1_epi16(static_cast<int16_t>(query.prefix_offset));
  const uint8_t* const more = query.shared_tables + kTables * kVectorBytes;
  __m512i table[kTables];
  for (size_t t = 0; t < kTables; ++t) {
    table[t] = _mm512_loadu_si512(query.shared_tables + t * kVectorBytes);
  }
  for (size_t block = 0; block < blocks; ++block) {
    RegroupedSums all;
    AddTables<0, kTables>(table, indices, all);
    for (uint32_t left = query.shared_excess; left != 0; left &= left - 1) {
      const auto t = static_cast<size_t>(std::countr_zero(left));
      all.Add(_mm512_loadu_si512(more + t * kVectorBytes),
              indices + t * kHalfBytes);
    }
    all.Store(offset, even_slots, odd_slots, sums);
    indices += kTables * kHalfBytes;
    sums += kScanBlock;
  }
}

HWY_INLINE void SumRegroupedColumns(const ScanQuery& query, size_t columns,
                                    const uint8_t* indices, size_t blocks,
                                    int16_t* sums) {
  switch (columns) {
    case 1:
      return SumRegrouped<1>(query, indices, blocks, sums);
    case 2:
      return SumRegrouped<2>(query, indices, blocks, sums);
    case 3:
      return SumRegrouped<3>(query, indices, blocks, sums);
    case 4:
      return SumRegrouped<4>(query, indices, blocks, sums);
    case 5:
      return SumRegrouped<5>(query, indices, blocks, sums);
    case 6:
      return SumRegrouped<6>(query, indices, blocks, sums);
    case 7:
      return SumRegrouped<7>(query, indices, blocks, sums);
    default:
      return SumRegrouped<8>(query, indices, blocks, sums);
  }
}

// SharedBlocks::Share().
void ShareBlocksOf(const ScanLayout& layout, const uint8_t* prefix,
                   size_t blocks, uint8_t* indices) {
  static_assert(SharedBlocks::kMaxBlocks * kMaxColumns * kHalves * kHalfBytes <=
                SharedBlocks::kIndexBytes);
  const size_t columns = ColumnsOf(layout.prefix_bytes);
  for (size_t block = 0; block < blocks; ++block) {
    Regroup(prefix, layout.prefix_bytes, indices);
    prefix += layout.prefix_bytes * kScanBlock;
    indices += columns * kHalves * kHalfBytes;
  }
}

void SharedPrefixSumsOf(const ScanLayout& layout, const ScanQuery& query,
                        const uint8_t* /*prefix*/, const uint8_t* indices,
                        size_t blocks, int16_t* sums) {
  SumRegroupedColumns(query, ColumnsOf(layout.prefix_bytes), indices, blocks,
                      sums);
}

#else  // Not AVX3_DL: the queries share the reading only.

size_t SharedTableBytes(size_t /*prefix_bytes*/) { return 0; }

uint32_t FillSharedTables(const int8_t* /*values*/, size_t /*prefix_bytes*/,
                          uint8_t* /*tables*/) {
  return 0;
}

void ShareBlocksOf(const ScanLayout& /*layout*/, const uint8_t* /*prefix*/,
                   size_t /*blocks*/, uint8_t* /*indices*/) {}

void SharedPrefixSumsOf(const ScanLayout& layout, const ScanQuery& query,
                        const uint8_t* prefix, const uint8_t* /*indices*/,
                        size_t blocks, int16_t* sums) {
  PrefixSumsOf(layout, query, prefix, blocks, sums);
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace corkscrew
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
