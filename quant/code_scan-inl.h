// Sums over the columns of scan_layout.h, compiled once per SIMD target.
// Include after highway.h.

#if defined(CORKSCREW_QUANT_CODE_SCAN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CORKSCREW_QUANT_CODE_SCAN_INL_H_
#undef CORKSCREW_QUANT_CODE_SCAN_INL_H_
#else
#define CORKSCREW_QUANT_CODE_SCAN_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "absl/types/span.h"
#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "quant/bit_planes.h"
#include "quant/byte_products-inl.h"
#include "quant/code_scan.h"
#include "quant/scan_layout.h"
#include "quant/shifted_sums-inl.h"

// See byte_products-inl.h.
#if HWY_TARGET == HWY_AVX3_DL
HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR ",avx512vnni")
#else
HWY_BEFORE_NAMESPACE();
#endif
namespace corkscrew {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Rows ahead whose bytes are fetched into the cache.
constexpr size_t kAhead = 16;
constexpr size_t kCacheLine = 64;

// Codes whose sign planes are copied together.
constexpr size_t kRowsPerCopy = 8;

// Slots whose sums are held on the stack.
constexpr size_t kSlotsPerPart = 256;

// Of the largest dimension.
constexpr size_t kMaxPlaneBytes = 8192;

HWY_INLINE void PrefetchRow(const uint8_t* row, size_t bytes) {
  for (size_t i = 0; i < bytes; i += kCacheLine) hwy::Prefetch(row + i);
  hwy::Prefetch(row + bytes - 1);
}

HWY_INLINE void PrefetchCode(const ScanLayout& layout,
                             const ScanColumns& columns, size_t slot) {
  const uint8_t* line = columns.prefix + layout.PrefixPosition(slot, 0);
  for (size_t i = 0; i < layout.prefix_bytes; ++i) {
    hwy::Prefetch(line + i * kScanBlock);
  }
  if (layout.rest_bytes != 0) {
    PrefetchRow(columns.rest + slot * layout.rest_bytes, layout.rest_bytes);
  }
  PrefetchRow(columns.low + slot * layout.low_bytes, layout.low_bytes);
}

// The sign plane of `slot`, together, to `sign` [plane_bytes].
HWY_INLINE void CopySignPlane(const ScanLayout& layout,
                              const ScanColumns& columns, size_t slot,
                              uint8_t* sign) {
  const uint8_t* byte = columns.prefix + layout.PrefixPosition(slot, 0);
  for (size_t i = 0; i < layout.prefix_bytes; ++i)
    sign[i] = byte[i * kScanBlock];
  std::memcpy(sign + layout.prefix_bytes,
              columns.rest + slot * layout.rest_bytes, layout.rest_bytes);
}

// Rows of one plane: that of slot s at first + s * stride.
struct PlaneRows {
  const uint8_t* first;
  size_t stride;
  size_t bytes;  // Of a row.
};

// ----------------------------------------------------------------------------
// Planes in rows: the sum of the integers whose bits are set.

#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128

void SumBits(const PlaneIntegers& query, const PlaneRows& rows,
             absl::Span<const uint32_t> slots, int32_t* sums) {
  for (size_t i = 0; i < slots.size(); ++i) {
    const uint8_t* row = rows.first + slots[i] * rows.stride;
    sums[i] = 0;
    for (size_t j = 0; j < 8 * rows.bytes; ++j) {
      sums[i] += (row[j / 8] >> j % 8 & 1) * query.in_order[j];
    }
  }
}

#else

#if HWY_TARGET == HWY_AVX3_DL

// Bits as masks: 64 coordinates need no shift.
HWY_INLINE __m512i AddMasked(__m512i sum, __m512i integers,
                             const uint8_t* word) {
  uint64_t bits;
  std::memcpy(&bits, word, sizeof(bits));
  return _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(1),
                             _mm512_maskz_mov_epi8(bits, integers));
}

// The sum of the integers whose bits are set in a row of `kBytes` bytes: the
// query is in registers. For 0, of any number of bytes.
template <size_t kBytes>
class RowSum {
 public:
  HWY_INLINE explicit RowSum(const PlaneIntegers& query, size_t /*bytes*/) {
    Load<0>(query.in_order);
  }
  HWY_INLINE VecI32 Of(const uint8_t* row) const {
    return VecI32{Add<0>(row, _mm512_setzero_si512())};
  }

