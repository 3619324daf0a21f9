#include "embed/manta_model.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "corkscrew/limits.h"
#include "embed/compute.h"
#include "embed/ggml_types.h"
#include "embed/gguf.h"
#include "embed/matmul.h"
#include "embed/mll_contents.h"
#include "embed/text_groups.h"
#include "embed/tile.h"
#include "embed/transformer.h"

namespace corkscrew {
namespace {

constexpr float kEpsilon = 1e-5f;  // Of norms.

// y = x * matrix: the rows of the packed form are the columns of `matrix`.
PackedLinear Pack(absl::Span<const MantaMatrix* const> matrices) {
  std::vector<std::string> bytes;
  size_t outputs = 0;
  for (const MantaMatrix* matrix : matrices) {
    std::string& to = bytes.emplace_back(matrix->bytes.size(), '\0');
    for (size_t r = 0; r < matrix->rows; ++r) {
      for (size_t c = 0; c < matrix->columns; ++c) {
        std::memcpy(&to[(c * matrix->rows + r) * sizeof(float)],
                    &matrix->bytes[(r * matrix->columns + c) * sizeof(float)],
                    sizeof(float));
      }
    }
    outputs += matrix->columns;
  }
  std::vector<GgufTensor> tensors(matrices.size());
  std::vector<const GgufTensor*> pointers;
  for (size_t i = 0; i < matrices.size(); ++i) {
    tensors[i].name = matrices[i]->name;
    tensors[i].shape = {matrices[i]->rows, matrices[i]->columns, 1, 1};
    tensors[i].dims = 2;
    tensors[i].data = bytes[i];
    pointers.push_back(&tensors[i]);
  }
  return PackedLinear::Pack(pointers, std::vector<float>(outputs));
}

}  // namespace

absl::StatusOr<MantaMatrix> ExpandTensor(const MllTensor& tensor, float scale) {
  const auto error = [&](absl::string_view what) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor \"", tensor.name, "\" ", what));
  };
  if (tensor.shape.size() != 2 || tensor.elements == 0) {
    return error(absl::StrCat("has ", tensor.shape.size(), " dimensions and ",
                              tensor.elements, " values, want a matrix"));
  }
  MantaMatrix matrix{.name = std::string(tensor.name),
                     .rows = tensor.shape[0],
                     .columns = tensor.shape[1],
                     .bytes = ""};
  std::vector<float> values(tensor.elements);
  const auto byte = [&](size_t i) {
    return static_cast<uint8_t>(tensor.data[i]);
  };
  switch (tensor.type) {
    case MllType::kF32:
      DequantizeRow(GgmlType::kF32, tensor.data.data(), values.size(),
                    values.data());
      break;
    case MllType::kF16:
      DequantizeRow(GgmlType::kF16, tensor.data.data(), values.size(),
                    values.data());
      break;
    case MllType::kQ8:
      for (size_t i = 0; i < values.size(); ++i) {
        values[i] = static_cast<float>(static_cast<int8_t>(byte(i))) * scale;
      }
      break;
    case MllType::kQ4:
      for (size_t i = 0; i < values.size(); ++i) {
        const int code = i % 2 == 0 ? byte(i / 2) & 15 : byte(i / 2) >> 4;
        values[i] = static_cast<float>(code - 8) * scale;
      }
      break;
    default:
      return absl::UnimplementedError(
          absl::StrCat("tensor \"", tensor.name, "\" has type ",
                       static_cast<int>(tensor.type),
                       ", supported are f16, f32, q4 and q8"));
  }
  for (float& value : values) {
    if (!std::isfinite(value)) {
      return error("has values that are NaN or infinite");
    }
    value += 0.0f;  // -0 becomes 0, which packed models have in its place.
  }
  matrix.bytes.assign(reinterpret_cast<const char*>(values.data()),
                      values.size() * sizeof(float));
  return matrix;
}

