#include "embed/bert_embedder.h"

#include <algorithm>
#include <atomic>
#include <cmath>
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
#include "embed/bert.h"
#include "embed/gguf.h"
#include "embed/model_tensors.h"
#include "embed/space.h"
#include "embed/wordpiece.h"

namespace corkscrew {
namespace {

// Tokens that one thread encodes together: enough to use the weights well,
// few enough to spread a batch. Below it another thread does not pay.
constexpr size_t kGroupTokens = 96;

absl::Status CheckTokenizer(const GgufFile& file) {
  const absl::StatusOr<absl::string_view> model =
      file.String("tokenizer.ggml.model");
  if (absl::IsNotFound(model.status())) {
    return absl::InvalidArgumentError(model.status().message());
  }
  CORKSCREW_RETURN_IF_ERROR(model.status());
  if (*model == "bert") return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat(
      file.name(), ": key \"tokenizer.ggml.model\" is \"", *model,
      "\", supported for architecture \"bert\" is \"bert\" (WordPiece)"));
}

absl::StatusOr<std::string> FingerprintOf(const GgufFile& file,
                                          const BertParameters& parameters,
                                          const ModelTensors& tensors,
                                          const WordPieceTokenizer& tokenizer,
                                          size_t max_tokens) {
  SpaceContent content;
  content.architecture = "bert";
  content.parameters = {
      {"attention.head_count", uint64_t{parameters.heads}},
      {"attention.layer_norm_epsilon", double{parameters.epsilon}},
      {"block_count", uint64_t{parameters.blocks}},
      {"embedding_length", uint64_t{parameters.dim}},
      {"feed_forward_length", uint64_t{parameters.feed_forward}}};
  content.tokenizer = "wordpiece";
  const WordPieceTokenizer::Rules rules = tokenizer.rules();
  content.tokenizer_parameters = {
      {"classify_id", static_cast<uint64_t>(rules.classify_id)},
      {"lowercase", uint64_t{rules.lowercase}},
      {"separator_id", static_cast<uint64_t>(rules.separator_id)},
      {"strip_accents", uint64_t{rules.strip_accents}},
      {"unknown_id", static_cast<uint64_t>(rules.unknown_id)}};
  CORKSCREW_ASSIGN_OR_RETURN(content.tokens,
                             file.Strings("tokenizer.ggml.tokens"));
  content.pooling = parameters.pooling == Pooling::kMean ? "mean" : "cls";
  content.normalisation = "l2";
  content.max_tokens = max_tokens;
  content.tensors.assign(tensors.used().begin(), tensors.used().end());
  return SpaceOf(std::move(content));
}

// Scales `vector` to unit length; zero stays zero. False if it is not finite.
bool NormalizeL2(absl::Span<float> vector) {
  double squares = 0;
  for (const float value : vector) squares += double{value} * double{value};
  if (!std::isfinite(squares)) return false;
  if (squares == 0) return true;
  const double scale = 1 / std::sqrt(squares);
  for (float& value : vector) {
    value = static_cast<float>(double{value} * scale);
  }
  return true;
}

}  // namespace

BertEmbedder::BertEmbedder(std::string name, BertEncoder encoder,
                           std::unique_ptr<const WordPieceTokenizer> tokenizer,
                           std::string space, size_t max_tokens, size_t threads)
    : name_(std::move(name)),
      encoder_(std::move(encoder)),
      tokenizer_(std::move(tokenizer)),
      space_(std::move(space)),
      max_tokens_(max_tokens),
      threads_(threads) {}

absl::StatusOr<std::shared_ptr<const BertEmbedder>> BertEmbedder::Create(
    const GgufFile& file, const EmbedderOptions& options, size_t threads) {
  CORKSCREW_RETURN_IF_ERROR(CheckTokenizer(file));
  CORKSCREW_ASSIGN_OR_RETURN(BertParameters parameters,
                             BertParameters::Read(file));
  const size_t max_tokens =
      options.max_tokens == 0 ? parameters.context : options.max_tokens;
  // Two are [CLS] and [SEP].
  if (max_tokens < 2 || max_tokens > parameters.context) {
    return absl::InvalidArgumentError(absl::StrCat(
        file.name(), ": max_tokens is ", max_tokens, ", want 2 to ",
        parameters.context, ", the model's limit"));
  }
  CORKSCREW_ASSIGN_OR_RETURN(auto tokenizer, WordPieceTokenizer::Create(file));
  parameters.vocabulary = tokenizer->vocabulary_size();
  ModelTensors tensors(file);
  CORKSCREW_ASSIGN_OR_RETURN(BertEncoder encoder,
                             BertEncoder::Create(parameters, &tensors));
  CORKSCREW_ASSIGN_OR_RETURN(
      std::string space,
      FingerprintOf(file, parameters, tensors, *tokenizer, max_tokens));
  if (threads == 0) threads = std::thread::hardware_concurrency();
  return std::shared_ptr<const BertEmbedder>(new BertEmbedder(
      file.name(), std::move(encoder), std::move(tokenizer), std::move(space),
      max_tokens, std::max<size_t>(threads, 1)));
}

absl::StatusOr<Embeddings> BertEmbedder::Embed(
    absl::Span<const absl::string_view> texts, TextKind /*kind*/) const {
  Embeddings result;
  result.texts.reserve(texts.size());
  std::vector<absl::Span<const int32_t>> tokens;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (!IsValidUtf8(texts[i])) {
      return absl::InvalidArgumentError(absl::StrCat(
          "text ", i, " of ", texts.size(), " is not valid UTF-8"));
    }
    result.texts.push_back(tokenizer_->Encode(texts[i], max_tokens_));
    tokens.emplace_back(result.texts.back().tokens);
  }
  CORKSCREW_ASSIGN_OR_RETURN(result.vectors, EmbedTokens(tokens));
  return result;
}

absl::StatusOr<std::vector<float>> BertEmbedder::EmbedTokens(
    absl::Span<const absl::Span<const int32_t>> texts) const {
  std::vector<float> vectors(texts.size() * dim());
  EncodeAll(texts, vectors.data());
  for (size_t i = 0; i < texts.size(); ++i) {
    if (!NormalizeL2(absl::MakeSpan(vectors).subspan(i * dim(), dim()))) {
      return absl::InvalidArgumentError(
          absl::StrCat(name_, ": the vector of text ", i,
                       " is not finite: the weights of the model overflow"));
    }
  }
  return vectors;
}

void BertEmbedder::EncodeAll(absl::Span<const absl::Span<const int32_t>> texts,
                             float* out) const {
  std::vector<size_t> begins;  // Of groups of texts.
  size_t tokens = kGroupTokens;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (tokens >= kGroupTokens) {
      begins.push_back(i);
      tokens = 0;
    }
    tokens += texts[i].size();
  }
  const size_t groups = begins.size();
  begins.push_back(texts.size());

  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < groups; i = next++) {
      encoder_.Encode(texts.subspan(begins[i], begins[i + 1] - begins[i]),
                      out + begins[i] * dim());
    }
  };
  std::vector<std::thread> helpers;
  while (helpers.size() + 1 < groups) {
    if (helpers_.fetch_add(1) + 1 >= threads_) {
      --helpers_;
      break;
    }
    try {
      helpers.emplace_back(work);
    } catch (const std::system_error&) {  // No more threads: do with these.
      --helpers_;
      break;
    }
  }
  work();
  for (std::thread& helper : helpers) helper.join();
  helpers_ -= helpers.size();
}

}  // namespace corkscrew
