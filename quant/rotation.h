#ifndef CORKSCREW_QUANT_ROTATION_H_
#define CORKSCREW_QUANT_ROTATION_H_

// The randomized Hadamard transform of the TQ specification (docs/quantizer.md,
// 2.5 to 2.7): rounds of {permutation, signs, block Walsh-Hadamard transform}
// in integers. Results are equal on every CPU.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace corkscrew {

// Which of the two independent rotations of a seed.
enum class RotationKind { kMain, kSketch };

// One round of a rotation of `dim` coordinates.
struct RotationRound {
  std::vector<uint16_t> permutation;  // [dim] Coordinate i comes from this one.
  std::vector<int32_t> negate;        // [dim] -1 where the sign is -1, else 0.
};

// Immutable: thread-safe.
class Rotation {
 public:
  // `dim` 1..65535. O(dim) time and memory.
  Rotation(size_t dim, uint64_t seed, RotationKind kind);

  size_t dim() const { return dim_; }
  size_t rounds() const { return rounds_.size(); }
  // Lengths of the transformed blocks, powers of two that sum to dim().
  absl::Span<const uint32_t> blocks() const { return blocks_; }

  // Rotates `v` [dim()], fixed point of a length up to 1.28 * 2^24, in place.
  // `scratch` [dim()] is overwritten and must not overlap `v`.
  void Forward(absl::Span<int32_t> v, absl::Span<int32_t> scratch) const;
  // Undoes Forward() but for a few units of rounding. Limits as there.
  void Inverse(absl::Span<int32_t> v, absl::Span<int32_t> scratch) const;

  // Round `round` of Forward(), from `v` to `out`.
  void ForwardRound(size_t round, absl::Span<const int32_t> v,
                    absl::Span<int32_t> out) const;

 private:
  size_t dim_;
  std::vector<uint32_t> blocks_;
  std::vector<RotationRound> rounds_;
  std::vector<int32_t> no_signs_;  // [dim] 0
};

}  // namespace corkscrew

#endif  // CORKSCREW_QUANT_ROTATION_H_
