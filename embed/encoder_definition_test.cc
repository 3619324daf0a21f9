// Architectures for which there is no vector of another program: against their
// definition in double, on models of random weights.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/random.h"
#include "base/testing.h"
#include "corkscrew/embedder.h"
#include "embed/gguf.h"
#include "embed/gguf_builder.h"
#include "embed/model_embedder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::ForEachSimdTarget;
using ::corkscrew::testing::GgufBuilder;
using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::RandomNormal;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Row = std::vector<double>;

constexpr size_t kWidth = 32;
constexpr size_t kWide = 40;
constexpr size_t kHeads = 2;
constexpr size_t kExperts = 5;
constexpr size_t kUsed = 2;
constexpr size_t kTokens = 30;

// Random tensors, kept for the oracle.
class Weights {
 public:
  explicit Weights(absl::string_view architecture) {
    builder_.String("general.architecture", architecture)
        .String("tokenizer.ggml.model", "bert");
    std::vector<std::string> tokens = {"[PAD]", "[CLS]", "[SEP]", "[UNK]"};
    for (char c = 'a'; tokens.size() < kTokens; ++c) {
      tokens.push_back(absl::StrCat("\xE2\x96\x81", std::string(1, c)));
    }
    builder_.Strings("tokenizer.ggml.tokens", tokens);
    const auto uint = [&](const char* key, uint32_t value) {
      builder_.Uint32(absl::StrCat(architecture, ".", key), value);
    };
    uint("embedding_length", kWidth);
    uint("context_length", 64);
    uint("pooling_type", 1);
    uint("block_count", 2);
    uint("feed_forward_length", kWide);
    uint("attention.head_count", kHeads);
    uint("expert_count", kExperts);
    uint("expert_used_count", kUsed);
    uint("moe_every_n_layers", 2);
    builder_.Float32(
        absl::StrCat(architecture, ".attention.layer_norm_epsilon"), 1e-5f);
    builder_.Float32(absl::StrCat(architecture, ".rope.freq_base"), 500.0f);
  }

  void Add(const std::string& name, std::vector<uint64_t> shape) {
    size_t n = 1;
    for (const uint64_t size : shape) n *= size;
    std::vector<float> values = RandomNormal(n, 100 + tensors_.size());
    for (float& value : values) value *= 0.3f;
    Put(name, std::move(shape), std::move(values));
  }
  void Put(const std::string& name, std::vector<uint64_t> shape,
           std::vector<float> values) {
    builder_.Floats(name, std::move(shape), values);
    tensors_[name] = std::move(values);
  }
  const std::vector<float>& Of(const std::string& name) const {
    return tensors_.at(name);
  }
  double At(const std::string& name, size_t i) const {
    return double{tensors_.at(name)[i]};
  }
  // Rows of `in` values from value `offset` on.
  Row Multiply(const std::string& name, const Row& x, size_t out,
               size_t offset = 0) const {
    Row y(out);
    for (size_t i = 0; i < out; ++i) {
      for (size_t j = 0; j < x.size(); ++j) {
        y[i] += x[j] * At(name, offset + i * x.size() + j);
      }
    }
    return y;
  }
  void AddBias(const std::string& name, Row* x) const {
    for (size_t i = 0; i < x->size(); ++i) (*x)[i] += At(name, i);
  }
  void Norm(const std::string& name, Row* x) const {
    double mean = 0;
    double squares = 0;
    const auto n = static_cast<double>(x->size());
    for (const double v : *x) mean += v / n;
    for (const double v : *x) squares += (v - mean) * (v - mean) / n;
    for (size_t i = 0; i < x->size(); ++i) {
      (*x)[i] = ((*x)[i] - mean) / std::sqrt(squares + 1e-5) *
                    At(name + ".weight", i) +
                At(name + ".bias", i);
    }
  }
  std::string Build() const { return builder_.Build(); }

 private:
  GgufBuilder builder_;
  std::map<std::string, std::vector<float>> tensors_;
};

void Gelu(Row* x) {
  for (double& v : *x) v = v / 2 * (1 + std::erf(v / std::sqrt(2)));
}

