#include "embed/bert.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
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
#include "embed/ggml_types.h"
#include "embed/gguf.h"
#include "embed/matmul.h"
#include "embed/model_tensors.h"
#include "embed/tile.h"
#include "embed/transformer.h"

namespace corkscrew {
namespace {

// Far above every model there is; every tensor must be in the file at its full
// size anyway.
constexpr uint64_t kMaxBlocks = 1024;
constexpr uint64_t kMaxFeedForward = uint64_t{1} << 20;
constexpr uint64_t kMaxContext = uint64_t{1} << 20;

// Rows that go through the linear layers together: few enough that their
// activations stay in the L2 cache, many enough to read the weights seldom.
constexpr size_t kRowChunk = 96;

absl::StatusOr<Pooling> ReadPooling(const GgufFile& file) {
  // Older files do not say; mean is what most of them want.
  if (!file.Has("bert.pooling_type")) return Pooling::kMean;
  CORKSCREW_ASSIGN_OR_RETURN(const uint64_t type,
                             file.Uint("bert.pooling_type"));
  if (type == 1) return Pooling::kMean;
  if (type == 2) return Pooling::kCls;
  return absl::UnimplementedError(
      absl::StrCat(file.name(), ": key \"bert.pooling_type\" is ", type,
                   ", supported are 1 (mean) and 2 (cls)"));
}

}  // namespace

absl::StatusOr<BertParameters> BertParameters::Read(const GgufFile& file) {
  BertParameters p;
  CORKSCREW_ASSIGN_OR_RETURN(
      p.blocks, RequiredUint(file, "bert.block_count", 1, kMaxBlocks));
  CORKSCREW_ASSIGN_OR_RETURN(
      p.dim, RequiredUint(file, "bert.embedding_length", 1, kMaxDim));
  CORKSCREW_ASSIGN_OR_RETURN(
      p.feed_forward,
      RequiredUint(file, "bert.feed_forward_length", 1, kMaxFeedForward));
  CORKSCREW_ASSIGN_OR_RETURN(
      p.heads, RequiredUint(file, "bert.attention.head_count", 1, p.dim));
  CORKSCREW_ASSIGN_OR_RETURN(
      p.context, RequiredUint(file, "bert.context_length", 2, kMaxContext));
  if (p.dim % p.heads != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.name(), ": ", p.heads,
                     " attention heads do not divide ", p.dim, " coordinates"));
  }
  const absl::StatusOr<double> epsilon =
      file.Float("bert.attention.layer_norm_epsilon");
  if (absl::IsNotFound(epsilon.status())) {
    return absl::InvalidArgumentError(epsilon.status().message());
  }
  CORKSCREW_RETURN_IF_ERROR(epsilon.status());
  if (!(*epsilon >= 0 && *epsilon <= 1)) {
    return absl::InvalidArgumentError(absl::StrCat(
        file.name(), ": key \"bert.attention.layer_norm_epsilon\" is ",
        *epsilon, ", want 0 to 1"));
  }
  p.epsilon = static_cast<float>(*epsilon);
  if (file.Has("bert.attention.causal")) {
    CORKSCREW_ASSIGN_OR_RETURN(const bool causal,
                               file.Bool("bert.attention.causal"));
    if (causal) {
      return absl::UnimplementedError(absl::StrCat(
          file.name(),
          ": key \"bert.attention.causal\" is true, supported is false"));
    }
  }
  CORKSCREW_ASSIGN_OR_RETURN(p.pooling, ReadPooling(file));
  return p;
}

absl::StatusOr<BertEncoder::Norm> BertEncoder::MakeNorm(
    const BertParameters& parameters, absl::string_view name,
    ModelTensors* tensors) {
  const size_t padded = PadToPanel(parameters.dim);
  Norm norm;
  CORKSCREW_ASSIGN_OR_RETURN(
      norm.weight,
      tensors->Vector(absl::StrCat(name, ".weight"), parameters.dim, padded));
  CORKSCREW_ASSIGN_OR_RETURN(
      norm.bias,
      tensors->Vector(absl::StrCat(name, ".bias"), parameters.dim, padded));
  return norm;
}

