#include "embed/tiny_bert.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/testing.h"
#include "embed/gguf.h"
#include "embed/gguf_builder.h"

namespace corkscrew::testing {
namespace {

constexpr uint64_t kDim = 32;
constexpr uint64_t kWide = 64;
constexpr uint64_t kBlocks = 2;
constexpr uint64_t kContext = 9;

// The float16 next to `value` towards zero, which must be normal in float16 or
// zero.
uint16_t Half(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  if (std::abs(value) < 6.2e-5f) return sign;
  return static_cast<uint16_t>(sign | ((bits >> 13 & 0x3ffff) - (112 << 10)));
}

std::string Encode(const TinyBert::Tensor& tensor) {
  std::string bytes;
  if (tensor.type == GgmlType::kF32) {
    for (const float value : tensor.values) AppendLittle(&bytes, value);
  } else if (tensor.type == GgmlType::kF16) {
    for (const float value : tensor.values) AppendLittle(&bytes, Half(value));
  } else {
    for (size_t i = 0; i < tensor.values.size(); i += 32) {
      const float scale = 1.0f / 64;
      AppendLittle(&bytes, Half(scale));
      for (size_t j = i; j < i + 32; ++j) {
        const float q = std::clamp(tensor.values[j] / scale, -127.0f, 127.0f);
        bytes.push_back(static_cast<char>(static_cast<int>(q)));
      }
    }
  }
  return bytes;
}

}  // namespace

TinyBert::TinyBert() {
  strings = {{"general.architecture", "bert"},
             {"general.name", "tiny"},
             {"tokenizer.ggml.model", "bert"}};
  uints = {{"bert.block_count", kBlocks},
           {"bert.context_length", kContext},
           {"bert.embedding_length", kDim},
           {"bert.feed_forward_length", kWide},
           {"bert.attention.head_count", 2},
           {"bert.pooling_type", 1},
           {"tokenizer.ggml.cls_token_id", 1},
           {"tokenizer.ggml.seperator_token_id", 2},
           {"tokenizer.ggml.unknown_token_id", 3}};
  floats = {{"bert.attention.layer_norm_epsilon", 1e-12f}};
  bools = {{"bert.attention.causal", false}};
  tokens = {"[PAD]", "[CLS]", "[SEP]", "[UNK]"};
  for (char c = 'a'; c <= 'z'; ++c) {
    tokens.push_back(absl::StrCat("\xe2\x96\x81", std::string(1, c)));
    tokens.push_back(std::string(1, c));
  }
  uint64_t seed = 1;
  const auto add = [&](const std::string& name, std::vector<uint64_t> shape) {
    size_t n = 1;
    for (const uint64_t size : shape) n *= size;
    tensors[name] = {std::move(shape), RandomNormal(n, seed++)};
  };
  const auto add_norm = [&](const std::string& name) {
    add(name + ".weight", {kDim});
    add(name + ".bias", {kDim});
  };
  const auto add_linear = [&](const std::string& name, uint64_t in,
                              uint64_t out) {
    add(name + ".weight", {in, out});
    add(name + ".bias", {out});
  };
  add("token_embd.weight", {kDim, tokens.size()});
  add("position_embd.weight", {kDim, kContext});
  add("token_types.weight", {kDim, 2});
  add_norm("token_embd_norm");
  for (uint64_t i = 0; i < kBlocks; ++i) {
    const std::string block = absl::StrCat("blk.", i, ".");
    for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output"}) {
      add_linear(block + name, kDim, kDim);
    }
    add_linear(block + "ffn_up", kDim, kWide);
    add_linear(block + "ffn_down", kWide, kDim);
    add_norm(block + "attn_output_norm");
    add_norm(block + "layer_output_norm");
  }
}

std::string TinyBert::Build() const {
  GgufBuilder builder;
  for (const auto& [key, value] : strings) builder.String(key, value);
  for (const auto& [key, value] : uints) builder.Uint32(key, value);
  for (const auto& [key, value] : floats) builder.Float32(key, value);
  for (const auto& [key, value] : bools) builder.Bool(key, value);
  builder.Strings("tokenizer.ggml.tokens", tokens);
  std::vector<std::pair<std::string, Tensor>> ordered(tensors.begin(),
                                                      tensors.end());
  if (reverse_tensors) std::reverse(ordered.begin(), ordered.end());
  for (const auto& [name, tensor] : ordered) {
    builder.Tensor(name, tensor.type, tensor.shape, Encode(tensor));
  }
  return builder.Build();
}

}  // namespace corkscrew::testing