// Rotates a head of a token at `position`.
void Rotate(size_t position, double* head, size_t n) {
  for (size_t i = 0; i < n / 2; ++i) {
    const double angle =
        static_cast<double>(position) *
        std::pow(500, -2.0 * static_cast<double>(i) / static_cast<double>(n));
    const double a = head[i];
    const double b = head[i + n / 2];
    head[i] = a * std::cos(angle) - b * std::sin(angle);
    head[i + n / 2] = a * std::sin(angle) + b * std::cos(angle);
  }
}

void AddAttention(const Weights& w, const std::string& block,
                  std::vector<Row>* x) {
  constexpr size_t kHead = kWidth / kHeads;
  std::vector<Row> qkv;
  for (size_t t = 0; t < x->size(); ++t) {
    qkv.push_back(w.Multiply(block + "attn_qkv.weight", (*x)[t], 3 * kWidth));
    w.AddBias(block + "attn_qkv.bias", &qkv.back());
    for (size_t h = 0; h < 2 * kHeads; ++h) {
      Rotate(t, &qkv.back()[h * kHead], kHead);
    }
  }
  for (size_t t = 0; t < x->size(); ++t) {
    Row attended(kWidth);
    for (size_t h = 0; h < kHeads; ++h) {
      Row share(x->size());
      double sum = 0;
      for (size_t s = 0; s < x->size(); ++s) {
        double dot = 0;
        for (size_t i = 0; i < kHead; ++i) {
          dot += qkv[t][h * kHead + i] * qkv[s][kWidth + h * kHead + i];
        }
        sum += share[s] = std::exp(dot / std::sqrt(kHead));
      }
      for (size_t s = 0; s < x->size(); ++s) {
        for (size_t i = 0; i < kHead; ++i) {
          attended[h * kHead + i] +=
              share[s] / sum * qkv[s][2 * kWidth + h * kHead + i];
        }
      }
    }
    const Row y = w.Multiply(block + "attn_output.weight", attended, kWidth);
    for (size_t i = 0; i < kWidth; ++i) (*x)[t][i] += y[i];
    w.Norm(block + "attn_output_norm", &(*x)[t]);
  }
}

Row Dense(const Weights& w, const std::string& block, const Row& x) {
  Row wide = w.Multiply(block + "ffn_up.weight", x, kWide);
  w.AddBias(block + "ffn_up.bias", &wide);
  Gelu(&wide);
  Row y = w.Multiply(block + "ffn_down.weight", wide, kWidth);
  w.AddBias(block + "ffn_down.bias", &y);
  return y;
}

Row Experts(const Weights& w, const std::string& block, const Row& x) {
  Row share = w.Multiply(block + "ffn_gate_inp.weight", x, kExperts);
  double sum = 0;
  for (double& v : share) sum += v = std::exp(v);
  Row y(kWidth);
  for (size_t e = 0; e < kExperts; ++e) {
    size_t better = 0;
    for (const double other : share) better += other > share[e];
    if (better >= kUsed) continue;
    Row wide =
        w.Multiply(block + "ffn_up_exps.weight", x, kWide, e * kWidth * kWide);
    Gelu(&wide);
    const Row out = w.Multiply(block + "ffn_down_exps.weight", wide, kWidth,
                               e * kWidth * kWide);
    for (size_t i = 0; i < kWidth; ++i) y[i] += share[e] / sum * out[i];
  }
  return y;
}