 private:
  static constexpr size_t kWords = kBytes / 8;

  template <size_t kWord>
  HWY_INLINE void Load(const int8_t* from) {
    if constexpr (kWord < kWords) {
      integers_[kWord] = _mm512_loadu_si512(from + 64 * kWord);
      Load<kWord + 1>(from);
    }
  }
  template <size_t kWord>
  HWY_INLINE __m512i Add(const uint8_t* row, __m512i sum) const {
    if constexpr (kWord < kWords) {
      sum = AddMasked(sum, integers_[kWord], row + 8 * kWord);
      return Add<kWord + 1>(row, sum);
    }
    return sum;
  }

  __m512i integers_[kWords];
};

template <>
class RowSum<0> {
 public:
  HWY_INLINE RowSum(const PlaneIntegers& query, size_t bytes)
      : integers_(query.in_order), bytes_(bytes) {}
  HWY_INLINE VecI32 Of(const uint8_t* row) const {
    __m512i sum = _mm512_setzero_si512();
    for (size_t i = 0; i < bytes_; i += 8) {
      sum = AddMasked(sum, _mm512_loadu_si512(integers_ + 8 * i), row + i);
    }
    return VecI32{sum};
  }

 private:
  const int8_t* integers_;
  size_t bytes_;
};

#else

template <size_t kBytes>
class RowSum {
 public:
  HWY_INLINE RowSum(const PlaneIntegers& query, size_t bytes)
      : query_(query), bytes_(kBytes == 0 ? bytes : kBytes) {}
  HWY_INLINE VecI32 Of(const uint8_t* row) const {
    const Tag<uint8_t> d;
    VecI32 sum = hn::Zero(Tag<int32_t>());
    for (size_t i = 0; i < bytes_; i += hn::Lanes(d)) {
      sum = BitKernel().Add(hn::LoadU(d, row + i), query_.by_bit + i,
                            query_.stride, sum);
    }
    return sum;
  }

 private:
  const PlaneIntegers& query_;
  size_t bytes_;
};

#endif

// (Not a lambda, which clang compiles without the attributes of this file.)
template <size_t kBytes>
HWY_INLINE hn::Vec<hn::FixedTag<int32_t, 4>> SumOfFour(
    const RowSum<kBytes>& sum, const uint8_t* a, const uint8_t* b,
    const uint8_t* c, const uint8_t* d) {
  return SumLanes4(sum.Of(a), sum.Of(b), sum.Of(c), sum.Of(d));
}

// `kBytes` are the bytes of a row, or 0 for rows.bytes.
template <size_t kBytes>
HWY_NOINLINE void SumBitsLoop(const PlaneIntegers& query, const PlaneRows& rows,
                              absl::Span<const uint32_t> slots,
                              int32_t* HWY_RESTRICT sums) {
  const hn::FixedTag<int32_t, 4> d4;
  const size_t bytes = kBytes == 0 ? rows.bytes : kBytes;
  const size_t n = slots.size();
  const RowSum<kBytes> sum(query, bytes);
  const uint32_t* HWY_RESTRICT numbers = slots.data();
  const auto row = [&](size_t i) {
    return rows.first + numbers[i] * rows.stride;
  };
  for (size_t i = 0; i < std::min(n, kAhead); ++i) PrefetchRow(row(i), bytes);
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    for (size_t j = i + kAhead; j < std::min(i + kAhead + 4, n); ++j) {
      PrefetchRow(row(j), bytes);
    }
    hn::StoreU(SumOfFour(sum, row(i), row(i + 1), row(i + 2), row(i + 3)), d4,
               sums + i);
  }
  if (i < n) {
    HWY_ALIGN int32_t last[4];
    hn::Store(SumOfFour(sum, row(i), row(std::min(i + 1, n - 1)),
                        row(std::min(i + 2, n - 1)), row(n - 1)),
              d4, last);
    std::memcpy(sums + i, last, (n - i) * sizeof(int32_t));
  }
}

