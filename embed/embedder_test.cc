// LoadEmbedder() on the shipped model: texts in, vectors out.

#include "corkscrew/embedder.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/testing.h"
#include "embed/bert_embedder.h"
#include "embed/gguf.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

// Row of the goldens whose text has "[SEP]" and the like: special tokens for
// the reference tokenizer, plain text for ours.
constexpr size_t kLiteralSpecials = 40;

std::string SourcePath(absl::string_view path) {
  return absl::StrCat(CORKSCREW_SOURCE_DIR, "/", path);
}

std::vector<nlohmann::json> ReadGoldens(const std::string& path) {
  std::ifstream stream(path);
  std::vector<nlohmann::json> rows;
  for (std::string line; std::getline(stream, line);) {
    rows.push_back(nlohmann::json::parse(line));
  }
  return rows;
}

double Cosine(absl::Span<const float> a, const std::vector<double>& b) {
  EXPECT_EQ(a.size(), b.size());
  double ab = 0;
  double bb = 0;
  double aa = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += a[i] * b[i];
    aa += double{a[i]} * double{a[i]};
    bb += b[i] * b[i];
  }
  EXPECT_NEAR(aa, 1, 1e-6) << "not of unit length";
  return ab / std::sqrt(aa * bb);
}

absl::StatusOr<std::shared_ptr<const BertEmbedder>> Load(
    const std::string& path, size_t threads) {
  absl::StatusOr<std::shared_ptr<const GgufFile>> file = GgufFile::Open(path);
  if (!file.ok()) return file.status();
  return BertEmbedder::Create(**file, {}, threads);
}

struct Agreement {
  double least = 1;
  double mean = 0;
};

// Compares the vectors of all golden texts, and expects their token ids.
Agreement Compare(const BertEmbedder& embedder,
                  const std::vector<nlohmann::json>& goldens) {
  Agreement agreement;
  for (size_t i = 0; i < goldens.size(); ++i) {
    SCOPED_TRACE(absl::StrCat("row ", i));
    const auto text = goldens[i]["text"].get<std::string>();
    const auto ids = goldens[i]["ids"].get<std::vector<int32_t>>();
    const absl::string_view view = text;
    const auto embedded = embedder.Embed({&view, 1}, TextKind::kDocument);
    EXPECT_THAT(embedded, IsOk());
    if (!embedded.ok()) return {};
    std::vector<float> vector = embedded->vectors;
    if (i == kLiteralSpecials) {
      const absl::Span<const int32_t> span = ids;
      vector = *embedder.EmbedTokens({&span, 1});
    } else {
      EXPECT_EQ(embedded->texts[0].tokens, ids);
    }
    const double cosine = Cosine(vector, goldens[i]["vec"]);
    agreement.least = std::min(agreement.least, cosine);
    agreement.mean += cosine / static_cast<double>(goldens.size());
  }
  return agreement;
}

TEST(LoadEmbedderTest, DefaultModelAgreesWithItsGoldens) {
  const auto embedder = Load(SourcePath("models/corkscrew-default-1.gguf"), 0);
  ASSERT_THAT(embedder, IsOk());
  EXPECT_EQ((*embedder)->dim(), 384);
  EXPECT_EQ((*embedder)->max_tokens(), 512);
  const auto goldens = ReadGoldens(
      SourcePath("tests/testdata/models/corkscrew-default-1.golden.jsonl"));
  ASSERT_EQ(goldens.size(), 64);
  const Agreement agreement = Compare(**embedder, goldens);
  EXPECT_GE(agreement.least, 0.998);
  EXPECT_GE(agreement.mean, 0.9995);
}

}  // namespace
}  // namespace corkscrew