Weights NomicMoe() {
  Weights w("nomic-bert-moe");
  const auto add_norm = [&](const std::string& name) {
    w.Add(name + ".weight", {kWidth});
    w.Add(name + ".bias", {kWidth});
  };
  w.Add("token_embd.weight", {kWidth, kTokens});
  w.Add("token_types.weight", {kWidth, 1});
  add_norm("token_embd_norm");
  for (const std::string block : {"blk.0.", "blk.1."}) {
    w.Add(block + "attn_qkv.weight", {kWidth, 3 * kWidth});
    w.Add(block + "attn_qkv.bias", {3 * kWidth});
    w.Add(block + "attn_output.weight", {kWidth, kWidth});
    add_norm(block + "attn_output_norm");
    add_norm(block + "layer_output_norm");
  }
  w.Add("blk.0.ffn_up.weight", {kWidth, kWide});
  w.Add("blk.0.ffn_up.bias", {kWide});
  w.Add("blk.0.ffn_down.weight", {kWide, kWidth});
  w.Add("blk.0.ffn_down.bias", {kWidth});
  w.Add("blk.1.ffn_gate_inp.weight", {kWidth, kExperts});
  w.Add("blk.1.ffn_up_exps.weight", {kWidth, kWide, kExperts});
  w.Add("blk.1.ffn_down_exps.weight", {kWide, kWidth, kExperts});
  return w;
}

Row UnitMean(const std::vector<Row>& x) {
  Row mean(kWidth);
  double squares = 0;
  for (const Row& row : x) {
    for (size_t i = 0; i < kWidth; ++i) mean[i] += row[i];
  }
  for (const double v : mean) squares += v * v;
  for (double& v : mean) v /= std::sqrt(squares);
  return mean;
}

Row NomicMoeByDefinition(const Weights& w, const std::vector<int32_t>& ids) {
  std::vector<Row> x;
  for (const int32_t id : ids) {
    Row row(kWidth);
    for (size_t i = 0; i < kWidth; ++i) {
      row[i] = w.At("token_embd.weight", static_cast<size_t>(id) * kWidth + i) +
               w.At("token_types.weight", i);
    }
    w.Norm("token_embd_norm", &row);
    x.push_back(std::move(row));
  }
  for (const std::string block : {"blk.0.", "blk.1."}) {
    AddAttention(w, block, &x);
    for (Row& row : x) {
      const Row y =
          block == "blk.0." ? Dense(w, block, row) : Experts(w, block, row);
      for (size_t i = 0; i < kWidth; ++i) row[i] += y[i];
      w.Norm(block + "layer_output_norm", &row);
    }
  }
  return UnitMean(x);
}

std::shared_ptr<const ModelEmbedder> Load(const Weights& w) {
  const auto file = GgufFile::Parse(w.Build(), "tiny.gguf");
  EXPECT_THAT(file, IsOk());
  auto embedder = ModelEmbedder::Create(**file, {}, 1);
  EXPECT_THAT(embedder, IsOk());
  return embedder.ok() ? *std::move(embedder) : nullptr;
}

void ExpectVector(const ModelEmbedder& embedder,
                  const std::vector<int32_t>& ids, const Row& want) {
  const absl::Span<const int32_t> span = ids;
  const auto got = embedder.EmbedTokens({&span, 1});
  ASSERT_THAT(got, IsOk());
  for (size_t i = 0; i < kWidth; ++i) {
    ASSERT_NEAR((*got)[i], want[i], 2e-5) << "coordinate " << i;
  }
}

TEST(NomicBertMoeTest, MatchesItsDefinition) {
  const Weights w = NomicMoe();
  ForEachSimdTarget([&] {
    const auto embedder = Load(w);
    ASSERT_NE(embedder, nullptr);
    for (const size_t tokens : {1, 2, 5, 17, 40}) {
      std::vector<int32_t> ids;
      for (size_t i = 0; i < tokens; ++i) {
        ids.push_back(static_cast<int32_t>((7 * i + tokens) % kTokens));
      }
      ExpectVector(*embedder, ids, NomicMoeByDefinition(w, ids));
    }
  });
}

// A small jina-bert-v2 but for its gate.
Weights Jina() {
  Weights w("jina-bert-v2");
  const auto add_norm = [&](const std::string& name) {
    w.Add(name + ".weight", {kWidth});
    w.Add(name + ".bias", {kWidth});
  };
  w.Add("token_embd.weight", {kWidth, kTokens});
  w.Add("token_types.weight", {kWidth, 2});
  add_norm("token_embd_norm");
  for (const std::string block : {"blk.0.", "blk.1."}) {
    for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output"}) {
      w.Add(absl::StrCat(block, name, ".weight"), {kWidth, kWidth});
      w.Add(absl::StrCat(block, name, ".bias"), {kWidth});
    }
    w.Add(block + "ffn_down.weight", {kWide, kWidth});
    w.Add(block + "ffn_down.bias", {kWidth});
    add_norm(block + "attn_output_norm");
    add_norm(block + "layer_output_norm");
  }
  return w;
}

