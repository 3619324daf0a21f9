#include "embed/model_embedder.h"

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
#include "embed/architecture.h"
#include "embed/architecture_set.h"
#include "embed/compute.h"
#include "embed/encoder.h"
#include "embed/gguf.h"
#include "embed/known_models.h"
#include "embed/model_parameters.h"
#include "embed/model_tensors.h"
#include "embed/space.h"
#include "embed/text_groups.h"
#include "embed/token_vocabulary.h"
#include "embed/tokenizer.h"
#include "embed/vector_cut.h"

namespace corkscrew {
namespace {

absl::string_view NameOf(Pooling pooling) {
  return pooling == Pooling::kMean  ? "mean"
         : pooling == Pooling::kCls ? "cls"
                                    : "last";
}

// What the file lacks of the model that it is of.
std::vector<std::string> WarningsOf(const GgufFile& file,
                                    const Architecture& architecture) {
  std::vector<std::string> warnings;
  for (const TensorName& dense : architecture.dense) {
    const std::string tensor = dense.name + ".weight";
    if (file.Find(tensor) != nullptr) continue;
    warnings.push_back(absl::StrCat(
        file.name(), ": has no tensor \"", tensor,
        "\", as files of converters before 2026: its vectors are not those of "
        "the model's authors"));
  }
  return warnings;
}

}  // namespace

ModelEmbedder::ModelEmbedder(Parts parts, const EmbedderOptions& options)
    : parts_(std::move(parts)),
      groups_(options),
      queries_(options.query_cache_bytes) {}

absl::StatusOr<std::shared_ptr<const ModelEmbedder>> ModelEmbedder::Create(
    const GgufFile& file, const EmbedderOptions& options, size_t threads) {
  CORKSCREW_ASSIGN_OR_RETURN(const absl::string_view name,
                             RequiredKey(file.String("general.architecture")));
  CORKSCREW_ASSIGN_OR_RETURN(
      std::shared_ptr<const ArchitectureSet> architectures,
      ArchitectureSet::Read(options.architecture_directories));
  const absl::StatusOr<const Architecture*> found = architectures->Find(name);
  if (!found.ok()) {
    return absl::Status(
        found.status().code(),
        absl::StrCat(file.name(), ": ", found.status().message()));
  }
  const Architecture& architecture = **found;
  CORKSCREW_ASSIGN_OR_RETURN(ModelParameters parameters,
                             ModelParameters::Read(file, architecture));
  const size_t max_tokens =
      options.max_tokens == 0 ? parameters.context : options.max_tokens;
  TokenizerContent content;
  CORKSCREW_ASSIGN_OR_RETURN(
      std::unique_ptr<const Tokenizer> tokenizer,
      CreateTokenizer(file, &content, architecture.ends_with_eos));
  if (max_tokens < 2 || max_tokens > parameters.context) {
    return absl::InvalidArgumentError(absl::StrCat(
        file.name(), ": max_tokens is ", max_tokens, ", want 2 to ",
        parameters.context, ", the model's limit"));
  }
  parameters.vocabulary = tokenizer->vocabulary_size();
  ModelTensors tensors(file);
  CORKSCREW_ASSIGN_OR_RETURN(
      Encoder encoder,
      Encoder::Create(architecture, parameters, file, &tensors));
  const KnownModel known = KnownModelOf(file);
  CORKSCREW_ASSIGN_OR_RETURN(
      const VectorCut cut,
      VectorCut::Create(file.name(), encoder.dim(), options.dim,
                        known.centre_before_cut));
  const std::string query_prompt =
      options.query_prompt.value_or(std::string(known.query_prompt));
  const std::string document_prompt =
      options.document_prompt.value_or(std::string(known.document_prompt));
  CORKSCREW_RETURN_IF_ERROR(CheckPrompts(query_prompt, document_prompt));
  SpaceContent space;
  space.architecture = architectures->SpaceName(architecture);
  space.parameters = encoder.space_parameters();
  space.tokenizer = content.name;
  space.tokenizer_parameters = content.parameters;
  space.tokens = {content.strings.begin(), content.strings.end()};
  space.pooling = std::string(NameOf(parameters.pooling));
  space.normalisation = cut.SpaceName();
  space.query_prompt = query_prompt;
  space.document_prompt = document_prompt;
  space.max_tokens = max_tokens;
  space.tensors.assign(tensors.used().begin(), tensors.used().end());
  EmbedderOptions effective = options;
  if (threads != 0) effective.threads = threads;
  Parts parts{.name = file.name(),
              .architectures = std::move(architectures),
              .encoder = std::move(encoder),
              .tokenizer = std::move(tokenizer),
              .cut = cut,
              .query_prompt = query_prompt,
              .document_prompt = document_prompt,
              .space = SpaceOf(std::move(space)),
              .max_tokens = max_tokens,
              .warnings = WarningsOf(file, architecture)};
  return std::shared_ptr<const ModelEmbedder>(
      new ModelEmbedder(std::move(parts), effective));
}

absl::StatusOr<Embeddings> ModelEmbedder::Embed(
    absl::Span<const absl::string_view> texts, TextKind kind) const {
  for (size_t i = 0; i < texts.size(); ++i) {
    if (!IsValidUtf8(texts[i])) {
      return absl::InvalidArgumentError(absl::StrCat(
          "text ", i, " of ", texts.size(), " is not valid UTF-8"));
    }
  }
  if (kind != TextKind::kQuery) return EmbedNew(texts, kind);
  return queries_.Embed(texts, dim(),
                        [&](absl::Span<const absl::string_view> unknown) {
                          return EmbedNew(unknown, kind);
                        });
}

absl::StatusOr<Embeddings> ModelEmbedder::EmbedNew(
    absl::Span<const absl::string_view> texts, TextKind kind) const {
  const std::string& front = prompt(kind);
  Embeddings result;
  result.texts.reserve(texts.size());
  std::vector<absl::Span<const int32_t>> tokens;
  for (const absl::string_view text : texts) {
    result.texts.push_back(
        front.empty() ? parts_.tokenizer->Encode(text, parts_.max_tokens)
                      : parts_.tokenizer->Encode(absl::StrCat(front, text),
                                                 parts_.max_tokens));
  }
  for (const TokenizedText& text : result.texts) {
    tokens.emplace_back(text.tokens);
  }
  CORKSCREW_ASSIGN_OR_RETURN(result.vectors, EmbedTokens(tokens));
  return result;
}

absl::StatusOr<std::vector<float>> ModelEmbedder::EmbedTokens(
    absl::Span<const absl::Span<const int32_t>> texts) const {
  const size_t full = parts_.cut.full();
  // A text without tokens has no rows to pool: its vector is zero.
  std::vector<float> encoded(texts.size() * full);
  groups_.Encode(
      texts, full,
      [&](absl::Span<const TextTokens> group, float* out,
          const Compute& compute) {
        parts_.encoder.Encode(group, out, compute);
      },
      encoded.data());
  std::vector<float> vectors(texts.size() * dim());
  for (size_t i = 0; i < texts.size(); ++i) {
    if (!parts_.cut.Apply(&encoded[i * full], &vectors[i * dim()])) {
      return absl::InvalidArgumentError(
          absl::StrCat(parts_.name, ": the vector of text ", i,
                       " is not finite: the weights of the model overflow"));
    }
  }
  return vectors;
}

}  // namespace corkscrew
