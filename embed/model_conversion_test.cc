// Conversions of real models and of other people's files: whole ones, against
// their spaces and golden vectors.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/testing.h"
#include "corkscrew/embedder.h"
#include "corkscrew/model_package.h"
#include "embed/arch_files.h"
#include "embed/convert_model.h"
#include "embed/gguf.h"
#include "embed/gguf_value.h"
#include "embed/gguf_writer.h"
#include "embed/hugging_face_model.h"
#include "embed/mll_contents.h"
#include "embed/mll_file.h"
#include "embed/mll_writer.h"
#include "embed/model_tensors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::corkscrew::testing::TempDir;
using ::testing::HasSubstr;
using Json = nlohmann::json;

std::string DataPath(absl::string_view path) {
  return absl::StrCat(CORKSCREW_DATA_DIR, "/", path);
}

std::string ReadBytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.is_open()) << path;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

double Cosine(const std::vector<double>& a, const std::vector<float>& b) {
  EXPECT_EQ(a.size(), b.size());
  double ab = 0;
  double aa = 0;
  double bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += a[i] * double{b[i]};
    aa += a[i] * a[i];
    bb += double{b[i]} * double{b[i]};
  }
  return ab / std::sqrt(aa * bb);
}

// ---- An architecture from outside.

// The model under a name that is not compiled in.
std::string HeldOut(const GgufFile& file) {
  GgufWriter writer;
  for (const GgufValue& value : file.values()) {
    GgufValue renamed = value;
    absl::string_view key = value.key;
    std::string name;
    if (absl::ConsumePrefix(&key, "nomic-bert.")) {
      name = absl::StrCat("held-out.", key);
      renamed.key = name;
    }
    writer.Copy(renamed);
  }
  writer.String("general.architecture", "held-out");
  for (const GgufTensor& tensor : file.tensors()) writer.TensorView(tensor);
  return writer.Write();
}

TEST(HoldOutTest, NomicBertAsAFileFromOutsideReachesItsGoldenVectors) {
  constexpr char kName[] = "tiny-nomic-bert-mean-f32.gguf";
  const auto file =
      GgufFile::Open(DataPath(absl::StrCat("data/gguf-synth/", kName)));
  ASSERT_THAT(file, IsOk());
  const std::string bytes = HeldOut(**file);
  EXPECT_THAT(LoadEmbedderFromBytes(bytes, "held-out.gguf"),
              StatusIs(absl::StatusCode::kUnimplemented,
                       HasSubstr("architecture \"held-out\"")));

  const TempDir directory;
  for (const ArchFile& arch : ArchFiles()) {
    if (arch.name != "nomic-bert.arch.toml") continue;
    std::ofstream(directory.path() + "/held-out.arch.toml")
        << absl::StrReplaceAll(arch.text, {{"architecture = \"nomic-bert\"",
                                            "architecture = \"held-out\""}});
  }
  EmbedderOptions options;
  options.architecture_directories = {directory.path()};
  options.query_prompt = "";
  options.document_prompt = "";
  const auto embedder = LoadEmbedderFromBytes(bytes, "held-out.gguf", options);
  ASSERT_THAT(embedder, IsOk());
  const Json golden = Json::parse(
      ReadBytes(DataPath("data/gguf-synth/golden.json")))["models"][kName];
  ASSERT_EQ(golden.size(), 5u);
  for (const Json& row : golden) {
    const std::string text = row["text"];
    const absl::string_view view = text;
    const auto is = (*embedder)->Embed({&view, 1}, TextKind::kDocument);
    ASSERT_THAT(is, IsOk());
    EXPECT_EQ(is->texts[0].tokens, row["ids_used"].get<std::vector<int32_t>>());
    EXPECT_GE(Cosine(row["embedding"], is->vectors), 0.99999) << text;
  }
}

// ---- Hugging Face.

std::string TheirName(std::string ours) {
  const bool bias = absl::EndsWith(ours, ".bias");
  ours = ours.substr(0, ours.rfind('.'));
  const std::string theirs = absl::StrReplaceAll(
      ours, {{"blk.", "encoder.layer."},
             {"token_embd_norm", "embeddings.LayerNorm"},
             {"token_embd", "embeddings.word_embeddings"},
             {"position_embd", "embeddings.position_embeddings"},
             {"token_types", "embeddings.token_type_embeddings"},
             {"attn_output_norm", "attention.output.LayerNorm"},
             {"attn_output", "attention.output.dense"},
             {"attn_q", "attention.self.query"},
             {"attn_k", "attention.self.key"},
             {"attn_v", "attention.self.value"},
             {"layer_output_norm", "output.LayerNorm"},
             {"ffn_up", "intermediate.dense"},
             {"ffn_down", "output.dense"}});
  return theirs + (bias ? ".bias" : ".weight");
}