absl::StatusOr<BertEncoder::Block> BertEncoder::MakeBlock(
    const BertParameters& parameters, size_t index, ModelTensors* tensors) {
  const std::string prefix = absl::StrCat("blk.", index, ".");
  // The linear layer of matrices [in, out] next to each other.
  const auto linear = [&](const std::vector<absl::string_view>& names,
                          size_t in,
                          size_t out) -> absl::StatusOr<PackedLinear> {
    std::vector<const GgufTensor*> weights;
    std::vector<float> biases;
    for (const absl::string_view name : names) {
      CORKSCREW_ASSIGN_OR_RETURN(
          const GgufTensor* weight,
          tensors->Matrix(absl::StrCat(prefix, name, ".weight"), in, out));
      weights.push_back(weight);
      CORKSCREW_ASSIGN_OR_RETURN(
          const std::vector<float> bias,
          tensors->Vector(absl::StrCat(prefix, name, ".bias"), out, out));
      biases.insert(biases.end(), bias.begin(), bias.end());
    }
    return PackedLinear::Pack(weights, biases);
  };
  const size_t dim = parameters.dim;
  const size_t wide = parameters.feed_forward;
  Block block;
  CORKSCREW_ASSIGN_OR_RETURN(block.qkv,
                             linear({"attn_q", "attn_k", "attn_v"}, dim, dim));
  CORKSCREW_ASSIGN_OR_RETURN(block.output, linear({"attn_output"}, dim, dim));
  CORKSCREW_ASSIGN_OR_RETURN(
      block.output_norm,
      MakeNorm(parameters, absl::StrCat(prefix, "attn_output_norm"), tensors));
  CORKSCREW_ASSIGN_OR_RETURN(block.up, linear({"ffn_up"}, dim, wide));
  CORKSCREW_ASSIGN_OR_RETURN(block.down, linear({"ffn_down"}, wide, dim));
  CORKSCREW_ASSIGN_OR_RETURN(
      block.layer_norm,
      MakeNorm(parameters, absl::StrCat(prefix, "layer_output_norm"), tensors));
  return block;
}

absl::StatusOr<BertEncoder> BertEncoder::Create(
    const BertParameters& parameters, ModelTensors* tensors) {
  BertEncoder encoder;
  encoder.parameters_ = parameters;
  const size_t dim = parameters.dim;
  encoder.attention_ = {parameters.heads, dim / parameters.heads};
  CORKSCREW_ASSIGN_OR_RETURN(
      const GgufTensor* table,
      tensors->Matrix("token_embd.weight", dim, parameters.vocabulary));
  encoder.token_type_ = table->type;
  encoder.token_table_ = std::string(table->data);
  CORKSCREW_ASSIGN_OR_RETURN(
      const GgufTensor* positions,
      tensors->Matrix("position_embd.weight", dim, parameters.context));
  CORKSCREW_ASSIGN_OR_RETURN(const GgufTensor* types,
                             tensors->Table("token_types.weight", dim));
  std::vector<float> type(dim);
  ReadRow(*types, 0, type.data());
  encoder.position_.resize(parameters.context * dim);
  for (size_t i = 0; i < parameters.context; ++i) {
    float* row = &encoder.position_[i * dim];
    ReadRow(*positions, i, row);
    for (size_t j = 0; j < dim; ++j) row[j] += type[j];
  }
  CORKSCREW_ASSIGN_OR_RETURN(encoder.input_norm_,
                             MakeNorm(parameters, "token_embd_norm", tensors));
  for (size_t i = 0; i < parameters.blocks; ++i) {
    CORKSCREW_ASSIGN_OR_RETURN(Block block, MakeBlock(parameters, i, tensors));
    encoder.blocks_.push_back(std::move(block));
  }
  return encoder;
}

