// Products of signed integers, compiled once per SIMD target. Include after
// highway.h.

#if defined(CORKSCREW_QUANT_EVEN_PRODUCTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CORKSCREW_QUANT_EVEN_PRODUCTS_INL_H_
#undef CORKSCREW_QUANT_EVEN_PRODUCTS_INL_H_
#else
#define CORKSCREW_QUANT_EVEN_PRODUCTS_INL_H_
#endif

#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace corkscrew {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// The 64-bit products of lanes 0, 2, ... of two vectors of int32_t.
#if HWY_TARGET == HWY_WASM
// MulEven() of Highway 1.0.3 takes negative lanes for unsigned ones there.
HWY_INLINE hn::Vec128<int64_t> EvenProducts(hn::Vec128<int32_t> a,
                                            hn::Vec128<int32_t> b) {
  const auto wide_a = wasm_i64x2_shr(wasm_i64x2_shl(a.raw, 32), 32);
  const auto wide_b = wasm_i64x2_shr(wasm_i64x2_shl(b.raw, 32), 32);
  return hn::Vec128<int64_t>{wasm_i64x2_mul(wide_a, wide_b)};
}
#else
template <class V>
HWY_INLINE auto EvenProducts(V a, V b) {
  return hn::MulEven(a, b);
}
#endif

}  // namespace HWY_NAMESPACE
}  // namespace corkscrew
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
