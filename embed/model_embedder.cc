#include "embed/model_embedder.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
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
#include "embed/team.h"
#include "embed/token_vocabulary.h"
#include "embed/tokenizer.h"
#include "embed/vector_cut.h"

namespace corkscrew {
namespace {

// Tokens that one thread encodes together: enough to use the weights well,
// few enough to spread a batch. Below it another thread does not pay.
constexpr size_t kGroupTokens = 96;
// Tokens of a group from which on its layers are spread over threads if the
// call has no other group.
constexpr size_t kTeamTokens = 48;
// Rounding activations costs short texts most: there is nothing to average. Up
// to so many tokens they are rounded twice, which costs little there, as
// reading the weights takes as long.
constexpr size_t kFineTokens = 4;

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

ModelEmbedder::ModelEmbedder(Parts parts, const EmbedderOptions& options,
                             size_t threads)
    : parts_(std::move(parts)),
      threads_(threads),
      exact_(options.exact),
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
  if (threads == 0) threads = options.threads;
  if (threads == 0) threads = std::thread::hardware_concurrency();
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
  return std::shared_ptr<const ModelEmbedder>(new ModelEmbedder(
      std::move(parts), options, std::max<size_t>(threads, 1)));
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
  Embeddings result;
  result.vectors.resize(texts.size() * dim());
  result.texts.resize(texts.size());
  const auto vector = [&](size_t i) {
    return absl::MakeSpan(result.vectors).subspan(i * dim(), dim());
  };
  std::vector<absl::string_view> unknown;
  std::vector<size_t> places;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (queries_.Find(texts[i], &result.texts[i], vector(i))) continue;
    unknown.push_back(texts[i]);
    places.push_back(i);
  }
  if (unknown.empty()) return result;
  CORKSCREW_ASSIGN_OR_RETURN(Embeddings made, EmbedNew(unknown, kind));
  for (size_t i = 0; i < unknown.size(); ++i) {
    const auto from =
        absl::MakeConstSpan(made.vectors).subspan(i * dim(), dim());
    queries_.Insert(unknown[i], made.texts[i], from);
    std::copy(from.begin(), from.end(), vector(places[i]).begin());
    result.texts[places[i]] = std::move(made.texts[i]);
  }
  return result;
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
  EncodeAll(texts, encoded.data());
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

Arithmetic ModelEmbedder::ArithmeticOf(size_t tokens) const {
  if (exact_) return Arithmetic::kExact;
  return tokens <= kFineTokens ? Arithmetic::kFine : Arithmetic::kFast;
}

std::vector<ModelEmbedder::Group> ModelEmbedder::GroupsOf(
    absl::Span<const absl::Span<const int32_t>> texts) const {
  std::vector<Group> groups;
  std::array<Group, 3> open;  // By arithmetic.
  const auto close = [&](Group* group) {
    if (!group->texts.empty()) groups.push_back(std::move(*group));
    *group = Group();
  };
  for (size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].empty()) continue;
    const Arithmetic arithmetic = ArithmeticOf(texts[i].size());
    Group& group = open.at(static_cast<size_t>(arithmetic));
    group.arithmetic = arithmetic;
    group.texts.push_back(i);
    group.tokens += texts[i].size();
    if (group.tokens >= kGroupTokens) close(&group);
  }
  for (Group& group : open) close(&group);
  return groups;
}

size_t ModelEmbedder::TakeHelpers(size_t wanted) const {
  size_t taken = 0;
  while (taken < wanted) {
    if (helpers_.fetch_add(1) + 1 >= threads_) {
      --helpers_;
      break;
    }
    ++taken;
  }
  return taken;
}

void ModelEmbedder::EncodeGroup(
    const Group& group, absl::Span<const absl::Span<const int32_t>> texts,
    Team* team, float* out) const {
  std::vector<absl::Span<const int32_t>> mine;
  mine.reserve(group.texts.size());
  for (const size_t text : group.texts) mine.push_back(texts[text]);
  const size_t full = parts_.cut.full();
  std::vector<float> encoded(mine.size() * full);
  parts_.encoder.Encode(mine, encoded.data(), {group.arithmetic, team});
  for (size_t i = 0; i < mine.size(); ++i) {
    std::copy_n(&encoded[i * full], full, out + group.texts[i] * full);
  }
}

void ModelEmbedder::EncodeAll(absl::Span<const absl::Span<const int32_t>> texts,
                              float* out) const {
  const std::vector<Group> groups = GroupsOf(texts);
  if (groups.size() == 1 && groups[0].tokens >= kTeamTokens && threads_ > 1) {
    const size_t helpers = TakeHelpers(threads_);
    {
      Team team(helpers + 1);
      EncodeGroup(groups[0], texts, &team, out);
    }
    helpers_ -= helpers;
    return;
  }
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < groups.size(); i = next++) {
      EncodeGroup(groups[i], texts, nullptr, out);
    }
  };
  std::vector<std::thread> helpers;
  const size_t taken = TakeHelpers(groups.empty() ? 0 : groups.size() - 1);
  for (size_t i = 0; i < taken; ++i) {
    try {
      helpers.emplace_back(work);
    } catch (const std::system_error&) {  // No more threads: do with these.
      break;
    }
  }
  work();
  for (std::thread& helper : helpers) helper.join();
  helpers_ -= taken;
}

}  // namespace corkscrew
