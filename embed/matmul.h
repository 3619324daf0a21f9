#ifndef CORKSCREW_EMBED_MATMUL_H_
#define CORKSCREW_EMBED_MATMUL_H_

// Linear layers: activations times weights that were repacked once, at load,
// for the instruction set of this CPU.
//
// Weights of 8 bits and less with one scale per 32 values (Q8_0, Q4_0) keep
// their blocks as stored; activations are rounded to 8 bits per 32 values
// alongside, and products are summed as integers. All other types are expanded
// to float32 and multiplied as that.
//
// Both can be had without rounding, in one order of sums: see compute.h.
//
// A row of the result depends on that row of the input only, to the last bit:
// not on the number of rows, their order, or threads.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "embed/compute.h"
#include "embed/gguf.h"
#include "embed/tile.h"
#include "hwy/aligned_allocator.h"

namespace corkscrew {

struct MatmulKernels;  // Of one SIMD target.

// What is done to input * weights + bias before it is stored.
enum class Activation {
  kNone,
  kGelu,      // Exact form, with erf.
  kGeluTanh,  // See GateKind.
};

// Weights [out, in] and bias [out] of a linear layer. Immutable after Pack().
class PackedLinear {
 public:
  PackedLinear() = default;

  // Packs the rows of `weights` (tensors [in, out_i], 1 or more of equal `in`
  // and CanDequantize types) one after the other, and the biases likewise
  // (`biases` [sum of out_i]). Copies what it needs.
  static PackedLinear Pack(absl::Span<const GgufTensor* const> weights,
                           absl::Span<const float> biases);

  size_t in() const { return in_; }
  size_t out() const { return out_; }
  bool quantized() const { return quantized_; }

  // Sets y = activation(x * weights + bias) + residual, row by row.
  // `x` [rows, PadToPanel(in)], `y` and `residual` (null: none)
  // [rows, PadToPanel(out)]; `residual` may be `y`. Padding is zero in `x`
  // and set to zero in `y`. Thread-safe.
  void Apply(const float* x, size_t rows, Activation activation,
             const float* residual, float* y,
             const Compute& compute = {}) const;

 private:
  void PackFloats(absl::Span<const GgufTensor* const> weights);
  void PackBlocks(absl::Span<const GgufTensor* const> weights);

  size_t in_ = 0;
  size_t out_ = 0;
  bool quantized_ = false;
  // Those whose layout the weights have.
  const MatmulKernels* kernels_ = nullptr;
  // One of: [panels, in, kPanel], or [panels, groups] of tile_q8-inl.h.
  hwy::AlignedFreeUniquePtr<float[]> floats_;
  hwy::AlignedFreeUniquePtr<uint8_t[]> bytes_;
  std::vector<float> bias_;  // [PadToPanel(out)]
};

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_MATMUL_H_
