// Sums of query integers times code levels, compiled once per SIMD target.
// Include after highway.h.

#if defined(CORKSCREW_QUANT_CODE_SUMS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CORKSCREW_QUANT_CODE_SUMS_INL_H_
#undef CORKSCREW_QUANT_CODE_SUMS_INL_H_
#else
#define CORKSCREW_QUANT_CODE_SUMS_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"
#include "quant/byte_products-inl.h"
#include "quant/code_sums.h"
#include "quant/packing.h"
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

// Coordinates unpacked at a time; a multiple of 8, so that blocks start on
// bytes. 4096 * 127 * 4061 < 2^31: the sum over one block fits in int32.
constexpr size_t kUnpackBlock = 4096;

// Emulated vectors are slower than plain loops.
#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128

// The codes of one width, as bytes u of one vector of code bytes and the query
// plane each belongs to.
class Kernel4 {
 public:
  static constexpr size_t kPlanes = 2;
  explicit Kernel4(const CodeTables& t)
      : table_(hn::LoadDup128(Tag<uint8_t>(), t.low)) {}

  HWY_INLINE VecI32 Add(VecU8 x, const int8_t* HWY_RESTRICT q, size_t plane,
                        VecI32 sum) const {
    const Tag<int8_t> d;
    const VecU8 mask = hn::Set(Tag<uint8_t>(), 0x0F);
    const VecU8 u0 = hn::TableLookupBytes(table_, hn::And(x, mask));
    const VecU8 u1 =
        hn::TableLookupBytes(table_, hn::And(ShiftBytes<4>(x), mask));
    const VecI8 q0 = hn::Load(d, q);
    const VecI8 q1 = hn::Load(d, q + plane);
#if HWY_TARGET != HWY_AVX3_DL
    return AddPairs(PairProducts(u1, q1), AddPairs(PairProducts(u0, q0), sum));
#else
    return AddProducts(u1, q1, AddProducts(u0, q0, sum));
#endif
  }

 private:
  VecU8 table_;
};

class Kernel2 {
 public:
  static constexpr size_t kPlanes = 4;
  explicit Kernel2(const CodeTables& t)
      : low_(hn::LoadDup128(Tag<uint8_t>(), t.low)),
        high_(hn::LoadDup128(Tag<uint8_t>(), t.high)) {}

  HWY_INLINE VecI32 Add(VecU8 x, const int8_t* HWY_RESTRICT q, size_t plane,
                        VecI32 sum) const {
    const Tag<int8_t> d;
    const VecU8 mask = hn::Set(Tag<uint8_t>(), 0x0F);
    const VecU8 n0 = hn::And(x, mask);
    const VecU8 n1 = hn::And(ShiftBytes<4>(x), mask);
    const VecU8 u0 = hn::TableLookupBytes(low_, n0);
    const VecU8 u1 = hn::TableLookupBytes(high_, n0);
    const VecU8 u2 = hn::TableLookupBytes(low_, n1);
    const VecU8 u3 = hn::TableLookupBytes(high_, n1);
    const VecI8 q0 = hn::Load(d, q);
    const VecI8 q1 = hn::Load(d, q + plane);
    const VecI8 q2 = hn::Load(d, q + 2 * plane);
    const VecI8 q3 = hn::Load(d, q + 3 * plane);
#if HWY_TARGET != HWY_AVX3_DL
    // u <= 20: the sum of four pairs is at most 4 * 2 * 20 * 127 < 2^15.
    return AddPairs(
        hn::Add(hn::Add(PairProducts(u0, q0), PairProducts(u1, q1)),
                hn::Add(PairProducts(u2, q2), PairProducts(u3, q3))),
        sum);
#else
    return AddProducts(
        u3, q3,
        AddProducts(u2, q2, AddProducts(u1, q1, AddProducts(u0, q0, sum))));
#endif
  }

 private:
  VecU8 low_;
  VecU8 high_;
};

class Kernel1 : public BitKernel {
 public:
  static constexpr size_t kPlanes = 8;
  explicit Kernel1(const CodeTables&) {}
};

// The uniform codebook: u is the code.
class Kernel8 {
 public:
  static constexpr size_t kPlanes = 1;
  explicit Kernel8(const CodeTables&) {}

  HWY_INLINE VecI32 Add(VecU8 x, const int8_t* HWY_RESTRICT q, size_t /*plane*/,
                        VecI32 sum) const {
    const VecI8 q0 = hn::Load(Tag<int8_t>(), q);
#if HWY_TARGET != HWY_AVX3_DL
    // Pairs of u up to 255 do not fit: the low seven bits and the top one
    // apart, which are at most 2 * 127 * 127 and 2 * 127.
    const Tag<uint8_t> d;
    const VecU8 low = hn::And(x, hn::Set(d, 0x7F));
    const VecU8 top = hn::And(ShiftBytes<7>(x), hn::Set(d, 1));
    return AddPairs(PairProducts(low, q0),
                    AddPairs(PairProducts(top, q0), sum, 128));
#else
    return AddProducts(x, q0, sum);
#endif
  }
};