// All tensors of `file` as float32.
std::string Safetensors(const GgufFile& file) {
  Json header = Json::object();
  std::string data;
  for (const GgufTensor& tensor : file.tensors()) {
    const size_t begin = data.size();
    std::vector<float> row(tensor.row_values());
    for (size_t i = 0; i < tensor.rows(); ++i) {
      ReadRow(tensor, i, row.data());
      data.append(reinterpret_cast<const char*>(row.data()), row.size() * 4);
    }
    Json shape = Json::array();
    for (int i = tensor.dims - 1; i >= 0; --i)
      shape.push_back(tensor.shape[static_cast<size_t>(i)]);
    header[TheirName(std::string(tensor.name))] = {
        {"dtype", "F32"},
        {"shape", shape},
        {"data_offsets", {begin, data.size()}}};
  }
  const std::string text = header.dump();
  const uint64_t size = text.size();
  return std::string(reinterpret_cast<const char*>(&size), 8) + text + data;
}

TEST(HuggingFaceTest, MiniLmOfItsFolderIsTheSpaceOfItsGguf) {
  const std::string path = DataPath("models/all-MiniLM-L6-v2-F16.gguf");
  const auto gguf = GgufFile::Open(path);
  ASSERT_THAT(gguf, IsOk());
  const std::string tensors = Safetensors(**gguf);
  const FolderReader read = [&](absl::string_view name,
                                size_t) -> absl::StatusOr<std::string> {
    if (name == "model.safetensors") return tensors;
    std::string file(name);
    if (name == "1_Pooling/config.json") file = "1_Pooling_config.json";
    return ReadBytes(DataPath("data/minilm-tokenizer/") + file);
  };
  const auto converted = ConvertHuggingFace(read, "all-MiniLM-L6-v2");
  ASSERT_THAT(converted, IsOk());
  const auto file = GgufFile::Parse(*converted, "converted.gguf");
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(*(*file)->Strings("tokenizer.ggml.tokens"),
            *(*gguf)->Strings("tokenizer.ggml.tokens"));
  const auto original = LoadEmbedder(path);
  ASSERT_THAT(original, IsOk());
  for (const ModelContainer container :
       {ModelContainer::kGguf, ModelContainer::kMll}) {
    const auto as_f16 =
        ConvertGguf(**file, {.container = container, .type = GgmlType::kF16});
    ASSERT_THAT(as_f16, IsOk());
    const auto embedder = LoadEmbedderFromBytes(*as_f16, "converted");
    ASSERT_THAT(embedder, IsOk());
    EXPECT_EQ((*embedder)->space(), (*original)->space());
  }
}

TEST(ConvertModelTest, TheShippedModelKeepsItsSpaceInAMllFile) {
  const std::string path =
      absl::StrCat(CORKSCREW_SOURCE_DIR, "/models/corkscrew-default-1.gguf");
  const auto sealed = ConvertModel(path, {.container = ModelContainer::kMll});
  ASSERT_THAT(sealed, IsOk());
  const auto embedder = LoadEmbedderFromBytes(*sealed, "default.mll");
  ASSERT_THAT(embedder, IsOk());
  // docs/embedding.md, section 2.
  EXPECT_EQ((*embedder)->space(),
            "5799b600c7cd2794009ee0ee4e406cdfe1d4cd1f4f730431e85245cd66c3c470");
}

TEST(ConvertModelTest, EachSyntheticModelKeepsItsSpaceThereAndBack) {
  const TempDir directory;
  size_t models = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(DataPath("data/gguf-synth"))) {
    if (entry.path().extension() != ".gguf") continue;
    const auto original = LoadEmbedder(entry.path().string());
    ASSERT_THAT(original, IsOk());
    const auto sealed = ConvertModel(entry.path().string(),
                                     {.container = ModelContainer::kMll});
    ASSERT_THAT(sealed, IsOk()) << entry.path();
    const std::string path = directory.path() + "/x.mll";
    std::ofstream(path, std::ios::binary) << *sealed;
    const auto back = ConvertModel(path, {});
    ASSERT_THAT(back, IsOk());
    const auto embedder = LoadEmbedderFromBytes(*back, "back.gguf");
    ASSERT_THAT(embedder, IsOk());
    EXPECT_EQ((*embedder)->space(), (*original)->space()) << entry.path();
    ++models;
  }
  EXPECT_EQ(models, 12u);
}

TEST(ConvertModelTest, AQuantizedModelStaysNearItsSource) {
  const std::string path = DataPath("data/gguf-synth/tiny-bert-mean-f32.gguf");
  const auto original = LoadEmbedder(path);
  ASSERT_THAT(original, IsOk());
  const absl::string_view text = "the boundary layer of a cat";
  const auto want = (*original)->Embed({&text, 1}, TextKind::kDocument);
  ASSERT_THAT(want, IsOk());
  const std::vector<double> vector(want->vectors.begin(), want->vectors.end());
  struct Bound {
    GgmlType type;
    double least;
  };
  for (const Bound& bound :
       {Bound{GgmlType::kF32, 0.9999999}, Bound{GgmlType::kF16, 0.99999},
        Bound{GgmlType::kBF16, 0.9999}, Bound{GgmlType::kQ8_0, 0.999},
        Bound{GgmlType::kQ5_1, 0.98}, Bound{GgmlType::kQ4_0, 0.95}}) {
    const auto bytes = ConvertModel(path, {.type = bound.type});
    ASSERT_THAT(bytes, IsOk());
    const auto embedder = LoadEmbedderFromBytes(*bytes, "x.gguf");
    ASSERT_THAT(embedder, IsOk());
    const auto is = (*embedder)->Embed({&text, 1}, TextKind::kDocument);
    ASSERT_THAT(is, IsOk());
    EXPECT_GE(Cosine(vector, is->vectors), bound.least)
        << static_cast<int>(bound.type);
  }
}

