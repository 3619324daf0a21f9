// dot8 (docs/quantizer.md, 2.8), compiled once per SIMD target. Include after
// highway.h.
//
// Coordinate i is added to accumulator i mod 8 in ascending order on every
// target; only how many of the eight share a vector differs. Products of two
// floats are exact in double, so a fused multiply-add gives the same bits.

#if defined(CORKSCREW_QUANT_DOT8_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CORKSCREW_QUANT_DOT8_INL_H_
#undef CORKSCREW_QUANT_DOT8_INL_H_
#else
#define CORKSCREW_QUANT_DOT8_INL_H_
#endif

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace corkscrew {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

HWY_INLINE double ToDouble(float x) { return static_cast<double>(x); }

HWY_INLINE double ToDouble(int16_t x) { return x; }

HWY_INLINE double FromBFloat16(uint16_t bfloat16) {
  return static_cast<double>(
      std::bit_cast<float>(static_cast<uint32_t>(bfloat16) << 16));
}

// The final sum of dot8.
HWY_INLINE double JoinAccumulators(const double* HWY_RESTRICT a) {
  return ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]));
}

// Adds the products of coordinates `from` to `n` - 1.
template <typename X, typename Y>
HWY_INLINE void AddTail(const X* x, const Y* y, size_t from, size_t n,
                        double* HWY_RESTRICT a) {
  for (size_t i = from; i < n; ++i) a[i % 8] += ToDouble(x[i]) * ToDouble(y[i]);
}

// The bfloat16 value of `x`, nearest even, in the upper half; the lower half is
// of no use. A finite value that would become infinite becomes the largest.
HWY_INLINE uint32_t RoundBits(float x) {
  constexpr uint32_t kSign = 0x80000000;
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const uint32_t magnitude = bits & ~kSign;
  const uint32_t rounded = magnitude + 0x7FFF + ((magnitude >> 16) & 1);
  return (bits & kSign) | std::min(rounded, uint32_t{0x7F7F0000});
}

// Rounds coordinates `from` to `n` - 1 and adds the squares of their errors.
HWY_INLINE void RoundTail(const float* x, size_t from, size_t n, uint16_t* row,
                          double* HWY_RESTRICT a) {
  for (size_t i = from; i < n; ++i) {
    row[i] = static_cast<uint16_t>(RoundBits(x[i]) >> 16);
    const double error = ToDouble(x[i]) - FromBFloat16(row[i]);
    a[i % 8] += error * error;
  }
}

// Rounds coordinates `from` to `n` - 1 to multiples of `scale`.
HWY_INLINE void FixTail(const float* x, size_t from, size_t n, double scale,
                        double inverse, int16_t* row, double* HWY_RESTRICT a,
                        double* HWY_RESTRICT squares) {
  for (size_t i = from; i < n; ++i) {
    const double value = std::nearbyint(ToDouble(x[i]) * inverse);
    row[i] = static_cast<int16_t>(value);
    const double error = ToDouble(x[i]) - value * scale;
    a[i % 8] += error * error;
    *squares += value * value;
  }
}

#if HWY_TARGET == HWY_SCALAR

float LargestMagnitude(const float* x, size_t n) {
  float largest = 0;
  for (size_t i = 0; i < n; ++i) largest = std::max(largest, std::fabs(x[i]));
  return largest;
}

double FixRow(const float* x, size_t n, double scale, double inverse,
              int16_t* row, double* squares) {
  double a[8] = {};
  *squares = 0;
  FixTail(x, 0, n, scale, inverse, row, a, squares);
  return JoinAccumulators(a);
}

template <typename X, typename Y>
HWY_INLINE double Dot8Loop(const X* x, const Y* y, size_t n) {
  double a[8] = {};
  AddTail(x, y, 0, n, a);
  return JoinAccumulators(a);
}

template <typename X>
HWY_INLINE void Dot8Rows(const X* const* rows, size_t count, const float* query,
                         size_t n, double* sums) {
  for (size_t i = 0; i < count; ++i) sums[i] = Dot8Loop(rows[i], query, n);
}

double RoundRow(const float* x, size_t n, uint16_t* row) {
  double a[8] = {};
  RoundTail(x, 0, n, row, a);
  return JoinAccumulators(a);
}

#else  // HWY_TARGET != HWY_SCALAR

#if HWY_ARCH_X86
using TagF64 = hn::CappedTag<double, 8>;
#else
using TagF64 = hn::FixedTag<double, 2>;
#endif
using VecF64 = hn::Vec<TagF64>;

// Vectors that hold the eight accumulators.
constexpr size_t kParts = 8 / hn::MaxLanes(TagF64());

