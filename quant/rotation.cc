#include "quant/rotation.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "quant/splitmix.h"

namespace corkscrew {
namespace {

// Largest block whose transform cannot overflow int32 (docs/quantizer.md, 2.7).
constexpr size_t kMaxBlock = 4096;
constexpr int64_t kRootHalf = 1518500250;  // 2^31 / sqrt(2)

// Divides x by 2^(k/2), rounded.
int32_t Renormalize(int32_t x, int k) {
  if (k == 0) return x;
  if (k % 2 == 0) return (x + (1 << (k / 2 - 1))) >> (k / 2);
  const int shift = 31 + (k - 1) / 2;
  return static_cast<int32_t>(
      (int64_t{x} * kRootHalf + (int64_t{1} << (shift - 1))) >> shift);
}

void Hadamard(int32_t* x, size_t n) {
  for (size_t h = 1; h < n; h *= 2) {
    for (size_t i = 0; i < n; i += 2 * h) {
      for (size_t j = i; j < i + h; ++j) {
        const int32_t a = x[j];
        const int32_t b = x[j + h];
        x[j] = a + b;
        x[j + h] = a - b;
      }
    }
  }
  const int k = std::countr_zero(n);
  for (size_t i = 0; i < n; ++i) x[i] = Renormalize(x[i], k);
}

}  // namespace

Rotation::Rotation(size_t dim, uint64_t seed, RotationKind kind) : dim_(dim) {
  assert(dim >= 1 && dim <= 65535);
  for (size_t left = dim; left > 0; left -= blocks_.back()) {
    blocks_.push_back(
        static_cast<uint32_t>(std::bit_floor(std::min(left, kMaxBlock))));
  }
  const bool main = kind == RotationKind::kMain;
  rounds_.resize(dim >= 128 && dim % 8 == 0 ? 3 : 4);
  for (size_t r = 0; r < rounds_.size(); ++r) {
    Round& round = rounds_[r];
    round.permutation.resize(dim);
    std::iota(round.permutation.begin(), round.permutation.end(), 0);
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
  const Round& tables = rounds_[round];
  for (size_t i = 0; i < dim_; ++i) {
    const int32_t x = v[static_cast<size_t>(tables.permutation[i])];
    out[i] = (x ^ tables.negate[i]) - tables.negate[i];
  }
  int32_t* block = out.data();
  for (const uint32_t size : blocks_) {
    Hadamard(block, size);
    block += size;
  }
}

void Rotation::Forward(absl::Span<int32_t> v,
                       absl::Span<int32_t> scratch) const {
  assert(v.size() == dim_ && scratch.size() == dim_);
  for (size_t r = 0; r < rounds_.size(); ++r) {
    ForwardRound(r, v, scratch);
    std::copy(scratch.begin(), scratch.end(), v.begin());
  }
}

void Rotation::Inverse(absl::Span<int32_t> v,
                       absl::Span<int32_t> scratch) const {
  assert(v.size() == dim_ && scratch.size() == dim_);
  for (size_t r = rounds_.size(); r-- > 0;) {
    int32_t* block = v.data();
    for (const uint32_t size : blocks_) {
      Hadamard(block, size);
      block += size;
    }
    const Round& tables = rounds_[r];
    for (size_t i = 0; i < dim_; ++i) {
      scratch[static_cast<size_t>(tables.permutation[i])] =
          (v[i] ^ tables.negate[i]) - tables.negate[i];
    }
    std::copy(scratch.begin(), scratch.end(), v.begin());
  }
}

}  // namespace corkscrew