TEST(JinaBertTest, AGateMayBeTheFirstHalfOfUp) {
  Weights apart = Jina();
  Weights fused = Jina();
  for (const std::string block : {"blk.0.", "blk.1."}) {
    apart.Add(block + "ffn_gate.weight", {kWidth, kWide});
    apart.Add(block + "ffn_up.weight", {kWidth, kWide});
    std::vector<float> both = apart.Of(block + "ffn_gate.weight");
    const std::vector<float>& up = apart.Of(block + "ffn_up.weight");
    both.insert(both.end(), up.begin(), up.end());
    fused.Put(block + "ffn_up.weight", {kWidth, 2 * kWide}, both);
  }
  const std::vector<int32_t> ids = {1, 9, 4, 20, 11, 2};
  const absl::Span<const int32_t> span = ids;
  const auto a = Load(apart)->EmbedTokens({&span, 1});
  const auto b = Load(fused)->EmbedTokens({&span, 1});
  ASSERT_THAT(a, IsOk());
  ASSERT_THAT(b, IsOk());
  EXPECT_EQ(*a, *b);
}

// A layer with the tensor has the step; the space says so.
TEST(JinaBertTest, ASecondNormIsAStepOfFilesThatHaveIt) {
  Weights plain = Jina();
  Weights twice = Jina();
  for (Weights* w : {&plain, &twice}) {
    for (const std::string block : {"blk.0.", "blk.1."}) {
      w->Add(block + "ffn_gate.weight", {kWidth, kWide});
      w->Add(block + "ffn_up.weight", {kWidth, kWide});
    }
  }
  twice.Add("blk.0.attn_norm_2.weight", {kWidth});
  twice.Add("blk.0.attn_norm_2.bias", {kWidth});
  const std::vector<int32_t> ids = {1, 9, 4, 20, 11, 2};
  const absl::Span<const int32_t> span = ids;
  const auto a = Load(plain)->EmbedTokens({&span, 1});
  const auto b = Load(twice)->EmbedTokens({&span, 1});
  ASSERT_THAT(a, IsOk());
  ASSERT_THAT(b, IsOk());
  EXPECT_NE(*a, *b);
  EXPECT_NE(Load(plain)->space(), Load(twice)->space());
}

TEST(StaticTest, IsTheWeightedMeanOfItsTable) {
  for (const bool weighted : {false, true}) {
    Weights w("static");
    w.Add("token_embd.weight", {kWidth, kTokens});
    if (weighted) w.Add("token_weight.weight", {kTokens});
    const auto embedder = Load(w);
    ASSERT_NE(embedder, nullptr);
    const std::vector<int32_t> ids = {4, 9, 9, 20};
    std::vector<Row> x;
    for (const int32_t id : ids) {
      const auto token = static_cast<size_t>(id);
      Row row(kWidth);
      for (size_t i = 0; i < kWidth; ++i) {
        row[i] = w.At("token_embd.weight", token * kWidth + i) *
                 (weighted ? w.At("token_weight.weight", token) : 1);
      }
      x.push_back(std::move(row));
    }
    ExpectVector(*embedder, ids, UnitMean(x));
  }
}

TEST(StaticTest, NoTokensAreTheZeroVector) {
  Weights w("static");
  w.Add("token_embd.weight", {kWidth, kTokens});
  const auto embedder = Load(w);
  ASSERT_NE(embedder, nullptr);
  const std::vector<int32_t> one = {5};
  const std::vector<absl::Span<const int32_t>> texts = {{}, one, {}};
  const auto got = embedder->EmbedTokens(texts);
  ASSERT_THAT(got, IsOk());
  const auto alone = embedder->EmbedTokens({&texts[1], 1});
  ASSERT_THAT(alone, IsOk());
  for (size_t i = 0; i < kWidth; ++i) {
    EXPECT_EQ((*got)[i], 0);
    EXPECT_EQ((*got)[kWidth + i], (*alone)[i]);
    EXPECT_EQ((*got)[2 * kWidth + i], 0);
  }
}

