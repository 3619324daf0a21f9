#include "embed/manta_embedder.h"

#include <array>
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
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "corkscrew/embedder.h"
#include "embed/compute.h"
#include "embed/gguf.h"
#include "embed/manta_model.h"
#include "embed/manta_tokenizer.h"
#include "embed/mll_contents.h"
#include "embed/mll_file.h"
#include "embed/space.h"
#include "embed/text_groups.h"
#include "embed/tokenizer.h"
#include "embed/vector_cut.h"
#include "nlohmann/json.hpp"

namespace corkscrew {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxJsonBytes = size_t{256} << 20;
constexpr int64_t kMaxRepeats = 64;
constexpr int64_t kMaxSequence = int64_t{1} << 20;
// Of models that do not say.
constexpr int64_t kDefaultSequence = 256;

// The object under `key`, or an empty one.
const Json& Child(const Json& object, const char* key) {
  static const Json* const kEmpty = new Json(Json::object());
  if (!object.is_object()) return *kEmpty;
  const auto found = object.find(key);
  return found == object.end() ? *kEmpty : *found;
}

std::string Text(const Json& object, const char* key) {
  const Json& value = Child(object, key);
  return value.is_string() ? value.get<std::string>() : "";
}

bool Flag(const Json& object, const char* key) {
  const Json& value = Child(object, key);
  return value.is_boolean() && value.get<bool>();
}

int64_t Integer(const Json& object, const char* key, int64_t otherwise) {
  const Json& value = Child(object, key);
  return value.is_number_integer() ? value.get<int64_t>() : otherwise;
}

MantaManifest ReadManifest(const Json& json) {
  MantaManifest manifest;
  manifest.token = Text(json, "token_embedding_param");
  manifest.query = Text(json, "attention_query_param");
  manifest.key = Text(json, "attention_key_param");
  manifest.value = Text(json, "attention_value_param");
  manifest.output = Text(json, "attention_output_param");
  manifest.up = Text(json, "hidden_projection_param");
  manifest.projection = Text(json, "projection_param");
  manifest.attention_residual = Flag(json, "attention_residual");
  manifest.attention_norm = Flag(json, "attention_layernorm");
  manifest.feed_forward_residual = Flag(json, "ffn_residual");
  manifest.feed_forward_norm = Flag(json, "ffn_layernorm");
  return manifest;
}

// Empty if `json` is malformed.
MantaVocabulary ReadVocabulary(const Json& json) {
  MantaVocabulary vocabulary;
  vocabulary.first = Text(json, "bos_token");
  vocabulary.last = Text(json, "eos_token");
  vocabulary.unknown = Text(json, "unknown_token");
  for (const Json& token : Child(json, "tokens")) {
    if (!token.is_string()) return {};
    vocabulary.tokens.push_back(token.get<std::string>());
  }
  for (const Json& merge : Child(json, "merges")) {
    vocabulary.merges.emplace_back(Text(merge, "left"), Text(merge, "right"));
  }
  return vocabulary;
}

absl::StatusOr<std::vector<MantaMatrix>> ReadMatrices(
    const MantaManifest& manifest, const MllContents& contents,
    const Json& scales) {
  std::vector<MantaMatrix> matrices;
  for (const std::string* name :
       {&manifest.token, &manifest.query, &manifest.key, &manifest.value,
        &manifest.output, &manifest.up, &manifest.projection}) {
    if (name->empty()) {
      return absl::UnimplementedError(
          "is an embedding model without attention or feed-forward block, "
          "supported are encoders with both");
    }
    const MllTensor* tensor = contents.Find(*name);
    if (tensor == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor \"", *name, "\" is missing"));
    }
    // A tensor without scale has zeros only.
    const Json& scale = Child(scales, name->c_str());
    CORKSCREW_ASSIGN_OR_RETURN(
        MantaMatrix matrix,
        ExpandTensor(*tensor, scale.is_number() ? scale.get<float>() : 0.0f));
    matrices.push_back(std::move(matrix));
  }
  return matrices;
}