absl::StatusOr<MantaEncoder> MantaEncoder::Create(
    const MantaManifest& manifest, absl::Span<const MantaMatrix> matrices) {
  const MantaMatrix& token = matrices[0];
  MantaEncoder encoder;
  encoder.manifest_ = manifest;
  encoder.width_ = token.columns;
  encoder.wide_ = matrices[5].columns;
  encoder.vocabulary_size_ = token.rows;
  if (encoder.width_ > kMaxDim) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor \"", token.name, "\" makes vectors of ",
                     encoder.width_, " coordinates, want at most ", kMaxDim));
  }
  for (size_t i = 1; i < matrices.size(); ++i) {
    const size_t rows = i == 6 ? encoder.wide_ : encoder.width_;
    const size_t columns = i == 5 ? encoder.wide_ : encoder.width_;
    if (matrices[i].rows != rows || matrices[i].columns != columns) {
      return absl::InvalidArgumentError(absl::StrCat(
          "tensor \"", matrices[i].name, "\" has shape [", matrices[i].rows,
          ", ", matrices[i].columns, "], want [", rows, ", ", columns, "]"));
    }
  }
  encoder.table_.resize(token.rows * token.columns);
  std::memcpy(encoder.table_.data(), token.bytes.data(), token.bytes.size());
  encoder.qkv_ = Pack({&matrices[1], &matrices[2], &matrices[3]});
  encoder.output_ = Pack({&matrices[4]});
  encoder.up_ = Pack({&matrices[5]});
  encoder.projection_ = Pack({&matrices[6]});
  encoder.ones_.resize(PadToPanel(encoder.width_));
  std::fill_n(encoder.ones_.begin(), encoder.width_, 1.0f);
  encoder.zeros_.resize(PadToPanel(encoder.width_));
  return encoder;
}

struct MantaEncoder::Scratch {
  std::vector<float> qkv, attended, h, wide;
  AttentionScratch attention;
};

void MantaEncoder::Normalize(size_t rows, Arithmetic arithmetic,
                             float* x) const {
  LayerNorm(x, rows, width_, ones_.data(), zeros_.data(), kEpsilon, arithmetic);
}

void MantaEncoder::Repeat(absl::Span<const TextTokens> texts,
                          const Compute& compute, Scratch* scratch,
                          float* x) const {
  const size_t stride = PadToPanel(width_);
  const size_t qkv_stride = PadToPanel(3 * width_);
  const size_t rows = scratch->h.size() / stride;
  float* qkv = scratch->qkv.data();
  float* h = scratch->h.data();
  qkv_.Apply(x, rows, Activation::kNone, nullptr, qkv, compute);
  // Attention() divides scores by this.
  const float root = std::sqrt(static_cast<float>(width_));
  for (size_t r = 0; r < rows; ++r) {
    for (size_t i = 0; i < width_; ++i) qkv[r * qkv_stride + i] *= root;
  }
  size_t row = 0;
  for (const TextTokens text : texts) {
    Attention(qkv + row * qkv_stride, text.size(), {1, width_}, {},
              &scratch->attention, &scratch->attended[row * stride], compute);
    row += text.size();
  }
  output_.Apply(scratch->attended.data(), rows, Activation::kNone,
                manifest_.attention_residual ? x : nullptr, h, compute);
  if (manifest_.attention_norm) Normalize(rows, compute.arithmetic, h);
  up_.Apply(h, rows, Activation::kGeluTanh, nullptr, scratch->wide.data(),
            compute);
  projection_.Apply(scratch->wide.data(), rows, Activation::kNone,
                    manifest_.feed_forward_residual ? h : nullptr, x, compute);
  if (manifest_.feed_forward_norm) Normalize(rows, compute.arithmetic, x);
}

void MantaEncoder::Encode(absl::Span<const TextTokens> texts, float* out,
                          const Compute& compute) const {
  const size_t stride = PadToPanel(width_);
  size_t rows = 0;
  for (const TextTokens text : texts) rows += text.size();
  std::vector<float> x(rows * stride);
  float* to = x.data();
  for (const TextTokens text : texts) {
    for (const int32_t token : text) {
      std::copy_n(&table_[static_cast<size_t>(token) * width_], width_, to);
      to += stride;
    }
  }
  Scratch scratch;
  scratch.qkv.resize(rows * PadToPanel(3 * width_));
  scratch.attended.resize(rows * stride);
  scratch.h.resize(rows * stride);
  scratch.wide.resize(rows * PadToPanel(wide_));
  for (size_t i = 0; i < manifest_.repeats; ++i) {
    Repeat(texts, compute, &scratch, x.data());
  }
  const float* row = x.data();
  for (const TextTokens text : texts) {
    std::vector<double> mean(width_);
    for (size_t t = 0; t < text.size(); ++t, row += stride) {
      double squares = 0;
      for (size_t i = 0; i < width_; ++i) {
        squares += double{row[i]} * double{row[i]};
      }
      const double scale = squares > 0 ? 1 / std::sqrt(squares) : 1;
      for (size_t i = 0; i < width_; ++i) mean[i] += double{row[i]} * scale;
    }
    const auto tokens = static_cast<double>(text.size());
    for (size_t i = 0; i < width_; ++i, ++out) {
      *out = static_cast<float>(mean[i] / tokens);
    }
  }
}

}  // namespace corkscrew
