// Scaling to integers and finding codes, compiled once per SIMD target. Include
// after highway.h.

#if defined(CORKSCREW_QUANT_ENCODE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CORKSCREW_QUANT_ENCODE_INL_H_
#undef CORKSCREW_QUANT_ENCODE_INL_H_
#else
#define CORKSCREW_QUANT_ENCODE_INL_H_
#endif

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
#include "quant/encode.h"
#include "quant/even_products-inl.h"

HWY_BEFORE_NAMESPACE();
namespace corkscrew {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// From float or int32.
template <typename T>
HWY_INLINE void ScaleAndRoundLoop(const T* HWY_RESTRICT from, size_t n,
                                  double factor, int32_t* HWY_RESTRICT to) {
  size_t i = 0;
#if HWY_TARGET != HWY_SCALAR && HWY_HAVE_FLOAT64
#if HWY_ARCH_X86
  const hn::ScalableTag<double> d;
#else
  const hn::FixedTag<double, 2> d;
#endif
  const hn::Rebind<T, decltype(d)> df;
  const hn::Rebind<int32_t, decltype(d)> d32;
  const auto factors = hn::Set(d, factor);
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    const auto x = hn::PromoteTo(d, hn::LoadU(df, from + i));
    hn::StoreU(hn::DemoteTo(d32, hn::Round(hn::Mul(x, factors))), d32, to + i);
  }
#endif
  for (; i < n; ++i) {
    to[i] =
        static_cast<int32_t>(std::rint(static_cast<double>(from[i]) * factor));
  }
}

void ScaleAndRoundFloat(const float* HWY_RESTRICT from, size_t n, double factor,
                        int32_t* HWY_RESTRICT to) {
  ScaleAndRoundLoop(from, n, factor, to);
}

void ScaleAndRoundInt32(const int32_t* HWY_RESTRICT from, size_t n,
                        double factor, int32_t* HWY_RESTRICT to) {
  ScaleAndRoundLoop(from, n, factor, to);
}

#if HWY_TARGET == HWY_SCALAR

int64_t FindCodes(const CodeFinder::Tables& tables, const int32_t* v, size_t n,
                  uint8_t* codes) {
  int64_t dot = 0;
  for (size_t i = 0; i < n; ++i) {
    const auto above =
        std::lower_bound(tables.below.begin(), tables.below.end(), v[i]);
    codes[i] = static_cast<uint8_t>(above - tables.below.begin());
    dot += int64_t{v[i]} * tables.levels[codes[i]];
  }
  return dot;
}

#else  // HWY_TARGET != HWY_SCALAR

#if HWY_ARCH_X86
using TagI32 = hn::ScalableTag<int32_t>;
#else
using TagI32 = hn::FixedTag<int32_t, 4>;
#endif
using TagI64 = hn::RepartitionToWide<TagI32>;
using VecI32 = hn::Vec<TagI32>;
using VecI64 = hn::Vec<TagI64>;

// Finds the first bits of a code, at most four.
#if HWY_ARCH_X86 && HWY_CAP_GE512

// By a binary search in tables of one vector.
template <int kBits>
class FirstBits {
 public:
  explicit FirstBits(const CodeFinder::Tables& tables) {
    static_assert(kBits >= 1 && kBits <= 4 && hn::MaxLanes(TagI32()) == 16);
    for (int bit = 0; bit < kBits; ++bit) {
      tables_[bit] = hn::LoadU(TagI32(), tables.middle[bit]);
    }
  }

  HWY_INLINE VecI32 Find(VecI32 v) const {
    VecI32 code = hn::Zero(TagI32());
    if constexpr (kBits > 3) code = Step<3>(v, code);
    if constexpr (kBits > 2) code = Step<2>(v, code);
    if constexpr (kBits > 1) code = Step<1>(v, code);
    return Step<0>(v, code);
  }

 private:
  template <int kBit>
  HWY_INLINE VecI32 Step(VecI32 v, VecI32 code) const {
    const TagI32 d;
    const VecI32 below =
        hn::TableLookupLanes(tables_[kBit], hn::IndicesFromVec(d, code));
    return hn::IfThenElse(hn::Gt(v, below),
                          hn::Add(code, hn::Set(d, 1 << kBit)), code);
  }

  VecI32 tables_[kBits];
};

#else