void SumBits(const PlaneIntegers& query, const PlaneRows& rows,
             absl::Span<const uint32_t> slots, int32_t* sums) {
  switch (rows.bytes) {
    case 32:  // The rest of 384 dimensions,
      return SumBitsLoop<32>(query, rows, slots, sums);
    case 48:  // and a plane of it.
      return SumBitsLoop<48>(query, rows, slots, sums);
    default:
      return SumBitsLoop<0>(query, rows, slots, sums);
  }
}

#endif

void SignSumsOf(const ScanLayout& layout, const ScanQuery& query,
                const ScanColumns& columns, absl::Span<const uint32_t> slots,
                const int16_t* prefix_sums, int32_t* sums) {
  if (layout.rest_bytes == 0) {
    std::copy(prefix_sums, prefix_sums + slots.size(), sums);
    return;
  }
  SumBits(query.rest, {columns.rest, layout.rest_bytes, layout.rest_bytes},
          slots, sums);
  const size_t n = slots.size();
  size_t i = 0;
#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
  const Tag<int32_t> d;
  const hn::Rebind<int16_t, Tag<int32_t>> d16;
  const auto total = hn::Set(d, query.rest.total);
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    const auto prefix = hn::PromoteTo(d, hn::LoadU(d16, prefix_sums + i));
    const auto rest = hn::ShiftLeft<1>(hn::LoadU(d, sums + i));
    hn::StoreU(hn::Sub(hn::Add(prefix, rest), total), d, sums + i);
  }
#endif
  for (; i < n; ++i) {
    sums[i] = prefix_sums[i] + 2 * sums[i] - query.rest.total;
  }
}

void ToFloats(const int32_t* HWY_RESTRICT from, size_t n,
              float* HWY_RESTRICT to) {
  size_t i = 0;
#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
  const Tag<float> d;
  const Tag<int32_t> d32;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    hn::StoreU(hn::ConvertTo(d, hn::LoadU(d32, from + i)), d, to + i);
  }
#endif
  for (; i < n; ++i) to[i] = static_cast<float>(from[i]);
}

void SketchSumsOf(const ScanLayout& layout, const ScanQuery& query,
                  const ScanColumns& columns, absl::Span<const uint32_t> slots,
                  float* sums) {
  const size_t plane = (layout.low_planes - 1) * layout.plane_bytes;
  int32_t part[kSlotsPerPart];
  for (size_t start = 0; start < slots.size(); start += kSlotsPerPart) {
    const auto some = slots.subspan(start, kSlotsPerPart);
    SumBits(query.sketch,
            {columns.low + plane, layout.low_bytes, layout.plane_bytes}, some,
            part);
    for (size_t i = 0; i < some.size(); ++i) {
      sums[start + i] = static_cast<float>(2 * part[i] - query.sketch.total);
    }
  }
}

// ----------------------------------------------------------------------------
// Full codes.

// Levels that are weighted sums of the bits of the code.
void FullSumsLinear(const CodeScan::Tables& tables, const ScanQuery& query,
                    const ScanColumns& columns,
                    absl::Span<const uint32_t> slots, const int32_t* sign_sums,
                    float* HWY_RESTRICT sums) {
  const ScanLayout& layout = tables.layout;
  const auto planes = static_cast<size_t>(layout.level_bits);
  const int64_t total = query.levels.total;
  for (size_t start = 0; start < slots.size(); start += kSlotsPerPart) {
    const auto some = slots.subspan(start, kSlotsPerPart);
    const size_t n = some.size();
    int64_t all[kSlotsPerPart];
    int32_t part[kSlotsPerPart];
    for (size_t i = 0; i < n; ++i) {
      const int64_t set = (sign_sums[start + i] + total) / 2;
      all[i] = tables.first * total + tables.weights[0] * set;
    }
    for (size_t p = 1; p < planes; ++p) {
      SumBits(query.levels,
              {columns.low + (p - 1) * layout.plane_bytes, layout.low_bytes,
               layout.plane_bytes},
              some, part);
      for (size_t i = 0; i < n; ++i) {
        all[i] += int64_t{tables.weights[p]} * part[i];
      }
    }
    for (size_t i = 0; i < n; ++i) {
      sums[start + i] = static_cast<float>(all[i]);
    }
  }
}