// Four rows at a time: their sums are reduced together.
template <class Kernel>
HWY_NOINLINE void SumPlanes(const CodeTables& tables,
                            const QueryIntegers& query, const CodeRows& rows,
                            float* HWY_RESTRICT sums) {
  const Tag<uint8_t> d8;
  const Tag<int32_t> d32;
  const hn::FixedTag<int32_t, 4> d4;
  const hn::FixedTag<float, 4> f4;
  constexpr size_t kRows = 4;
  const size_t lanes = hn::Lanes(d8);
  const Kernel kernel(tables);
  const int8_t* HWY_RESTRICT q = query.planes.get();
  const size_t plane = query.plane_bytes;
  const size_t row_bytes = PackedBytes(tables.dim, tables.bits);
  const size_t whole = row_bytes / lanes * lanes;
  const auto scale = hn::Set(d4, tables.offset_scale);
  // Fits: so does the final sum, and int32 wraps in between.
  const auto offset =
      hn::Set(d4, static_cast<int32_t>(query.total * tables.offset));
  HWY_ALIGN uint8_t tail[kRows][HWY_MAX_BYTES];
  for (size_t i = 0; i < rows.count; i += kRows) {
    const uint8_t* at[kRows];
    for (size_t r = 0; r < kRows; ++r) {
      at[r] = rows.first + std::min(i + r, rows.count - 1) * rows.stride;
    }
    VecI32 a = hn::Zero(d32);
    VecI32 b = hn::Zero(d32);
    VecI32 c = hn::Zero(d32);
    VecI32 d = hn::Zero(d32);
    for (size_t j = 0; j < row_bytes; j += lanes) {
      if (j == whole) {
        // What follows a row meets zeros of the query, whatever it is.
        for (size_t r = 0; r < kRows; ++r) {
          if (lanes <= static_cast<size_t>(rows.end - at[r])) continue;
          std::memset(tail[r], 0, lanes);
          std::memcpy(tail[r], at[r], row_bytes - whole);
          at[r] = tail[r];
        }
      }
      a = kernel.Add(hn::LoadU(d8, at[0]), q + j, plane, a);
      b = kernel.Add(hn::LoadU(d8, at[1]), q + j, plane, b);
      c = kernel.Add(hn::LoadU(d8, at[2]), q + j, plane, c);
      d = kernel.Add(hn::LoadU(d8, at[3]), q + j, plane, d);
      for (const uint8_t*& p : at) p += lanes;
    }
    const auto total = hn::Sub(hn::Mul(SumLanes4(a, b, c, d), scale), offset);
    const auto result = hn::ConvertTo(f4, total);
    if (i + kRows <= rows.count) {
      hn::StoreU(result, f4, sums + i);
    } else {
      HWY_ALIGN float last[kRows];
      hn::Store(result, f4, last);
      std::memcpy(sums + i, last, (rows.count - i) * sizeof(float));
    }
  }
}

#endif

// Any width: unpacks, looks levels up, multiplies in int16. `kStep` coordinates
// at a time, whose sum fits in int32.
template <size_t kStep>
HWY_NOINLINE void SumUnpacked(const CodeTables& tables,
                              const QueryIntegers& query, const CodeRows& rows,
                              float* HWY_RESTRICT sums) {
  HWY_ALIGN uint8_t codes[kUnpackBlock];
  HWY_ALIGN int16_t levels[kUnpackBlock];
  const int16_t* table = tables.levels.data();
  for (size_t row = 0; row < rows.count; ++row) {
    const uint8_t* packed = rows.first + row * rows.stride;
    int64_t sum = 0;
    for (size_t start = 0; start < tables.dim; start += kUnpackBlock) {
      const size_t size = std::min(kUnpackBlock, tables.dim - start);
      const size_t bytes = PackedBytes(size, tables.bits);
      UnpackBits({packed, bytes}, tables.bits, {codes, size});
      packed += bytes;
      for (size_t i = 0; i < size; ++i) levels[i] = table[codes[i]];
      // The query is 0 there, but what is read must be initialized.
      const size_t padded = hwy::RoundUpTo(size, size_t{HWY_MAX_BYTES});
      std::fill(levels + size, levels + padded, int16_t{0});
      for (size_t i = 0; i < padded; i += kStep) {
        sum += DotInt16(levels + i, query.wide.get() + start + i,
                        std::min(kStep, padded - i));
      }
    }
    sums[row] = static_cast<float>(sum);
  }
}

void SumRows(const CodeTables& tables, const QueryIntegers& query,
             const CodeRows& rows, float* HWY_RESTRICT sums) {
  // Levels that do not fit in a byte: 128 * 4061 * 4061 < 2^31.
  if (query.planes == nullptr) {
    return SumUnpacked<128>(tables, query, rows, sums);
  }
#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
  if (tables.bytewise) {
    switch (tables.bits) {
      case 1:
        return SumPlanes<Kernel1>(tables, query, rows, sums);
      case 2:
        return SumPlanes<Kernel2>(tables, query, rows, sums);
      case 4:
        return SumPlanes<Kernel4>(tables, query, rows, sums);
      default:
        return SumPlanes<Kernel8>(tables, query, rows, sums);
    }
  }
#endif
#if HWY_TARGET == HWY_AVX3_DL
  SumShifted(tables, query, rows, sums);
#else
  SumUnpacked<kUnpackBlock>(tables, query, rows, sums);
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace corkscrew
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