std::string FingerprintOf(const MantaManifest& manifest,
                          const TokenizerContent& tokenizer,
                          absl::Span<const MantaMatrix> matrices,
                          size_t max_tokens,
                          const std::array<std::string, 2>& prompts) {
  SpaceContent content;
  content.architecture = "manta";
  content.parameters = {
      {"attention_layernorm", uint64_t{manifest.attention_norm}},
      {"attention_residual", uint64_t{manifest.attention_residual}},
      {"encoder_repeats", uint64_t{manifest.repeats}},
      {"ffn_layernorm", uint64_t{manifest.feed_forward_norm}},
      {"ffn_residual", uint64_t{manifest.feed_forward_residual}}};
  content.tokenizer = tokenizer.name;
  content.tokenizer_parameters = tokenizer.parameters;
  content.tokens = {tokenizer.strings.begin(), tokenizer.strings.end()};
  content.pooling = "mean_of_units";
  content.normalisation = "none";
  content.query_prompt = prompts[0];
  content.document_prompt = prompts[1];
  content.max_tokens = max_tokens;
  // By their place in the graph: files name them as they like.
  constexpr absl::string_view kNames[] = {
      "token", "query", "key", "value", "output", "up", "projection"};
  std::vector<GgufTensor> tensors(matrices.size());
  for (size_t i = 0; i < matrices.size(); ++i) {
    tensors[i].name = kNames[i];
    tensors[i].shape = {matrices[i].columns, matrices[i].rows, 1, 1};
    tensors[i].dims = 2;
    tensors[i].data = matrices[i].bytes;
    content.tensors.push_back(&tensors[i]);
  }
  return SpaceOf(std::move(content));
}

absl::StatusOr<Json> ReadDescription(const MllFile& file) {
  const MllSection* section = file.Find("XMTA");
  if (section == nullptr) {
    return absl::UnimplementedError(absl::StrCat(
        file.name(),
        ": has no section \"XMTA\", supported are sealed embedding models"));
  }
  Json json;
  if (section->body.size() <= kMaxJsonBytes) {
    json = Json::parse(section->body.begin(), section->body.end(), nullptr,
                       /*allow_exceptions=*/false);
  }
  if (!json.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(
        file.name(), ": section \"XMTA\" is no JSON object of at most ",
        kMaxJsonBytes, " bytes"));
  }
  return json;
}

// `status` with the name of the file before its message.
absl::Status OfFile(const MllFile& file, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat(file.name(), ": ", status.message()));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const MantaEmbedder>> MantaEmbedder::Create(
    const MllFile& file, const EmbedderOptions& options) {
  CORKSCREW_ASSIGN_OR_RETURN(const Json json, ReadDescription(file));
  return Create(file, options,
                json.contains("tensor_scales") ? MantaSpaces::kDropped
                                               : MantaSpaces::kUnknown);
}

