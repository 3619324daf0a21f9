// Elementary functions of transformers on vectors of float32, compiled once per
// SIMD target. Include after highway.h.

#if defined(CORKSCREW_EMBED_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CORKSCREW_EMBED_MATH_INL_H_
#undef CORKSCREW_EMBED_MATH_INL_H_
#else
#define CORKSCREW_EMBED_MATH_INL_H_
#endif

#include "embed/compute.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace corkscrew {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// a * b + c, c - a * b and a * b - c. Fused where that is fastest; kExact
// rounds the product first, as CPUs without fused operations do.
template <Arithmetic kArithmetic, class V>
HWY_INLINE V MulAdd(V a, V b, V c) {
  if constexpr (kArithmetic == Arithmetic::kExact) {
    return hn::Add(hn::Mul(a, b), c);
  } else {
    return hn::MulAdd(a, b, c);
  }
}
template <Arithmetic kArithmetic, class V>
HWY_INLINE V NegMulAdd(V a, V b, V c) {
  if constexpr (kArithmetic == Arithmetic::kExact) {
    return hn::Sub(c, hn::Mul(a, b));
  } else {
    return hn::NegMulAdd(a, b, c);
  }
}
template <Arithmetic kArithmetic, class V>
HWY_INLINE V MulSub(V a, V b, V c) {
  if constexpr (kArithmetic == Arithmetic::kExact) {
    return hn::Sub(hn::Mul(a, b), c);
  } else {
    return hn::MulSub(a, b, c);
  }
}

// e^x for x <= 0, relative error below 3e-7; below -87 it stays at e^-87.
// x = n ln 2 + r with |r| <= ln 2 / 2 (Cody and Waite 1980, ln 2 in two parts),
// e^r by its Taylor series to r^6.
template <Arithmetic kArithmetic, class D, class V = hn::Vec<D>>
HWY_INLINE V ExpOfNegative(D d, V x) {
  const hn::RebindToSigned<D> di;
  x = hn::Max(x, hn::Set(d, -87.0f));
  const auto n = hn::NearestInt(hn::Mul(x, hn::Set(d, 1.44269504f)));
  const V whole = hn::ConvertTo(d, n);
  V r = NegMulAdd<kArithmetic>(whole, hn::Set(d, 0.693359375f), x);
  r = NegMulAdd<kArithmetic>(whole, hn::Set(d, -2.12194440e-4f), r);
  V sum = hn::Set(d, 1.0f / 720);
  sum = MulAdd<kArithmetic>(sum, r, hn::Set(d, 1.0f / 120));
  sum = MulAdd<kArithmetic>(sum, r, hn::Set(d, 1.0f / 24));
  sum = MulAdd<kArithmetic>(sum, r, hn::Set(d, 1.0f / 6));
  sum = MulAdd<kArithmetic>(sum, r, hn::Set(d, 0.5f));
  sum = MulAdd<kArithmetic>(sum, r, hn::Set(d, 1.0f));
  sum = MulAdd<kArithmetic>(sum, r, hn::Set(d, 1.0f));
  // Times 2^n: n >= -126, so the exponent field stays positive.
  const auto power = hn::ShiftLeft<23>(hn::Add(n, hn::Set(di, 127)));
  return hn::Mul(sum, hn::BitCast(d, power));
}

// GELU(x) = x / 2 (1 + erf(x / sqrt 2)), absolute error below 2e-6 for |x| <= 8
// (Hendrycks and Gimpel, arXiv:1606.08415, the exact form). erf(z) / z is a
// polynomial of degree 13 in u = 2 z^2 / c^2 - 1 on |z| <= c = 3.75, fitted for
// the least largest error of erf (3.5e-7); beyond c, 1 - |erf| < 1.2e-7.
template <Arithmetic kArithmetic, class D, class V = hn::Vec<D>>
HWY_INLINE V Gelu(D d, V x) {
  const V c = hn::Set(d, 3.75f);
  const V scaled = hn::Mul(x, hn::Set(d, 0.707106781f));
  const V z = hn::Max(hn::Min(scaled, c), hn::Neg(c));
  const V u = MulSub<kArithmetic>(hn::Mul(z, z), hn::Set(d, 0.142222222f),
                                  hn::Set(d, 1.0f));
  V p = hn::Set(d, -0.00186153129f);
  p = MulAdd<kArithmetic>(p, u, hn::Set(d, 0.00476053637f));
  p = MulAdd<kArithmetic>(p, u, hn::Set(d, -0.00407741964f));
  p = MulAdd<kArithmetic>(p, u, hn::Set(d, 0.00545483921f));
  p = MulAdd<kArithmetic>(p, u, hn::Set(d, -0.0155134331f));
  p = MulAdd<kArithmetic>(p, u, hn::Set(d, 0.0272532571f));
  p = MulAdd<kArithmetic>(p, u, hn::Set(d, -0.0379739292f));
  p = MulAdd<kArithmetic>(p, u, hn::Set(d, 0.0528815538f));
  p = MulAdd<kArithmetic>(p, u, hn::Set(d, -0.071441479f));
  p = MulAdd<kArithmetic>(p, u, hn::Set(d, 0.0908525884f));
  p = MulAdd<kArithmetic>(p, u, hn::Set(d, -0.111958273f));
  p = MulAdd<kArithmetic>(p, u, hn::Set(d, 0.139262363f));
  p = MulAdd<kArithmetic>(p, u, hn::Set(d, -0.188029483f));
  p = MulAdd<kArithmetic>(p, u, hn::Set(d, 0.377056986f));
  const V half = hn::Mul(x, hn::Set(d, 0.5f));
  return MulAdd<kArithmetic>(half, hn::Mul(p, z), half);
}

// x / (1 + e^-y)
template <Arithmetic kArithmetic, class D, class V = hn::Vec<D>>
HWY_INLINE V TimesSigmoid(D d, V x, V y) {
  const V one = hn::Set(d, 1.0f);
  const V e = ExpOfNegative<kArithmetic>(d, hn::Neg(hn::Abs(y)));
  const V share = hn::IfThenElse(hn::Ge(y, hn::Zero(d)), one, e);
  return hn::Div(hn::Mul(x, share), hn::Add(one, e));
}

// GELU in the tanh form, x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), by
// (1 + tanh(z)) / 2 = 1 / (1 + e^-2z).
template <Arithmetic kArithmetic, class D, class V = hn::Vec<D>>
HWY_INLINE V GeluTanh(D d, V x) {
  const V cube = hn::Mul(hn::Mul(x, x), x);
  const V inner = MulAdd<kArithmetic>(cube, hn::Set(d, 0.044715f), x);
  return TimesSigmoid<kArithmetic>(d, x,
                                   hn::Mul(inner, hn::Set(d, 1.59576912f)));
}

}  // namespace HWY_NAMESPACE
}  // namespace corkscrew
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