// The planes of one code.
struct CodePlanes {
  const uint8_t* sign;
  const uint8_t* low;
  size_t bytes;  // Of a plane.

  // The plane of bit `bit` of `bits`.
  const uint8_t* plane(int bits, int bit) const {
    return bit == bits - 1 ? sign
                           : low + static_cast<size_t>(bits - 2 - bit) * bytes;
  }
};

#if HWY_TARGET != HWY_AVX3_DL

// Any width: puts codes together, looks levels up.
HWY_NOINLINE int64_t SumCodePlain(const CodeTables& tables,
                                  const ScanQuery& query,
                                  const CodePlanes& code) {
  int64_t sum = 0;
  for (size_t i = 0; i < code.bytes; ++i) {
    uint64_t group = 0;
    for (int bit = 0; bit < tables.bits; ++bit) {
      group |= SpreadBits(code.plane(tables.bits, bit)[i]) << bit;
    }
    int32_t part = 0;
    for (size_t t = 0; t < 8; ++t, group >>= 8) {
      part += int32_t{tables.levels[group & 0xFF]} *
              query.levels.in_order[8 * i + t];
    }
    sum += part;
  }
  return sum;
}

#endif

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128

// Puts up to four bits of each coordinate together: from planes p3 (the most
// significant) to p0, zero if there is none. The low half of byte i of
// nibbles[t] is of coordinate 8 * i + t, the high half of 8 * i + t + 4.
HWY_INLINE void JoinPlanes(VecU8 p3, VecU8 p2, VecU8 p1, VecU8 p0,
                           VecU8 nibbles[4]) {
  const Tag<uint8_t> d;
  const Tag<uint16_t> d16;
  const VecU8 even = hn::Set(d, 0x55);
  const VecU8 odd = hn::Set(d, 0xAA);
  const VecU8 lower = hn::Set(d, 0x33);
  const VecU8 upper = hn::Set(d, 0xCC);
  const auto up = [&](VecU8 x, auto shift) HWY_ATTR {
    return hn::BitCast(
        d, hn::ShiftLeft<decltype(shift)::value>(hn::BitCast(d16, x)));
  };
  using One = std::integral_constant<int, 1>;
  using Two = std::integral_constant<int, 2>;
  // Pairs of bits: those of even coordinates and those of odd ones.
  const VecU8 e0 = hn::Or(hn::And(p0, even), up(hn::And(p1, even), One()));
  const VecU8 o0 = hn::Or(hn::And(ShiftBytes<1>(p0), even), hn::And(p1, odd));
  const VecU8 e1 = hn::Or(hn::And(p2, even), up(hn::And(p3, even), One()));
  const VecU8 o1 = hn::Or(hn::And(ShiftBytes<1>(p2), even), hn::And(p3, odd));
  nibbles[0] = hn::Or(hn::And(e0, lower), up(hn::And(e1, lower), Two()));
  nibbles[1] = hn::Or(hn::And(o0, lower), up(hn::And(o1, lower), Two()));
  nibbles[2] = hn::Or(hn::And(ShiftBytes<2>(e0), lower), hn::And(e1, upper));
  nibbles[3] = hn::Or(hn::And(ShiftBytes<2>(o0), lower), hn::And(o1, upper));
}

HWY_INLINE VecI32 AddProductsOf(VecU8 u, const int8_t* q, VecI32 sum) {
  const VecI8 integers = hn::LoadU(Tag<int8_t>(), q);
#if HWY_TARGET == HWY_AVX3_DL
  return AddProducts(u, integers, sum);
#else
  return AddPairs(PairProducts(u, integers), sum);
#endif
}