absl::StatusOr<std::shared_ptr<const MantaEmbedder>> MantaEmbedder::Create(
    const MllFile& file, const EmbedderOptions& options, MantaSpaces spaces) {
  CORKSCREW_ASSIGN_OR_RETURN(const MllContents contents,
                             MllContents::Read(file));
  CORKSCREW_ASSIGN_OR_RETURN(const Json json, ReadDescription(file));
  const Json& files = Child(json, "json_files");
  const Json& description = Child(files, "embedding_manifest");
  MantaManifest manifest = ReadManifest(description);
  const int64_t repeats = Integer(description, "encoder_repeats", 1);
  const int64_t limit = Integer(Child(description, "tokenizer"), "max_sequence",
                                kDefaultSequence);
  if (repeats < 1 || repeats > kMaxRepeats || limit < 2 ||
      limit > kMaxSequence) {
    return absl::InvalidArgumentError(absl::StrCat(
        file.name(), ": has ", repeats, " repeats and texts of ", limit,
        " tokens, want 1 to ", kMaxRepeats, " and 2 to ", kMaxSequence));
  }
  manifest.repeats = static_cast<size_t>(repeats);
  const auto longest = static_cast<size_t>(limit);
  const size_t max_tokens =
      options.max_tokens == 0 ? longest : options.max_tokens;
  if (max_tokens < 2 || max_tokens > longest) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.name(), ": max_tokens is ", max_tokens,
                     ", want 2 to ", longest, ", the model's limit"));
  }
  std::array<std::string, 2> prompts = {options.query_prompt.value_or(""),
                                        options.document_prompt.value_or("")};
  CORKSCREW_RETURN_IF_ERROR(CheckPrompts(prompts[0], prompts[1]));
  const auto matrices =
      ReadMatrices(manifest, contents, Child(json, "tensor_scales"));
  CORKSCREW_RETURN_IF_ERROR(OfFile(file, matrices.status()));
  auto encoder = MantaEncoder::Create(manifest, *matrices);
  CORKSCREW_RETURN_IF_ERROR(OfFile(file, encoder.status()));
  if (options.dim != 0 && options.dim != encoder->dim()) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.name(), ": dim is ", options.dim, ", want ",
                     encoder->dim(), ": vectors of this model can not be cut"));
  }
  TokenizerContent content;
  auto tokenizer = MantaTokenizer::Create(
      ReadVocabulary(Child(files, "tokenizer")), spaces, &content);
  CORKSCREW_RETURN_IF_ERROR(OfFile(file, tokenizer.status()));
  if ((*tokenizer)->vocabulary_size() > encoder->vocabulary_size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.name(), ": has ", (*tokenizer)->vocabulary_size(),
                     " tokens, but a table of ", encoder->vocabulary_size()));
  }
  std::string space =
      FingerprintOf(manifest, content, *matrices, max_tokens, prompts);
  Parts parts{.name = file.name(),
              .encoder = *std::move(encoder),
              .tokenizer = *std::move(tokenizer),
              .space = std::move(space),
              .max_tokens = max_tokens,
              .prompts = std::move(prompts)};
  return std::shared_ptr<const MantaEmbedder>(
      new MantaEmbedder(std::move(parts), options));
}

absl::StatusOr<Embeddings> MantaEmbedder::Embed(
    absl::Span<const absl::string_view> texts, TextKind kind) const {
  for (size_t i = 0; i < texts.size(); ++i) {
    if (!IsValidUtf8(texts[i])) {
      return absl::InvalidArgumentError(absl::StrCat(
          "text ", i, " of ", texts.size(), " is not valid UTF-8"));
    }
  }
  if (kind != TextKind::kQuery) return EmbedNew(texts, parts_.prompts[1]);
  return queries_.Embed(texts, dim(),
                        [&](absl::Span<const absl::string_view> unknown) {
                          return EmbedNew(unknown, parts_.prompts[0]);
                        });
}

absl::StatusOr<Embeddings> MantaEmbedder::EmbedNew(
    absl::Span<const absl::string_view> texts,
    const std::string& prompt) const {
  Embeddings result;
  result.texts.reserve(texts.size());
  for (const absl::string_view text : texts) {
    result.texts.push_back(parts_.tokenizer->Encode(absl::StrCat(prompt, text),
                                                    parts_.max_tokens));
  }
  std::vector<TextTokens> tokens;
  for (const TokenizedText& text : result.texts) {
    tokens.emplace_back(text.tokens);
  }
  // A text without tokens keeps the zero vector.
  result.vectors.resize(texts.size() * dim());
  groups_.Encode(
      tokens, dim(),
      [&](absl::Span<const TextTokens> group, float* out,
          const Compute& compute) {
        parts_.encoder.Encode(group, out, compute);
      },
      result.vectors.data());
  for (size_t i = 0; i < result.vectors.size(); ++i) {
    if (!std::isfinite(result.vectors[i])) {
      return absl::InvalidArgumentError(
          absl::StrCat(parts_.name, ": the vector of text ", i / dim(),
                       " is not finite: the weights of the model overflow"));
    }
  }
  return result;
}

}  // namespace corkscrew
