#include "embed/matmul.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/types/span.h"
#include "embed/compute.h"
#include "embed/ggml_types.h"
#include "embed/gguf.h"
#include "embed/tile.h"

// Compiles the -inl.h files below once per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "embed/matmul.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// After highway.h:
#include "embed/math-inl.h"
#include "embed/tile_f32-inl.h"
#include "embed/tile_q8-inl.h"

#ifndef CORKSCREW_EMBED_MATMUL_ONCE_
#define CORKSCREW_EMBED_MATMUL_ONCE_
#if HWY_ARCH_ARM_A64 && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace corkscrew {

// Where the tiles of a product go, of which one call makes some columns.
struct MatmulOutput {
  const float* bias = nullptr;      // [stride]
  const float* residual = nullptr;  // [rows, stride], or null.
  float* y = nullptr;               // [rows, stride]
  size_t stride = 0;
  size_t begin = 0;  // Columns, whole panels.
  size_t end = 0;
  Activation activation = Activation::kNone;
};

struct MatmulKernels {
  size_t interleave;  // See tile_q8-inl.h.
  int weight_offset;
  // Products of float32, fused or as Arithmetic::kExact.
  void (*f32)(const float* x, size_t stride, size_t rows, const float* panels,
              size_t depth, bool exact, const MatmulOutput& output);
  // Rounds rows of groups; `parts` 2 rounds the rest as well, which follows.
  void (*quantize)(const float* x, size_t stride, size_t rows, size_t groups,
                   size_t parts, Q8Group* out);
  // Products of rows as `quantize` left them.
  void (*q8)(const Q8Group* a, size_t parts, size_t rows, const uint8_t* panels,
             size_t groups, const MatmulOutput& output);
  // Products of float32 with the values of bytes, as Arithmetic::kExact.
  void (*exact_q8)(const float* x, size_t stride, size_t rows,
                   const uint8_t* panels, size_t groups,
                   const MatmulOutput& output);
};

#if HWY_ARCH_ARM_A64
// Whether the CPU has sdot (Armv8.2, and every one from Armv8.4 on) and this
// compiler can make it: clang wants it among the options.
inline bool HasDotProduct() {
#if defined(__ARM_FEATURE_DOTPROD)
  return true;
#elif defined(__linux__) && HWY_COMPILER_GCC_ACTUAL
  return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#else
  return false;
#endif
}
#endif

}  // namespace corkscrew
#endif  // CORKSCREW_EMBED_MATMUL_ONCE_