HWY_INLINE VecF64 LoadDoubles(const float* p) {
  return hn::PromoteTo(TagF64(), hn::LoadU(hn::Rebind<float, TagF64>(), p));
}

HWY_INLINE VecF64 LoadDoubles(const int16_t* p) {
  const hn::Rebind<int16_t, TagF64> d16;
  const hn::Rebind<int32_t, TagF64> d32;
  return hn::PromoteTo(TagF64(), hn::PromoteTo(d32, hn::LoadU(d16, p)));
}

template <typename X, typename Y>
HWY_INLINE double Dot8Loop(const X* HWY_RESTRICT x, const Y* HWY_RESTRICT y,
                           size_t n) {
  const TagF64 d;
  const size_t lanes = hn::Lanes(d);
  VecF64 sums[kParts];
  for (size_t p = 0; p < kParts; ++p) sums[p] = hn::Zero(d);
  const size_t whole = n / 8 * 8;
  for (size_t i = 0; i < whole; i += 8) {
    for (size_t p = 0; p < kParts; ++p) {
      sums[p] = hn::MulAdd(LoadDoubles(x + i + p * lanes),
                           LoadDoubles(y + i + p * lanes), sums[p]);
    }
  }
  HWY_ALIGN double a[8];
  for (size_t p = 0; p < kParts; ++p) hn::Store(sums[p], d, a + p * lanes);
  AddTail(x, y, whole, n, a);
  return JoinAccumulators(a);
}

// Rows that go side by side: they share the query, and their sums do not wait
// for each other.
constexpr size_t kRowsAtOnce = 4;

template <typename X>
HWY_INLINE void Dot8OfFour(const X* const* HWY_RESTRICT rows,
                           const float* HWY_RESTRICT query, size_t n,
                           double* HWY_RESTRICT results) {
  const TagF64 d;
  const size_t lanes = hn::Lanes(d);
  const X* HWY_RESTRICT x0 = rows[0];
  const X* HWY_RESTRICT x1 = rows[1];
  const X* HWY_RESTRICT x2 = rows[2];
  const X* HWY_RESTRICT x3 = rows[3];
  const size_t whole = n / 8 * 8;
  HWY_ALIGN double a[kRowsAtOnce][8];
  // One part of the accumulators after the other: these are in registers.
  for (size_t p = 0; p < 8; p += lanes) {
    VecF64 s0 = hn::Zero(d);
    VecF64 s1 = s0;
    VecF64 s2 = s0;
    VecF64 s3 = s0;
    for (size_t i = p; i < whole; i += 8) {
      const VecF64 q = LoadDoubles(query + i);
      s0 = hn::MulAdd(LoadDoubles(x0 + i), q, s0);
      s1 = hn::MulAdd(LoadDoubles(x1 + i), q, s1);
      s2 = hn::MulAdd(LoadDoubles(x2 + i), q, s2);
      s3 = hn::MulAdd(LoadDoubles(x3 + i), q, s3);
    }
    hn::Store(s0, d, a[0] + p);
    hn::Store(s1, d, a[1] + p);
    hn::Store(s2, d, a[2] + p);
    hn::Store(s3, d, a[3] + p);
  }
  for (size_t r = 0; r < kRowsAtOnce; ++r) {
    AddTail(rows[r], query, whole, n, a[r]);
    results[r] = JoinAccumulators(a[r]);
  }
}

template <typename X>
HWY_INLINE void Dot8Rows(const X* const* rows, size_t count, const float* query,
                         size_t n, double* sums) {
  size_t i = 0;
  for (; i + kRowsAtOnce <= count; i += kRowsAtOnce) {
    Dot8OfFour(rows + i, query, n, sums + i);
  }
  for (; i < count; ++i) sums[i] = Dot8Loop(rows[i], query, n);
}

