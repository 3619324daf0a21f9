#include "embed/encoder.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "corkscrew/limits.h"
#include "embed/architecture.h"
#include "embed/compute.h"
#include "embed/encoder_steps.h"
#include "embed/ggml_types.h"
#include "embed/gguf.h"
#include "embed/matmul.h"
#include "embed/model_parameters.h"
#include "embed/model_tensors.h"
#include "embed/tile.h"

namespace corkscrew {
namespace {

bool Wanted(const TensorName& name, const ModelTensors& tensors) {
  if (name.name.empty()) return false;
  return !name.optional || tensors.Has(name.name + ".weight");
}

}  // namespace

absl::Status Encoder::TakeInput(const Architecture& architecture,
                                ModelTensors* tensors) {
  const size_t width = parameters_.width;
  CORKSCREW_ASSIGN_OR_RETURN(
      const GgufTensor* table,
      tensors->Matrix(architecture.token.name + ".weight", width,
                      parameters_.vocabulary));
  token_type_ = table->type;
  token_table_ = std::string(table->data);
  if (architecture.scale_by_sqrt_width) {
    token_scale_ = std::sqrt(static_cast<float>(width));
  }
  if (Wanted(architecture.token_weight, *tensors)) {
    CORKSCREW_ASSIGN_OR_RETURN(
        token_weight_,
        tensors->Vector(architecture.token_weight.name + ".weight",
                        parameters_.vocabulary, parameters_.vocabulary));
  }
  const bool typed = Wanted(architecture.type, *tensors);
  const bool placed = Wanted(architecture.position, *tensors);
  const size_t rows = placed ? parameters_.context : typed ? 1 : 0;
  position_.resize(rows * width);
  if (placed) {
    CORKSCREW_ASSIGN_OR_RETURN(
        const GgufTensor* positions,
        tensors->Matrix(architecture.position.name + ".weight", width, rows));
    for (size_t i = 0; i < rows; ++i) {
      ReadRow(*positions, i, &position_[i * width]);
    }
  }
  if (typed) {
    CORKSCREW_ASSIGN_OR_RETURN(
        const GgufTensor* types,
        tensors->Table(architecture.type.name + ".weight", width));
    std::vector<float> type(width);
    ReadRow(*types, 0, type.data());
    for (size_t i = 0; i < position_.size(); ++i) {
      position_[i] += type[i % width];
    }
  }
  CORKSCREW_ASSIGN_OR_RETURN(
      input_norm_, RowNorm::TakeIf(architecture, architecture.input_norm, "",
                                   width, parameters_.epsilon, tensors));
  return absl::OkStatus();
}

absl::Status Encoder::TakeDense(const Architecture& architecture,
                                ModelTensors* tensors) {
  dim_ = parameters_.width;
  for (const TensorName& name : architecture.dense) {
    if (!Wanted(name, *tensors)) continue;
    CORKSCREW_ASSIGN_OR_RETURN(const GgufTensor* matrix,
                               tensors->Table(name.name + ".weight", dim_));
    dim_ = matrix->rows();
    if (dim_ > kMaxDim) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor \"", name.name, ".weight\" makes vectors of ",
                       dim_, " coordinates, want at most ", kMaxDim));
    }
    dense_.push_back(
        PackedLinear::Pack({&matrix, 1}, std::vector<float>(dim_)));
  }
  return absl::OkStatus();
}

absl::StatusOr<Encoder> Encoder::Create(const Architecture& architecture,
                                        const ModelParameters& parameters,
                                        const GgufFile& file,
                                        ModelTensors* tensors) {
  Encoder encoder;
  encoder.parameters_ = parameters;
  std::vector<SpaceParameter>& space = encoder.space_parameters_;
  space = {{"embedding_length", uint64_t{parameters.width}}};
  if (!architecture.steps.empty()) {
    space.emplace_back("attention.layer_norm_epsilon",
                       double{parameters.epsilon});
    space.emplace_back("block_count", uint64_t{parameters.layers});
  }
  CORKSCREW_RETURN_IF_ERROR(encoder.TakeInput(architecture, tensors));
  for (size_t i = 0; i < parameters.layers; ++i) {
    std::vector<std::unique_ptr<const EncoderStep>>& layer =
        encoder.layers_.emplace_back();
    for (const ArchitectureStep& step : architecture.steps) {
      CORKSCREW_ASSIGN_OR_RETURN(
          std::unique_ptr<const EncoderStep> made,
          MakeStep({architecture, step, parameters, file, i, tensors, &space}));
      if (made != nullptr) layer.push_back(std::move(made));
    }
  }
  CORKSCREW_ASSIGN_OR_RETURN(
      encoder.output_norm_,
      RowNorm::TakeIf(architecture, architecture.output_norm, "",
                      parameters.width, parameters.epsilon, tensors));
  CORKSCREW_RETURN_IF_ERROR(encoder.TakeDense(architecture, tensors));
  return encoder;
}