HWY_BEFORE_NAMESPACE();
namespace corkscrew {
namespace HWY_NAMESPACE {

// Finishes the tile of `rows` rows from `row` on and one panel from `column`.
template <Arithmetic kArithmetic>
HWY_INLINE void StoreTile(const float* HWY_RESTRICT tile, size_t row,
                          size_t rows, size_t column,
                          const MatmulOutput& output) {
  const hn::CappedTag<float, kPanel> d;
  const size_t lanes = hn::Lanes(d);
  for (size_t r = 0; r < rows; ++r) {
    const size_t at = (row + r) * output.stride + column;
    for (size_t j = 0; j < kPanel; j += lanes) {
      auto v = hn::Add(hn::LoadU(d, tile + r * kPanel + j),
                       hn::LoadU(d, output.bias + column + j));
      if (output.activation == Activation::kGelu) {
        v = Gelu<kArithmetic>(d, v);
      } else if (output.activation == Activation::kGeluTanh) {
        v = GeluTanh<kArithmetic>(d, v);
      }
      if (output.residual != nullptr) {
        v = hn::Add(v, hn::LoadU(d, output.residual + at + j));
      }
      hn::StoreU(v, d, output.y + at + j);
    }
  }
}

// All rows by the panel at `column`.
template <Arithmetic kArithmetic>
HWY_INLINE void PanelF32(const float* x, size_t stride, size_t rows,
                         const float* panel, size_t depth, size_t column,
                         const MatmulOutput& output) {
  HWY_ALIGN float tile[kTileRows * kPanel];
  for (size_t row = 0; row < rows;) {
    const size_t n = NextTile(row, rows);
    TileRowsF32<kArithmetic>(n, x + row * stride, stride, panel, depth, tile);
    StoreTile<kArithmetic>(tile, row, n, column, output);
    row += n;
  }
}

void MatmulF32(const float* x, size_t stride, size_t rows, const float* panels,
               size_t depth, bool exact, const MatmulOutput& output) {
  for (size_t column = output.begin; column < output.end; column += kPanel) {
    const float* panel = panels + column * depth;
    if (exact) {
      PanelF32<Arithmetic::kExact>(x, stride, rows, panel, depth, column,
                                   output);
    } else {
      PanelF32<Arithmetic::kFast>(x, stride, rows, panel, depth, column,
                                  output);
    }
  }
}

void QuantizeRows(const float* x, size_t stride, size_t rows, size_t groups,
                  size_t parts, Q8Group* out) {
  for (size_t row = 0; row < rows; ++row, out += parts * groups) {
    if (parts == 1) {
      QuantizeRow(x + row * stride, groups * kQ8Group, out);
    } else {
      QuantizeRowTwice(x + row * stride, groups * kQ8Group, out);
    }
  }
}

template <ByteProducts kProducts>
void MatmulQ8(const Q8Group* a, size_t parts, size_t rows,
              const uint8_t* panels, size_t groups,
              const MatmulOutput& output) {
  const hn::CappedTag<float, kPanel> d;
  HWY_ALIGN float tile[kTileRows * kPanel];
  for (size_t column = output.begin; column < output.end; column += kPanel) {
    const uint8_t* panel =
        panels + column / kPanel * groups * kQ8PanelGroupBytes;
    for (size_t row = 0; row < rows;) {
      const size_t n = NextTile(row, rows, kTileRows / parts);
      TileRowsQ8<kProducts>(n * parts, a + row * parts * groups, groups, panel,
                            groups, tile);
      for (size_t r = 0; parts == 2 && r < n; ++r) {
        for (size_t j = 0; j < kPanel; j += hn::Lanes(d)) {
          const float* HWY_RESTRICT from = tile + 2 * r * kPanel + j;
          hn::StoreU(hn::Add(hn::LoadU(d, from), hn::LoadU(d, from + kPanel)),
                     d, tile + r * kPanel + j);
        }
      }
      StoreTile<Arithmetic::kFast>(tile, row, n, column, output);
      row += n;
    }
  }
}

void MatmulExactQ8(const float* x, size_t stride, size_t rows,
                   const uint8_t* panels, size_t groups,
                   const MatmulOutput& output) {
  std::vector<float> panel(groups * kQ8Group * kPanel);
  for (size_t column = output.begin; column < output.end; column += kPanel) {
    UnpackPanel(panels + column / kPanel * groups * kQ8PanelGroupBytes, groups,
                panel.data());
    PanelF32<Arithmetic::kExact>(x, stride, rows, panel.data(),
                                 groups * kQ8Group, column, output);
  }
}

template <ByteProducts kProducts>
const MatmulKernels* KernelsWith() {
  static constexpr MatmulKernels kKernels = {
      kInterleave,  kWeightOffset,       MatmulF32,
      QuantizeRows, MatmulQ8<kProducts>, MatmulExactQ8};
  return &kKernels;
}

const MatmulKernels* GetMatmulKernels() {
#if HWY_ARCH_ARM_A64 && HWY_TARGET == HWY_NEON
  if (HasDotProduct()) return KernelsWith<ByteProducts::kDotProduct>();
#endif
  return KernelsWith<ByteProducts::kUsual>();
}

}  // namespace HWY_NAMESPACE
}  // namespace corkscrew
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace corkscrew {

HWY_EXPORT(GetMatmulKernels);

namespace {

// Whether a block is a scale times 32 values of at most 8 bits.
bool IsScaledBytes(GgmlType type) {
  return type == GgmlType::kQ8_0 || type == GgmlType::kQ4_0;
}

// Reads one block of such a type (embed/ggml_types.cc has the layouts).
// `values` [kQ8Group] are signed bytes.
void UnpackBlock(GgmlType type, const char* block, float* scale,
                 uint8_t* values) {
  DequantizeRow(GgmlType::kF16, block, 1, scale);
  block += 2;
  if (type == GgmlType::kQ8_0) {
    std::memcpy(values, block, kQ8Group);
    return;
  }
  for (size_t i = 0; i < kQ8Group / 2; ++i) {
    const auto byte = static_cast<uint8_t>(block[i]);
    values[i] = static_cast<uint8_t>((byte & 15) - 8);
    values[i + kQ8Group / 2] = static_cast<uint8_t>((byte >> 4) - 8);
  }
}

// Puts the bytes of one output among those of the kPanel outputs of a group.
template <size_t kStep>
void Interleave(const uint8_t* values, size_t lane, uint8_t* out) {
  for (size_t i = 0; i < kQ8Group; i += kStep) {
    std::memcpy(out + i * kPanel + lane * kStep, values + i, kStep);
  }
}

void Interleave(size_t step, const uint8_t* values, size_t lane, uint8_t* out) {
  switch (step) {
    case 4:
      return Interleave<4>(values, lane, out);
    case 2:
      return Interleave<2>(values, lane, out);
    default:
      return Interleave<1>(values, lane, out);
  }
}

}  // namespace

PackedLinear PackedLinear::Pack(absl::Span<const GgufTensor* const> weights,
                                absl::Span<const float> biases) {
  PackedLinear linear;
  linear.kernels_ = HWY_DYNAMIC_DISPATCH(GetMatmulKernels)();
  linear.in_ = weights[0]->row_values();
  linear.quantized_ = true;
  for (const GgufTensor* tensor : weights) {
    assert(tensor->row_values() == linear.in_);
    linear.out_ += tensor->rows();
    linear.quantized_ = linear.quantized_ && IsScaledBytes(tensor->type);
  }
  assert(biases.size() == linear.out_);
  linear.bias_.assign(biases.begin(), biases.end());
  linear.bias_.resize(PadToPanel(linear.out_));
  if (linear.quantized_) {
    linear.PackBlocks(weights);
  } else {
    linear.PackFloats(weights);
  }
  return linear;
}

void PackedLinear::PackFloats(absl::Span<const GgufTensor* const> weights) {
  const size_t size = PadToPanel(out_) * in_;
  floats_ = hwy::AllocateAligned<float>(size);
  std::fill_n(floats_.get(), size, 0.0f);
  std::vector<float> values(in_);
  size_t row = 0;
  for (const GgufTensor* tensor : weights) {
    const size_t row_bytes = tensor->data.size() / tensor->rows();
    for (size_t i = 0; i < tensor->rows(); ++i, ++row) {
      DequantizeRow(tensor->type, tensor->data.data() + i * row_bytes, in_,
                    values.data());
      float* out = &floats_[row / kPanel * kPanel * in_ + row % kPanel];
      for (size_t j = 0; j < in_; ++j) out[j * kPanel] = values[j];
    }
  }
}

void PackedLinear::PackBlocks(absl::Span<const GgufTensor* const> weights) {
  const size_t groups = in_ / kQ8Group;
  constexpr size_t kScaleBytes = kPanel * sizeof(float);
  constexpr size_t kGroupBytes = kScaleBytes + kPanel * kQ8Group;
  const size_t size = PadToPanel(out_) / kPanel * groups * kGroupBytes;
  bytes_ = hwy::AllocateAligned<uint8_t>(size);
  std::memset(bytes_.get(), 0, size);  // Rows of padding have scale zero.
  size_t row = 0;
  for (const GgufTensor* tensor : weights) {
    const char* block = tensor->data.data();
    const size_t block_bytes = BlockOf(tensor->type).bytes;
    for (const size_t end = row + tensor->rows(); row < end; ++row) {
      const size_t lane = row % kPanel;
      uint8_t* out = bytes_.get() + row / kPanel * groups * kGroupBytes;
      for (size_t g = 0; g < groups; ++g) {
        float scale;
        uint8_t values[kQ8Group];
        UnpackBlock(tensor->type, block, &scale, values);
        for (uint8_t& value : values) {
          value = static_cast<uint8_t>(value + kernels_->weight_offset);
        }
        block += block_bytes;
        std::memcpy(out + lane * sizeof(float), &scale, sizeof(scale));
        Interleave(kernels_->interleave, values, lane, out + kScaleBytes);
        out += kGroupBytes;
      }
    }
  }
}

void PackedLinear::Apply(const float* x, size_t rows, Activation activation,
                         const float* residual, float* y,
                         const Compute& compute) const {
  MatmulOutput output;
  output.bias = bias_.data();
  output.residual = residual;
  output.y = y;
  output.stride = PadToPanel(out_);
  output.activation = activation;
  const bool exact = compute.arithmetic == Arithmetic::kExact;
  const size_t groups = in_ / kQ8Group;
  const size_t parts = compute.arithmetic == Arithmetic::kFine ? 2 : 1;
  std::vector<Q8Group> rounded;
  if (quantized_ && !exact) {
    rounded.resize(rows * parts * groups);
    kernels_->quantize(x, PadToPanel(in_), rows, groups, parts, rounded.data());
  }
  const size_t panels = output.stride / kPanel;
  const size_t shares = compute.Parts(panels);
  compute.Run(shares, [&](size_t share) {
    MatmulOutput part = output;
    part.begin = panels * share / shares * kPanel;
    part.end = panels * (share + 1) / shares * kPanel;
    if (!quantized_) {
      kernels_->f32(x, PadToPanel(in_), rows, floats_.get(), in_, exact, part);
    } else if (exact) {
      kernels_->exact_q8(x, PadToPanel(in_), rows, bytes_.get(), groups, part);
    } else {
      kernels_->q8(rounded.data(), parts, rows, bytes_.get(), groups, part);
    }
  });
}

}  // namespace corkscrew
#endif  // HWY_ONCE
