#include "embed/golden_vectors.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/testing.h"
#include "corkscrew/embedder.h"
#include "embed/model_embedder.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace corkscrew::testing {
namespace {

double Cosine(const std::vector<float>& a, const std::vector<double>& b) {
  EXPECT_EQ(a.size(), b.size());
  double ab = 0;
  double aa = 0;
  double bb = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    ab += a[i] * b[i];
    aa += double{a[i]} * double{a[i]};
    bb += b[i] * b[i];
  }
  EXPECT_NEAR(aa, 1, 1e-6) << "not of unit length";
  return ab / std::sqrt(aa * bb);
}

}  // namespace

std::vector<GoldenVector> ReadGoldenVectors(const std::string& path) {
  std::ifstream stream(path);
  std::vector<GoldenVector> goldens;
  for (std::string line; std::getline(stream, line);) {
    const auto row = nlohmann::json::parse(line, nullptr,
                                           /*allow_exceptions=*/false);
    if (!row.is_object()) {
      ADD_FAILURE() << path << ": line " << goldens.size() << " is not JSON";
      return goldens;
    }
    goldens.push_back({.text = row["text"],
                       .ids = row["ids"],
                       .vector = row["vec"],
                       .vector_of_256 = {}});
    if (row.contains("vec_max256")) {
      goldens.back().vector_of_256 =
          row["vec_max256"].get<std::vector<double>>();
    }
  }
  EXPECT_FALSE(goldens.empty()) << path;
  return goldens;
}

Agreement CompareWithGoldens(const ModelEmbedder& embedder,
                             const std::vector<GoldenVector>& goldens,
                             bool limited) {
  Agreement agreement;
  for (size_t i = 0; i < goldens.size(); ++i) {
    SCOPED_TRACE(::testing::Message() << "row " << i);
    const GoldenVector& golden = goldens[i];
    if (limited && golden.vector_of_256.empty()) continue;
    const absl::string_view text = golden.text;
    const auto embedded = embedder.Embed({&text, 1}, TextKind::kDocument);
    EXPECT_THAT(embedded, IsOk());
    if (!embedded.ok()) return {};
    std::vector<float> vector = embedded->vectors;
    if (i == kLiteralSpecials) {
      const absl::Span<const int32_t> ids = golden.ids;
      vector = *embedder.EmbedTokens({&ids, 1});
    } else if (!limited) {
      EXPECT_EQ(embedded->texts[0].tokens, golden.ids);
    }
    const double cosine =
        Cosine(vector, limited ? golden.vector_of_256 : golden.vector);
    ++agreement.rows;
    agreement.least = std::min(agreement.least, cosine);
    agreement.mean += cosine;
  }
  agreement.mean /= static_cast<double>(agreement.rows);
  return agreement;
}

}  // namespace corkscrew::testing