// 3 and 4 bits: levels are bytes below 128 in a table of 16.
template <int kBits>
HWY_NOINLINE int64_t SumCodeNibbles(const CodeTables& tables,
                                    const ScanQuery& query,
                                    const CodePlanes& code) {
  const Tag<uint8_t> d;
  const Tag<int32_t> d32;
  const VecU8 table = hn::LoadDup128(d, tables.level_low);
  const VecU8 mask = hn::Set(d, 0x0F);
  VecI32 sum0 = hn::Zero(d32);
  VecI32 sum1 = hn::Zero(d32);
  const size_t stride = query.levels.stride;
  for (size_t i = 0; i < code.bytes; i += hn::Lanes(d)) {
    const auto plane = [&](int bit) HWY_ATTR {
      return bit < kBits ? hn::LoadU(d, code.plane(kBits, bit) + i)
                         : hn::Zero(d);
    };
    VecU8 nibbles[4];
    JoinPlanes(plane(3), plane(2), plane(1), plane(0), nibbles);
    const int8_t* q = query.levels.by_bit + i;
    for (size_t t = 0; t < 4; ++t, q += stride) {
      const VecU8 u0 = hn::TableLookupBytes(table, hn::And(nibbles[t], mask));
      const VecU8 u1 =
          hn::TableLookupBytes(table, hn::And(ShiftBytes<4>(nibbles[t]), mask));
      sum0 = AddProductsOf(u0, q, sum0);
      sum1 = AddProductsOf(u1, q + 4 * stride, sum1);
    }
  }
  const int32_t sum = hn::GetLane(hn::SumOfLanes(d32, hn::Add(sum0, sum1)));
  return sum - int64_t{query.levels.total} * tables.offset;
}

#endif

#if HWY_TARGET == HWY_AVX3_DL

// Sums of integers times levels of up to two bytes. (Not a lambda, which clang
// compiles without the attributes of this file.)
template <int kBits>
class ByteLevelSums {
 public:
  explicit ByteLevelSums(const CodeTables& tables)
      : low_(tables.level_low),
        high_(tables.level_high),
        low_sum_(_mm512_setzero_si512()),
        high_sum_(_mm512_setzero_si512()) {}

  HWY_INLINE void Add(VecU8 codes, const int8_t* values) {
    const __m512i integers = _mm512_loadu_si512(values);
    low_sum_ = _mm512_dpbusd_epi32(low_sum_, low_.Lookup(codes.raw), integers);
    if constexpr (kBits >= 6) {
      high_sum_ =
          _mm512_dpbusd_epi32(high_sum_, high_.Lookup(codes.raw), integers);
    }
  }

  // Each is at most 65535 * 255 * 127 < 2^31.
  HWY_INLINE int64_t Total() const {
    return int64_t{_mm512_reduce_add_epi32(low_sum_)} +
           256 * int64_t{_mm512_reduce_add_epi32(high_sum_)};
  }

 private:
  ByteTable<kBits> low_;
  ByteTable<kBits> high_;
  __m512i low_sum_;
  __m512i high_sum_;
};

// 5 to 8 bits.
template <int kBits>
HWY_NOINLINE int64_t SumCodeBytes(const CodeTables& tables,
                                  const ScanQuery& query,
                                  const CodePlanes& code) {
  const Tag<uint8_t> d;
  ByteLevelSums<kBits> sums(tables);
  const VecU8 low_half = hn::Set(d, 0x0F);
  const VecU8 high_half = hn::Set(d, 0xF0);
  const size_t stride = query.levels.stride;
  for (size_t i = 0; i < code.bytes; i += 64) {
    const auto plane = [&](int bit) HWY_ATTR {
      return bit < kBits ? hn::LoadU(d, code.plane(kBits, bit) + i)
                         : hn::Zero(d);
    };
    VecU8 lower[4];
    VecU8 upper[4];
    JoinPlanes(plane(3), plane(2), plane(1), plane(0), lower);
    JoinPlanes(plane(7), plane(6), plane(5), plane(4), upper);
    const int8_t* q = query.levels.by_bit + i;
    for (size_t t = 0; t < 4; ++t, q += stride) {
      sums.Add(hn::Or(hn::And(lower[t], low_half),
                      hn::BitCast(d, hn::ShiftLeft<4>(hn::BitCast(
                                         Tag<uint16_t>(),
                                         hn::And(upper[t], low_half))))),
               q);
      sums.Add(hn::Or(hn::And(ShiftBytes<4>(lower[t]), low_half),
                      hn::And(upper[t], high_half)),
               q + 4 * stride);
    }
  }
  return sums.Total() - int64_t{query.levels.total} * tables.offset;
}

#endif

#if HWY_TARGET == HWY_AVX3_DL

