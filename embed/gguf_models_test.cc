// The GGUF reader on files of other programs: models and vocabularies as
// llama.cpp's tools write them.

#include <cmath>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/testing.h"
#include "embed/ggml_types.h"
#include "embed/gguf.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::testing::HasSubstr;

std::vector<std::string> ModelFiles() {
  std::vector<std::string> files;
  for (const absl::string_view folder :
       {"/models", "/data/gguf-synth", "/data/gguf-vocab"}) {
    for (const auto& entry : std::filesystem::directory_iterator(
             absl::StrCat(CORKSCREW_DATA_DIR, folder))) {
      if (entry.path().extension() == ".gguf") {
        files.push_back(entry.path().string());
      }
    }
  }
  return files;
}

TEST(GgufModelsTest, EveryFileIsReadAndItsTensorsDecodeToNumbers) {
  const std::vector<std::string> files = ModelFiles();
  EXPECT_GE(files.size(), 18u);
  for (const std::string& path : files) {
    SCOPED_TRACE(path);
    const auto file = GgufFile::Open(path);
    ASSERT_THAT(file, IsOk());
    EXPECT_THAT((*file)->String("general.architecture"), IsOk());
    const auto tokens = (*file)->Strings("tokenizer.ggml.tokens");
    ASSERT_THAT(tokens, IsOk());
    EXPECT_GE(tokens->size(), 256u);
    size_t bad_values = 0;
    std::vector<float> row;
    for (const GgufTensor& tensor : (*file)->tensors()) {
      row.resize(tensor.row_values());
      const size_t row_bytes = tensor.data.size() / tensor.rows();
      for (uint64_t i = 0; i < tensor.rows(); ++i) {
        DequantizeRow(tensor.type, tensor.data.data() + i * row_bytes,
                      row.size(), row.data());
        for (const float value : row) bad_values += !(std::abs(value) < 1e3f);
      }
    }
    EXPECT_EQ(bad_values, 0u);
  }
}

// The places where a download stops are as many as there are bytes; a prime
// step visits values, tensor infos and data.
TEST(GgufModelsTest, AModelThatIsCutAnywhereIsRefused) {
  std::ifstream in(absl::StrCat(CORKSCREW_DATA_DIR,
                                "/data/gguf-synth/tiny-bert-mean-q8_0.gguf"),
                   std::ios::binary);
  const std::string whole(std::istreambuf_iterator<char>(in), {});
  ASSERT_GT(whole.size(), size_t{400000});
  for (size_t size = 0; size < whole.size(); size += 997) {
    EXPECT_THAT(
        GgufFile::Parse(whole.substr(0, size), "cut.gguf"),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("cut.gguf: ")))
        << size;
  }
}

}  // namespace
}  // namespace corkscrew