void BertEncoder::Look(absl::Span<const int32_t> tokens, float* x) const {
  const size_t dim = parameters_.dim;
  const size_t row_bytes = token_table_.size() / parameters_.vocabulary;
  assert(!tokens.empty() && tokens.size() <= parameters_.context);
  for (size_t i = 0; i < tokens.size(); ++i, x += PadToPanel(dim)) {
    assert(tokens[i] >= 0 &&
           static_cast<size_t>(tokens[i]) < parameters_.vocabulary);
    const auto row = static_cast<size_t>(tokens[i]);
    DequantizeRow(token_type_, token_table_.data() + row * row_bytes, dim, x);
    for (size_t j = 0; j < dim; ++j) x[j] += position_[i * dim + j];
  }
}

void BertEncoder::Normalize(const Norm& norm, float* x, size_t rows) const {
  LayerNorm(x, rows, parameters_.dim, norm.weight.data(), norm.bias.data(),
            parameters_.epsilon);
}

void BertEncoder::RunBlock(const Block& block,
                           absl::Span<const absl::Span<const int32_t>> texts,
                           size_t rows, float* x) const {
  const size_t stride = PadToPanel(parameters_.dim);
  const size_t qkv_stride = PadToPanel(3 * parameters_.dim);
  std::vector<float> qkv(rows * qkv_stride);
  for (size_t row = 0; row < rows; row += kRowChunk) {
    const size_t n = std::min(kRowChunk, rows - row);
    block.qkv.Apply(x + row * stride, n, Activation::kNone, nullptr,
                    &qkv[row * qkv_stride]);
  }
  std::vector<float> attended(rows * stride);
  AttentionScratch scratch;
  size_t row = 0;
  for (const absl::Span<const int32_t> text : texts) {
    Attention(&qkv[row * qkv_stride], text.size(), attention_, &scratch,
              &attended[row * stride]);
    row += text.size();
  }
  std::vector<float> wide(std::min(rows, kRowChunk) *
                          PadToPanel(parameters_.feed_forward));
  for (row = 0; row < rows; row += kRowChunk) {
    const size_t n = std::min(kRowChunk, rows - row);
    float* part = x + row * stride;
    block.output.Apply(&attended[row * stride], n, Activation::kNone, part,
                       part);
    Normalize(block.output_norm, part, n);
    block.up.Apply(part, n, Activation::kGelu, nullptr, wide.data());
    block.down.Apply(wide.data(), n, Activation::kNone, part, part);
    Normalize(block.layer_norm, part, n);
  }
}

void BertEncoder::Pool(const float* x, size_t tokens, float* out) const {
  const size_t dim = parameters_.dim;
  std::copy(x, x + dim, out);
  if (parameters_.pooling == Pooling::kCls) return;
  for (size_t i = 1; i < tokens; ++i) {
    const float* row = x + i * PadToPanel(dim);
    for (size_t j = 0; j < dim; ++j) out[j] += row[j];
  }
  const float scale = 1.0f / static_cast<float>(tokens);
  for (size_t j = 0; j < dim; ++j) out[j] *= scale;
}

void BertEncoder::Encode(absl::Span<const absl::Span<const int32_t>> texts,
                         float* out) const {
  const size_t stride = PadToPanel(parameters_.dim);
  size_t rows = 0;
  for (const absl::Span<const int32_t> text : texts) rows += text.size();
  std::vector<float> x(rows * stride);
  size_t row = 0;
  for (const absl::Span<const int32_t> text : texts) {
    Look(text, &x[row * stride]);
    row += text.size();
  }
  Normalize(input_norm_, x.data(), rows);
  for (const Block& block : blocks_) RunBlock(block, texts, rows, x.data());
  row = 0;
  for (const absl::Span<const int32_t> text : texts) {
    Pool(&x[row * stride], text.size(), out);
    row += text.size();
    out += parameters_.dim;
  }
}

}  // namespace corkscrew
