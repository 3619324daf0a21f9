#include "embed/encoder.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "base/testing.h"
#include "embed/architecture.h"
#include "embed/compute.h"
#include "embed/gguf.h"
#include "embed/model_parameters.h"
#include "embed/model_tensors.h"
#include "embed/team.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

// The encoder against vectors of other implementations, given token ids.

namespace corkscrew {
namespace {

using ::corkscrew::testing::ForEachSimdTarget;
using ::corkscrew::testing::IsOk;

std::string DataPath(absl::string_view path) {
  return absl::StrCat(CORKSCREW_DATA_DIR, "/", path);
}

absl::StatusOr<Encoder> LoadEncoder(const GgufFile& file) {
  CORKSCREW_ASSIGN_OR_RETURN(const absl::string_view name,
                             file.String("general.architecture"));
  CORKSCREW_ASSIGN_OR_RETURN(const Architecture* architecture,
                             FindArchitecture(name));
  CORKSCREW_ASSIGN_OR_RETURN(ModelParameters parameters,
                             ModelParameters::Read(file, *architecture));
  CORKSCREW_ASSIGN_OR_RETURN(const auto tokens,
                             file.Strings("tokenizer.ggml.tokens"));
  parameters.vocabulary = tokens.size();
  ModelTensors tensors(file);
  return Encoder::Create(*architecture, parameters, file, &tensors);
}

std::vector<float> Encode(const Encoder& encoder,
                          absl::Span<const int32_t> ids) {
  std::vector<float> vector(encoder.dim());
  encoder.Encode({&ids, 1}, vector.data());
  return vector;
}

double Cosine(const std::vector<float>& a, const std::vector<double>& b) {
  EXPECT_EQ(a.size(), b.size());
  double ab = 0;
  double aa = 0;
  double bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += a[i] * b[i];
    aa += double{a[i]} * double{a[i]};
    bb += b[i] * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

// One tiny model of random weights, and the least cosine to llama.cpp's vector
// that its weight type allows (llama.cpp rounds activations of quantized
// models as well).
struct SyntheticModel {
  const char* name;
  double least_cosine;
  // The special tokens around each text where they are not those of the golden
  // file, which has BERT's for every model with cls pooling.
  int32_t first = -1;
  int32_t last = -1;
};

class SyntheticModelTest : public ::testing::TestWithParam<SyntheticModel> {};

TEST_P(SyntheticModelTest, AgreesWithLlamaCpp) {
  std::ifstream stream(DataPath("data/gguf-synth/golden.json"));
  const auto golden = nlohmann::json::parse(stream)["models"][GetParam().name];
  ASSERT_EQ(golden.size(), 5);
  const auto file = GgufFile::Open(
      DataPath(absl::StrCat("data/gguf-synth/", GetParam().name)));
  ASSERT_THAT(file, IsOk());
  ForEachSimdTarget([&] {
    const auto encoder = LoadEncoder(**file);
    ASSERT_THAT(encoder, IsOk());
    for (const auto& text : golden) {
      std::vector<int32_t> ids = text["ids_used"];
      if (GetParam().first >= 0) {
        ids.front() = GetParam().first;
        ids.back() = GetParam().last;
      }
      const std::vector<double> want = text["embedding"];
      const double cosine = Cosine(Encode(*encoder, ids), want);
      EXPECT_GE(cosine, GetParam().least_cosine) << text["text"];
    }
  });
}

INSTANTIATE_TEST_SUITE_P(
    Models, SyntheticModelTest,
    ::testing::Values(
        SyntheticModel{"tiny-bert-cls-f32.gguf", 0.99999},
        SyntheticModel{"tiny-bert-mean-f32.gguf", 0.99999},
        SyntheticModel{"tiny-bert-mean-f16.gguf", 0.99999},
        SyntheticModel{"tiny-bert-mean-q8_0.gguf", 0.99995},
        SyntheticModel{"tiny-bert-mean-q4_0.gguf", 0.99995},
        SyntheticModel{"tiny-xlmr-bert-unigram-cls-f32.gguf", 0.99999},
        SyntheticModel{"tiny-nomic-bert-mean-f32.gguf", 0.99999},
        SyntheticModel{"tiny-jina-bert-v2-mean-f32.gguf", 0.99999},
        SyntheticModel{"tiny-modern-bert-cls-f32.gguf", 0.99999, 3001, 3002},
        SyntheticModel{"tiny-gemma-embedding-mean-f32.gguf", 0.99999},
        SyntheticModel{"tiny-gemma-embedding-dense-mean-f32.gguf", 0.99999},
        SyntheticModel{"tiny-qwen3-last-f32.gguf", 0.99999}),
    [](const ::testing::TestParamInfo<SyntheticModel>& model) {
      std::string name = model.param.name;
      for (char& c : name) {
        if (!absl::ascii_isalnum(static_cast<unsigned char>(c))) c = '_';
      }
      return name;
    });

TEST(EncoderTest, ATextDoesNotDependOnItsNeighbours) {
  for (const char* name :
       {"tiny-bert-mean-f32.gguf", "tiny-bert-mean-q8_0.gguf",
        "tiny-gemma-embedding-mean-f32.gguf", "tiny-jina-bert-v2-mean-f32.gguf",
        "tiny-modern-bert-cls-f32.gguf", "tiny-qwen3-last-f32.gguf"}) {
    const auto file =
        GgufFile::Open(DataPath(absl::StrCat("data/gguf-synth/", name)));
    ASSERT_THAT(file, IsOk());
    ForEachSimdTarget([&] {
      const auto encoder = LoadEncoder(**file);
      ASSERT_THAT(encoder, IsOk());
      std::vector<std::vector<int32_t>> texts;
      for (const size_t length : {1, 2, 97, 5, 128, 33, 3, 64}) {
        std::vector<int32_t> ids;
        for (size_t i = 0; i < length; ++i) {
          ids.push_back(static_cast<int32_t>((i * 31 + length) % 3000));
        }
        texts.push_back(ids);
      }
      const std::vector<absl::Span<const int32_t>> spans(texts.begin(),
                                                         texts.end());
      std::vector<float> together(texts.size() * encoder->dim());
      encoder->Encode(spans, together.data());
      for (size_t i = 0; i < texts.size(); ++i) {
        const std::vector<float> alone = Encode(*encoder, texts[i]);
        EXPECT_EQ(std::memcmp(alone.data(), &together[i * encoder->dim()],
                              alone.size() * sizeof(float)),
                  0)
            << name << " text " << i;
      }
    });
  }
}

TEST(EncoderTest, ExactVectorsAreTheSameBytesOnEveryTargetAndThread) {
  Team team(3);
  for (const char* name :
       {"tiny-bert-mean-f32.gguf", "tiny-bert-mean-q8_0.gguf",
        "tiny-bert-mean-q4_0.gguf", "tiny-nomic-bert-mean-f32.gguf",
        "tiny-gemma-embedding-dense-mean-f32.gguf",
        "tiny-jina-bert-v2-mean-f32.gguf", "tiny-modern-bert-cls-f32.gguf",
        "tiny-qwen3-last-f32.gguf"}) {
    const auto file =
        GgufFile::Open(DataPath(absl::StrCat("data/gguf-synth/", name)));
    ASSERT_THAT(file, IsOk());
    std::vector<std::vector<int32_t>> texts;
    for (const int32_t length : {1, 2, 5, 33, 70}) {
      std::vector<int32_t>& ids = texts.emplace_back();
      for (int32_t i = 0; i < length; ++i) ids.push_back(i * 37 % 900);
    }
    const std::vector<absl::Span<const int32_t>> spans(texts.begin(),
                                                       texts.end());
    std::vector<float> first;
    ForEachSimdTarget([&] {
      const auto encoder = LoadEncoder(**file);
      ASSERT_THAT(encoder, IsOk());
      std::vector<float> vectors(texts.size() * encoder->dim());
      for (Team* const helped : {static_cast<Team*>(nullptr), &team}) {
        encoder->Encode(spans, vectors.data(), {Arithmetic::kExact, helped});
        if (first.empty()) first = vectors;
        ASSERT_EQ(std::memcmp(first.data(), vectors.data(),
                              vectors.size() * sizeof(float)),
                  0)
            << name;
      }
    });
  }
}

}  // namespace
}  // namespace corkscrew