// 3 and 4 bits, of rows whose planes and prefix are whole words of 64 bits:
// these are masks, which make the index of a level out of nothing. Nothing is
// copied.
template <int kBits>
class MaskedCodeSum {
 public:
  MaskedCodeSum(const CodeTables& tables, const ScanLayout& layout,
                const ScanColumns& columns, const int8_t* integers)
      : layout_(layout),
        columns_(columns),
        integers_(integers),
        table_(_mm512_broadcast_i32x4(_mm_load_si128(
            reinterpret_cast<const __m128i*>(tables.level_low)))) {}

  HWY_INLINE VecI32 Of(size_t slot) const {
    const uint8_t* const rest = columns_.rest + slot * layout_.rest_bytes;
    const uint8_t* const low = columns_.low + slot * layout_.low_bytes;
    const uint8_t* const prefix =
        columns_.prefix + layout_.PrefixPosition(slot, 0);
    __m512i sum = _mm512_setzero_si512();
    size_t i = 0;
    for (; i < layout_.prefix_bytes; i += 8) {
      sum = Add(PrefixWord(prefix + i * kScanBlock), low + i, 8 * i, sum);
    }
    for (; i < layout_.plane_bytes; i += 8) {
      sum = Add(Word(rest + i - layout_.prefix_bytes), low + i, 8 * i, sum);
    }
    return VecI32{sum};
  }

  HWY_INLINE void Prefetch(size_t slot) const {
    const uint8_t* prefix = columns_.prefix + layout_.PrefixPosition(slot, 0);
    for (size_t i = 0; i < layout_.prefix_bytes; i += 8) {
      hwy::Prefetch(prefix);
      hwy::Prefetch(prefix + kScanBlock);
      hwy::Prefetch(prefix + 2 * kScanBlock);
      hwy::Prefetch(prefix + 3 * kScanBlock);
      hwy::Prefetch(prefix + 4 * kScanBlock);
      hwy::Prefetch(prefix + 5 * kScanBlock);
      hwy::Prefetch(prefix + 6 * kScanBlock);
      hwy::Prefetch(prefix + 7 * kScanBlock);
      prefix += 8 * kScanBlock;
    }
    if (layout_.rest_bytes != 0) {
      PrefetchRow(columns_.rest + slot * layout_.rest_bytes,
                  layout_.rest_bytes);
    }
    PrefetchRow(columns_.low + slot * layout_.low_bytes, layout_.low_bytes);
  }

 private:
  static HWY_INLINE uint64_t Word(const uint8_t* from) {
    uint64_t word;
    std::memcpy(&word, from, sizeof(word));
    return word;
  }
  // Eight bytes of one slot.
  static HWY_INLINE uint64_t PrefixWord(const uint8_t* from) {
    const auto byte = [from](size_t i) HWY_ATTR {
      return uint64_t{from[i * kScanBlock]} << (8 * i);
    };
    return ((byte(0) | byte(1)) | (byte(2) | byte(3))) |
           ((byte(4) | byte(5)) | (byte(6) | byte(7)));
  }
  // Of 64 coordinates from `first` on: `sign` has their sign bits, the other
  // planes are a plane apart.
  HWY_INLINE __m512i Add(uint64_t sign, const uint8_t* low, size_t first,
                         __m512i sum) const {
    const auto add = [](__m512i code, uint64_t plane, int bit) HWY_ATTR {
      return _mm512_mask_add_epi8(
          code, plane, code, _mm512_set1_epi8(static_cast<char>(1 << bit)));
    };
    __m512i code = _mm512_maskz_set1_epi8(sign, 1 << (kBits - 1));
    for (int bit = kBits - 2; bit >= 0; --bit) {
      code = add(code, Word(low), bit);
      low += layout_.plane_bytes;
    }
    return _mm512_dpbusd_epi32(sum, _mm512_shuffle_epi8(table_, code),
                               _mm512_loadu_si512(integers_ + first));
  }

  const ScanLayout& layout_;
  const ScanColumns& columns_;
  const int8_t* const integers_;
  const __m512i table_;
};