std::string TinyGemma(bool dense) {
  GgufBuilder builder;
  const std::string p = "gemma-embedding.";
  builder.String("general.architecture", "gemma-embedding")
      .String("general.name", "EmbeddingGemma 300M")
      .String("tokenizer.ggml.model", "bert")
      .Strings("tokenizer.ggml.tokens", {"[CLS]", "[SEP]", "[UNK]", "a"})
      .Uint32(p + "embedding_length", 32)
      .Uint32(p + "context_length", 64)
      .Uint32(p + "block_count", 1)
      .Uint32(p + "feed_forward_length", 32)
      .Uint32(p + "attention.head_count", 1)
      .Uint32(p + "attention.sliding_window", 16)
      .Float32(p + "attention.layer_norm_rms_epsilon", 1e-6f);
  const auto add = [&](const std::string& name, std::vector<uint64_t> shape) {
    size_t n = 1;
    for (const uint64_t size : shape) n *= size;
    builder.Floats(name + ".weight", std::move(shape), RandomNormal(n, 3));
  };
  add("token_embd", {32, 4});
  for (const char* name : {"attn_norm", "post_attention_norm", "ffn_norm",
                           "post_ffw_norm", "attn_q_norm", "attn_k_norm"}) {
    add(absl::StrCat("blk.0.", name), {32});
  }
  for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output",
                           "ffn_up", "ffn_gate", "ffn_down"}) {
    add(absl::StrCat("blk.0.", name), {32, 32});
  }
  add("output_norm", {32});
  if (dense) {
    add("dense_2", {32, 48});
    add("dense_3", {48, 40});
  }
  return builder.Build();
}

TEST(GemmaEmbeddingTest, AFileWithoutDenseLayersWarnsAndIsAnotherSpace) {
  const auto load = [](bool dense) {
    const auto file = GgufFile::Parse(TinyGemma(dense), "gemma.gguf");
    EXPECT_THAT(file, IsOk());
    auto embedder = ModelEmbedder::Create(**file, {}, 1);
    EXPECT_THAT(embedder, IsOk());
    return *std::move(embedder);
  };
  const auto whole = load(true);
  const auto lacking = load(false);
  EXPECT_THAT(whole->warnings(), IsEmpty());
  EXPECT_THAT(lacking->warnings(),
              ElementsAre(HasSubstr("gemma.gguf: has no tensor \"dense_2"),
                          HasSubstr("gemma.gguf: has no tensor \"dense_3")));
  EXPECT_EQ(whole->dim(), 40u);
  EXPECT_EQ(lacking->dim(), 32u);
  EXPECT_NE(whole->space(), lacking->space());
}

TEST(PromptTest, TheModelsPromptStandsBeforeTheText) {
  const auto file = GgufFile::Parse(TinyGemma(true), "gemma.gguf");
  ASSERT_THAT(file, IsOk());
  const auto embedder = ModelEmbedder::Create(**file, {}, 1);
  ASSERT_THAT(embedder, IsOk());
  const auto tokens = [&](TextKind kind) {
    const absl::string_view text = "a";
    const auto result = (*embedder)->Embed({&text, 1}, kind);
    EXPECT_THAT(result, IsOk());
    return result->texts[0].tokens;
  };
  for (const TextKind kind : {TextKind::kQuery, TextKind::kDocument}) {
    const std::string whole = absl::StrCat((*embedder)->prompt(kind), "a");
    EXPECT_THAT(whole, HasSubstr(kind == TextKind::kQuery ? "| query: "
                                                          : "title: none"));
    EXPECT_EQ(tokens(kind), (*embedder)->tokenizer().Encode(whole, 64).tokens);
  }
}

}  // namespace
}  // namespace corkscrew