template <int kBits>
class FirstBits {
 public:
  explicit FirstBits(const CodeFinder::Tables& tables)
      : below_(tables.below.data()),
        stride_((tables.below.size() + 1) >> kBits) {}

  HWY_INLINE VecI32 Find(VecI32 v) const {
    const TagI32 d;
    const VecI32 one = hn::Set(d, 1);
    VecI32 count = hn::Zero(d);
    for (size_t i = 1; i < size_t{1} << kBits; ++i) {
      const auto above = hn::Gt(v, hn::Set(d, below_[i * stride_ - 1]));
      count = hn::IfThenElse(above, hn::Add(count, one), count);
    }
    return count;
  }

 private:
  const int32_t* below_;
  size_t stride_;
};

#endif

// The code of each lane, by a binary search below the first four bits.
template <int kBits>
HWY_INLINE VecI32 FindCode(const FirstBits<std::min(kBits, 4)>& first, VecI32 v,
                           const int32_t* below) {
  if constexpr (kBits <= 4) return first.Find(v);
  const TagI32 d;
  constexpr int kRest = kBits > 4 ? kBits - 4 : 0;
  VecI32 code = hn::ShiftLeft<kRest>(first.Find(v));
  for (int32_t step = 1 << kRest >> 1; step > 0; step /= 2) {
    const VecI32 middle = hn::Add(code, hn::Set(d, step - 1));
    const auto above = hn::Gt(v, hn::GatherIndex(d, below, middle));
    code = hn::IfThenElse(above, hn::Add(code, hn::Set(d, step)), code);
  }
  return code;
}

template <int kBits>
HWY_NOINLINE int64_t FindCodesOf(const CodeFinder::Tables& tables,
                                 const int32_t* HWY_RESTRICT v, size_t n,
                                 uint8_t* HWY_RESTRICT codes) {
  const TagI32 d;
  const TagI64 d64;
  const hn::RebindToUnsigned<TagI64> du64;
  const hn::Repartition<uint8_t, TagI32> d8;
  const hn::Rebind<uint8_t, TagI32> d8n;
  const auto bytes = hn::LoadDup128(d8, tables.bytes);
  const VecI32 byte = hn::Set(d, 0xFF);
  const VecI32 offset = hn::Set(d, tables.offset);
  const FirstBits<std::min(kBits, 4)> first(tables);
  VecI64 even = hn::Zero(d64);
  VecI64 odd = hn::Zero(d64);
  for (size_t i = 0; i < n; i += hn::Lanes(d)) {
    const VecI32 x = hn::LoadU(d, v + i);
    const VecI32 code = FindCode<kBits>(first, x, tables.below.data());
    VecI32 level;
    if constexpr (kBits <= 4) {
      const VecI32 sum =
          hn::BitCast(d, hn::TableLookupBytes(bytes, hn::BitCast(d8, code)));
      level = hn::Sub(hn::And(sum, byte), offset);
    } else {
      level = hn::GatherIndex(d, tables.levels.data(), code);
    }
    hn::StoreU(hn::DemoteTo(d8n, code), d8n, codes + i);
    even = hn::Add(even, EvenProducts(x, level));
    const auto upper = [&](VecI32 a) HWY_ATTR {
      return hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(du64, a)));
    };
    odd = hn::Add(odd, EvenProducts(upper(x), upper(level)));
  }
  return hn::GetLane(hn::SumOfLanes(d64, hn::Add(even, odd)));
}

int64_t FindCodes(const CodeFinder::Tables& tables, const int32_t* v, size_t n,
                  uint8_t* codes) {
  switch (tables.bits) {
    case 1:
      return FindCodesOf<1>(tables, v, n, codes);
    case 2:
      return FindCodesOf<2>(tables, v, n, codes);
    case 3:
      return FindCodesOf<3>(tables, v, n, codes);
    case 4:
      return FindCodesOf<4>(tables, v, n, codes);
    case 5:
      return FindCodesOf<5>(tables, v, n, codes);
    case 6:
      return FindCodesOf<6>(tables, v, n, codes);
    case 7:
      return FindCodesOf<7>(tables, v, n, codes);
    default:
      return FindCodesOf<8>(tables, v, n, codes);
  }
}

#endif  // HWY_TARGET != HWY_SCALAR

}  // namespace HWY_NAMESPACE
}  // namespace corkscrew
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