template <int kBits>
HWY_NOINLINE void FullSumsMasked(const CodeScan::Tables& tables,
                                 const ScanQuery& query,
                                 const ScanColumns& columns,
                                 absl::Span<const uint32_t> slots,
                                 float* HWY_RESTRICT sums) {
  const ScanLayout& layout = tables.layout;
  const MaskedCodeSum<kBits> sum(tables.codes, layout, columns,
                                 query.levels.in_order);
  const int64_t offset = int64_t{query.levels.total} * tables.codes.offset;
  const size_t n = slots.size();
  for (size_t i = 0; i < std::min(n, kRowsPerCopy); ++i) {
    sum.Prefetch(slots[i]);
  }
  for (size_t i = 0; i < n; i += 4) {
    const size_t last = n - 1;
    for (size_t j = i + kRowsPerCopy; j < std::min(i + kRowsPerCopy + 4, n);
         ++j) {
      sum.Prefetch(slots[j]);
    }
    HWY_ALIGN int32_t four[4];
    hn::Store(SumLanes4(sum.Of(slots[i]), sum.Of(slots[std::min(i + 1, last)]),
                        sum.Of(slots[std::min(i + 2, last)]),
                        sum.Of(slots[std::min(i + 3, last)])),
              hn::FixedTag<int32_t, 4>(), four);
    for (size_t j = 0; j < std::min<size_t>(4, n - i); ++j) {
      sums[i + j] = static_cast<float>(four[j] - offset);
    }
  }
}

#endif

HWY_INLINE int64_t SumCode(const CodeTables& tables, const ScanQuery& query,
                           const CodePlanes& code) {
  switch (tables.bits) {
#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
    case 3:
      return SumCodeNibbles<3>(tables, query, code);
    case 4:
      return SumCodeNibbles<4>(tables, query, code);
#endif
#if HWY_TARGET == HWY_AVX3_DL
    case 5:
      return SumCodeBytes<5>(tables, query, code);
    case 6:
      return SumCodeBytes<6>(tables, query, code);
    case 7:
      return SumCodeBytes<7>(tables, query, code);
    default:
      return SumCodeBytes<8>(tables, query, code);
#else
    default:
      return SumCodePlain(tables, query, code);
#endif
  }
}

void FullSumsOf(const CodeScan::Tables& tables, const ScanQuery& query,
                const ScanColumns& columns, absl::Span<const uint32_t> slots,
                const int32_t* sign_sums, float* sums) {
  if (tables.linear) {
    return FullSumsLinear(tables, query, columns, slots, sign_sums, sums);
  }
  const ScanLayout& layout = tables.layout;
#if HWY_TARGET == HWY_AVX3_DL
  if (layout.prefix_bytes % 8 == 0 && layout.plane_bytes % 8 == 0) {
    if (tables.codes.bits == 3) {
      return FullSumsMasked<3>(tables, query, columns, slots, sums);
    }
    if (tables.codes.bits == 4) {
      return FullSumsMasked<4>(tables, query, columns, slots, sums);
    }
  }
#endif
  // The sign planes of a few codes are copied before the first is summed: what
  // was written as bytes is not at once readable as a vector.
  alignas(64) uint8_t sign[kMaxPlaneBytes + kScanPadding];
  const size_t sign_bytes =
      hwy::RoundUpTo(layout.plane_bytes, size_t{64}) + kScanPadding;
  const size_t rows =
      std::clamp<size_t>(sizeof(sign) / sign_bytes, 1, kRowsPerCopy);
  // Bytes after a plane meet zeros of the query.
  std::memset(sign, 0, std::min(sizeof(sign), rows * sign_bytes));
  for (size_t start = 0; start < slots.size(); start += rows) {
    const auto some = slots.subspan(start, rows);
    for (const uint32_t slot : slots.subspan(start + some.size(), rows)) {
      PrefetchCode(layout, columns, slot);
    }
    for (size_t i = 0; i < some.size(); ++i) {
      CopySignPlane(layout, columns, some[i], sign + i * sign_bytes);
    }
    for (size_t i = 0; i < some.size(); ++i) {
      sums[start + i] = static_cast<float>(SumCode(
          tables.codes, query,
          {sign + i * sign_bytes, columns.low + some[i] * layout.low_bytes,
           layout.plane_bytes}));
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace corkscrew
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