// ---- Packages.

TEST(MllPackageTest, FilesSideBySideAreTheSealedModel) {
  const auto sealed =
      LoadEmbedder(DataPath("data/mll/manta-golden-d32.sealed.mll"));
  const auto package =
      LoadEmbedder(DataPath("data/mll/manta-golden-d32-package/m.mll"));
  ASSERT_THAT(sealed, IsOk());
  ASSERT_THAT(package, IsOk());
  EXPECT_EQ((*package)->space(), (*sealed)->space());
  const auto bytes =
      ConvertModel(DataPath("data/mll/manta-golden-d32-package/m.mll"),
                   {.container = ModelContainer::kMll});
  ASSERT_THAT(bytes, IsOk());
  const auto embedder = LoadEmbedderFromBytes(*bytes, "m.mll");
  ASSERT_THAT(embedder, IsOk());
  EXPECT_EQ((*embedder)->space(), (*sealed)->space());
  EXPECT_THAT(ConvertModel(DataPath("data/mll/manta-golden-d32.sealed.mll"),
                           {.container = ModelContainer::kGguf}),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("manta")));
}

TEST(MllPackageTest, AModelInSeveralFilesIsLoadedFromMemory) {
  const auto read = [](const char* role) {
    return ReadBytes(DataPath(
        absl::StrCat("data/mll/manta-golden-d32-package/m", role, ".mll")));
  };
  ModelPackage package{read(""), read(".embedding"), read(".tokenizer"),
                       read(".weights")};
  const auto sealed =
      LoadEmbedder(DataPath("data/mll/manta-golden-d32.sealed.mll"));
  ASSERT_THAT(sealed, IsOk());
  const auto embedder = LoadEmbedderFromPackage(package, "in memory");
  ASSERT_THAT(embedder, IsOk());
  EXPECT_EQ((*embedder)->space(), (*sealed)->space());
  const std::string graph = package.graph;
  const auto file = MllFile::Parse(graph, "m");
  ASSERT_THAT(file, IsOk());
  std::vector<MllPart> parts = PartsOf(**file);
  FindPart(&parts, "XMTA")->body = absl::StrCat(
      "{\"a\":", std::string(300000, '['), std::string(300000, ']'), "}");
  const auto deep = WriteMll((*file)->profile(), std::move(parts));
  ASSERT_FALSE(deep.empty());
  package.graph = deep;
  EXPECT_THAT(LoadEmbedderFromPackage(package, "in memory"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("XMTA")));
  package.graph = graph;
  package.weights.resize(100);
  EXPECT_THAT(LoadEmbedderFromPackage(package, "in memory"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("in memory (its .weights.mll)")));
}

TEST(MllPackageTest, ADamagedSiblingIsNamed) {
  const TempDir directory;
  for (const char* role : {"", ".embedding", ".tokenizer", ".weights"}) {
    std::string bytes = ReadBytes(DataPath(
        absl::StrCat("data/mll/manta-golden-d32-package/m", role, ".mll")));
    if (absl::string_view(role) == ".tokenizer") {
      bytes[9000] = static_cast<char>(bytes[9000] ^ 1);
    }
    std::ofstream(absl::StrCat(directory.path(), "/m", role, ".mll"),
                  std::ios::binary)
        << bytes;
  }
  EXPECT_THAT(LoadEmbedder(directory.path() + "/m.mll"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("m.mll (its .tokenizer.mll)"),
                             HasSubstr("XTOK"))));
}

TEST(MllWriterDataTest, FilesOfTheirAuthorsAreWrittenToTheirBytes) {
  size_t files = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(DataPath("data/mll"))) {
    if (entry.path().extension() != ".mll") continue;
    const std::string bytes = ReadBytes(entry.path().string());
    const auto file = MllFile::Parse(bytes, "x");
    ASSERT_THAT(file, IsOk()) << entry.path();
    EXPECT_TRUE(WriteMll((*file)->profile(), PartsOf(**file)) == bytes)
        << entry.path();
    const auto contents = MllContents::Read(**file);
    ASSERT_THAT(contents, IsOk());
    MllStrings strings(contents->strings);
    EXPECT_TRUE(strings.Body() == (*file)->Find("STRG")->body);
    ++files;
  }
  EXPECT_GE(files, 17u);
}

}  // namespace
}  // namespace corkscrew
