#include "embed/bert.h"

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
#include "embed/gguf.h"
#include "embed/model_tensors.h"
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

absl::StatusOr<BertEncoder> LoadEncoder(const GgufFile& file) {
  CORKSCREW_ASSIGN_OR_RETURN(BertParameters parameters,
                             BertParameters::Read(file));
  CORKSCREW_ASSIGN_OR_RETURN(const auto tokens,
                             file.Strings("tokenizer.ggml.tokens"));
  parameters.vocabulary = tokens.size();
  ModelTensors tensors(file);
  return BertEncoder::Create(parameters, &tensors);
}

std::vector<float> Encode(const BertEncoder& encoder,
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
};

class SyntheticBertTest : public ::testing::TestWithParam<SyntheticModel> {};

TEST_P(SyntheticBertTest, AgreesWithLlamaCpp) {
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
      const std::vector<int32_t> ids = text["ids_used"];
      const std::vector<double> want = text["embedding"];
      const double cosine = Cosine(Encode(*encoder, ids), want);
      EXPECT_GE(cosine, GetParam().least_cosine) << text["text"];
    }
  });
}

INSTANTIATE_TEST_SUITE_P(
    Models, SyntheticBertTest,
    ::testing::Values(SyntheticModel{"tiny-bert-cls-f32.gguf", 0.99999},
                      SyntheticModel{"tiny-bert-mean-f32.gguf", 0.99999},
                      SyntheticModel{"tiny-bert-mean-f16.gguf", 0.99999},
                      SyntheticModel{"tiny-bert-mean-q8_0.gguf", 0.99995},
                      SyntheticModel{"tiny-bert-mean-q4_0.gguf", 0.99995}),
    [](const ::testing::TestParamInfo<SyntheticModel>& model) {
      std::string name = model.param.name;
      for (char& c : name) {
        if (!absl::ascii_isalnum(static_cast<unsigned char>(c))) c = '_';
      }
      return name;
    });

TEST(BertEncoderTest, ATextDoesNotDependOnItsNeighbours) {
  for (const char* name :
       {"tiny-bert-mean-f32.gguf", "tiny-bert-mean-q8_0.gguf"}) {
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
          ids.push_back(static_cast<int32_t>((i * 31 + length) % 4000));
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

}  // namespace
}  // namespace corkscrew
