#include "quant/rotation.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "quant/splitmix.h"

// Compiles the -inl.h file below once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "quant/rotation.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// After highway.h:
#include "quant/hadamard-inl.h"

HWY_BEFORE_NAMESPACE();
namespace corkscrew {
namespace HWY_NAMESPACE {

// Negates and transforms the blocks of `x` in place.
void HadamardBlocks(absl::Span<const uint32_t> blocks,
                    const int32_t* HWY_RESTRICT negate,
                    int32_t* HWY_RESTRICT x) {
  for (const uint32_t size : blocks) {
    HadamardBlock(x, negate, size);
    x += size;
    negate += size;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace corkscrew
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace corkscrew {
namespace {

// Largest block whose transform cannot overflow int32 (docs/quantizer.md, 2.7).
constexpr size_t kMaxBlock = 4096;

// Not a vector gather, which is slow on some CPUs. Two elements are stored at a
// time: stores are what the loop waits for.
void Gather(absl::Span<const uint16_t> permutation, const int32_t* from,
            int32_t* to) {
  const uint16_t* index = permutation.data();
  const auto pair = [&](size_t i) {
    const uint64_t first = static_cast<uint32_t>(from[index[i]]);
    const uint64_t second = static_cast<uint32_t>(from[index[i + 1]]);
    const uint64_t both = first | second << 32;
    std::memcpy(to + i, &both, sizeof(both));
  };
  size_t i = 0;
  for (; i + 8 <= permutation.size(); i += 8) {
    pair(i);
    pair(i + 2);
    pair(i + 4);
    pair(i + 6);
  }
  for (; i < permutation.size(); ++i) to[i] = from[index[i]];
}

}  // namespace

HWY_EXPORT(HadamardBlocks);

Rotation::Rotation(size_t dim, uint64_t seed, RotationKind kind)
    : dim_(dim), no_signs_(dim) {
  assert(dim >= 1 && dim <= 65535);
  for (size_t left = dim; left > 0; left -= blocks_.back()) {
    blocks_.push_back(
        static_cast<uint32_t>(std::bit_floor(std::min(left, kMaxBlock))));
  }
  const bool main = kind == RotationKind::kMain;
  rounds_.resize(dim >= 128 && dim % 8 == 0 ? 3 : 4);
  for (size_t r = 0; r < rounds_.size(); ++r) {
    RotationRound& round = rounds_[r];
    round.permutation.resize(dim);
    std::iota(round.permutation.begin(), round.permutation.end(), uint16_t{0});
    SplitMix64 order(DeriveSeed(
        seed, main ? SeedTag::kPermutation : SeedTag::kSketchPermutation, dim,
        r));
    for (size_t i = dim - 1; i >= 1; --i) {
      std::swap(round.permutation[i],
                round.permutation[order.Bounded(static_cast<uint32_t>(i + 1))]);
    }
    round.negate.resize(dim);
    SplitMix64 signs(DeriveSeed(
        seed, main ? SeedTag::kSigns : SeedTag::kSketchSigns, dim, r));
    uint64_t bits = 0;
    for (size_t i = 0; i < dim; ++i, bits >>= 1) {
      if (i % 64 == 0) bits = signs.Next();
      round.negate[i] = (bits & 1) != 0 ? -1 : 0;
    }
  }
}

void Rotation::ForwardRound(size_t round, absl::Span<const int32_t> v,
                            absl::Span<int32_t> out) const {
  assert(v.size() == dim_ && out.size() == dim_);
  Gather(rounds_[round].permutation, v.data(), out.data());
  HWY_DYNAMIC_DISPATCH(HadamardBlocks)
  (blocks_, rounds_[round].negate.data(), out.data());
}

void Rotation::Forward(absl::Span<int32_t> v,
                       absl::Span<int32_t> scratch) const {
  size_t r = 0;
  for (; r + 1 < rounds_.size(); r += 2) {
    ForwardRound(r, v, scratch);
    ForwardRound(r + 1, scratch, v);
  }
  if (r < rounds_.size()) {
    ForwardRound(r, v, scratch);
    std::copy(scratch.begin(), scratch.end(), v.begin());
  }
}

void Rotation::Inverse(absl::Span<int32_t> v,
                       absl::Span<int32_t> scratch) const {
  assert(v.size() == dim_ && scratch.size() == dim_);
  for (size_t r = rounds_.size(); r-- > 0;) {
    HWY_DYNAMIC_DISPATCH(HadamardBlocks)
    (blocks_, no_signs_.data(), v.data());
    const RotationRound& round = rounds_[r];
    for (size_t i = 0; i < dim_; ++i) {
      scratch[round.permutation[i]] =
          (v[i] ^ round.negate[i]) - round.negate[i];
    }
    std::copy(scratch.begin(), scratch.end(), v.begin());
  }
}

}  // namespace corkscrew
#endif  // HWY_ONCE