void Encoder::Look(absl::Span<const int32_t> tokens, float* x) const {
  const size_t width = parameters_.width;
  const size_t row_bytes = token_table_.size() / parameters_.vocabulary;
  assert(!tokens.empty() && tokens.size() <= parameters_.context);
  for (size_t i = 0; i < tokens.size(); ++i, x += PadToPanel(width)) {
    assert(tokens[i] >= 0 &&
           static_cast<size_t>(tokens[i]) < parameters_.vocabulary);
    const auto row = static_cast<size_t>(tokens[i]);
    DequantizeRow(token_type_, token_table_.data() + row * row_bytes, width, x);
    if (token_scale_ != 1 || !token_weight_.empty()) {
      const float scale = token_weight_.empty()
                              ? token_scale_
                              : token_scale_ * token_weight_[row];
      for (size_t j = 0; j < width; ++j) x[j] *= scale;
    }
    if (position_.empty()) continue;
    const float* position =
        position_.size() == width ? position_.data() : &position_[i * width];
    for (size_t j = 0; j < width; ++j) x[j] += position[j];
  }
}

void Encoder::Pool(const float* x, size_t tokens, float* out) const {
  const size_t width = parameters_.width;
  const size_t stride = PadToPanel(width);
  if (parameters_.pooling == Pooling::kLast) x += (tokens - 1) * stride;
  std::copy(x, x + width, out);
  if (parameters_.pooling != Pooling::kMean) return;
  for (size_t i = 1; i < tokens; ++i) {
    const float* row = x + i * stride;
    for (size_t j = 0; j < width; ++j) out[j] += row[j];
  }
  const float scale = 1.0f / static_cast<float>(tokens);
  for (size_t j = 0; j < width; ++j) out[j] *= scale;
}

void Encoder::Encode(absl::Span<const absl::Span<const int32_t>> texts,
                     float* out, const Compute& compute) const {
  const size_t stride = PadToPanel(parameters_.width);
  RopeTables rope;
  EncoderBatch batch{.texts = texts,
                     .width = parameters_.width,
                     .rope = &rope,
                     .compute = compute};
  for (const absl::Span<const int32_t> text : texts) {
    batch.rows += text.size();
    batch.longest = std::max(batch.longest, text.size());
  }
  std::vector<float> x(batch.rows * stride);
  size_t row = 0;
  for (const absl::Span<const int32_t> text : texts) {
    Look(text, &x[row * stride]);
    row += text.size();
  }
  if (input_norm_) {
    input_norm_->Apply(x.data(), batch.rows, compute.arithmetic);
  }
  std::vector<float> layer_input;
  for (const auto& layer : layers_) {
    if (layer.size() > 2) {  // Only then may a step want it.
      layer_input = x;
      batch.layer_input = layer_input.data();
    }
    for (const auto& step : layer) step->Run(batch, x.data());
  }
  if (output_norm_) {
    output_norm_->Apply(x.data(), batch.rows, compute.arithmetic);
  }
  row = 0;
  std::vector<float> pooled(stride);
  for (const absl::Span<const int32_t> text : texts) {
    Pool(&x[row * stride], text.size(), pooled.data());
    std::vector<float> vector = pooled;
    for (const PackedLinear& dense : dense_) {
      std::vector<float> next(PadToPanel(dense.out()));
      dense.Apply(vector.data(), 1, Activation::kNone, nullptr, next.data(),
                  compute);
      vector = std::move(next);
    }
    std::copy_n(vector.begin(), dim_, out);
    row += text.size();
    out += dim_;
  }
}

}  // namespace corkscrew