// Rounds `x` [n] to bfloat16 into `row` [n] and returns the sum of the squared
// errors, in the order of dot8. Errors and their squares are exact in double.
double RoundRow(const float* HWY_RESTRICT x, size_t n,
                uint16_t* HWY_RESTRICT row) {
  const TagF64 d;
  const hn::Rebind<float, TagF64> df;
  const hn::Rebind<uint32_t, TagF64> d32;
  const hn::Rebind<int32_t, TagF64> d32i;
  const hn::Rebind<uint16_t, TagF64> d16;
  const size_t lanes = hn::Lanes(d);
  const auto sign_bit = hn::Set(d32, 0x80000000);
  const auto half = hn::Set(d32, 0x7FFF);
  const auto one = hn::Set(d32, 1);
  const auto largest = hn::Set(d32, 0x7F7F0000);
  VecF64 sums[kParts];
  for (size_t p = 0; p < kParts; ++p) sums[p] = hn::Zero(d);
  const size_t whole = n / 8 * 8;
  for (size_t i = 0; i < whole; i += 8) {
    for (size_t p = 0; p < kParts; ++p) {
      const size_t j = i + p * lanes;
      const auto values = hn::LoadU(df, x + j);
      const auto bits = hn::BitCast(d32, values);
      const auto sign = hn::And(bits, sign_bit);
      const auto magnitude = hn::Xor(bits, sign);
      const auto odd = hn::And(hn::ShiftRight<16>(magnitude), one);
      const auto rounded = hn::Or(
          sign, hn::Min(hn::Add(hn::Add(magnitude, half), odd), largest));
      const auto upper = hn::ShiftRight<16>(rounded);
      hn::StoreU(hn::DemoteTo(d16, hn::BitCast(d32i, upper)), d16, row + j);
      const auto kept = hn::BitCast(df, hn::ShiftLeft<16>(upper));
      const VecF64 error =
          hn::Sub(hn::PromoteTo(d, values), hn::PromoteTo(d, kept));
      sums[p] = hn::MulAdd(error, error, sums[p]);
    }
  }
  HWY_ALIGN double a[8];
  for (size_t p = 0; p < kParts; ++p) hn::Store(sums[p], d, a + p * lanes);
  RoundTail(x, whole, n, row, a);
  return JoinAccumulators(a);
}

float LargestMagnitude(const float* HWY_RESTRICT x, size_t n) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  auto largest = hn::Zero(d);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    largest = hn::Max(largest, hn::Abs(hn::LoadU(d, x + i)));
  }
  float result = hn::GetLane(hn::MaxOfLanes(d, largest));
  for (; i < n; ++i) result = std::max(result, std::fabs(x[i]));
  return result;
}

// Rounds `x` [n] to multiples of `scale`, a power of two, 1 / `inverse`, that
// fit in 16 bits. Returns the sum of the squared errors in the order of dot8
// and sets *sum to that of the squared factors. Errors, their squares and the
// latter sum are exact.
double FixRow(const float* HWY_RESTRICT x, size_t n, double scale,
              double inverse, int16_t* HWY_RESTRICT row, double* sum) {
  const TagF64 d;
  const hn::Rebind<float, TagF64> df;
  const hn::Rebind<int32_t, TagF64> d32;
  const hn::Rebind<int16_t, TagF64> d16;
  const size_t lanes = hn::Lanes(d);
  const VecF64 scales = hn::Set(d, scale);
  const VecF64 inverses = hn::Set(d, inverse);
  VecF64 errors[kParts];
  for (size_t p = 0; p < kParts; ++p) errors[p] = hn::Zero(d);
  VecF64 squares = hn::Zero(d);
  const size_t whole = n / 8 * 8;
  for (size_t i = 0; i < whole; i += 8) {
    for (size_t p = 0; p < kParts; ++p) {
      const size_t j = i + p * lanes;
      const VecF64 exact = hn::PromoteTo(d, hn::LoadU(df, x + j));
      const VecF64 value = hn::Round(hn::Mul(exact, inverses));
      hn::StoreU(hn::DemoteTo(d16, hn::DemoteTo(d32, value)), d16, row + j);
      const VecF64 error = hn::Sub(exact, hn::Mul(value, scales));
      errors[p] = hn::MulAdd(error, error, errors[p]);
      squares = hn::MulAdd(value, value, squares);
    }
  }
  HWY_ALIGN double a[8];
  for (size_t p = 0; p < kParts; ++p) hn::Store(errors[p], d, a + p * lanes);
  *sum = hn::GetLane(hn::SumOfLanes(d, squares));
  FixTail(x, whole, n, scale, inverse, row, a, sum);
  return JoinAccumulators(a);
}

#endif  // HWY_TARGET != HWY_SCALAR

double Dot8Float(const float* x, const float* y, size_t n) {
  return Dot8Loop(x, y, n);
}

double Dot8FixedRow(const int16_t* row, const float* query, size_t n) {
  return Dot8Loop(row, query, n);
}

// Sets sums[i] to Dot8FixedRow() of rows[i]. `rows`, `sums` [count].
void Dot8FixedRows(const int16_t* const* rows, size_t count, const float* query,
                   size_t n, double* sums) {
  Dot8Rows(rows, count, query, n, sums);
}

}  // namespace HWY_NAMESPACE
}  // namespace corkscrew
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
