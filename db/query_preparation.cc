#include "db/query_preparation.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "corkscrew/embedder.h"
#include "corkscrew/limits.h"
#include "db/call_end.h"
#include "db/expiry.h"
#include "db/filter.h"
#include "db/metadata_codec.h"
#include "db/moments.h"
#include "db/record_limits.h"

namespace corkscrew {
namespace {

// Texts embedded between two looks at the deadline.
constexpr size_t kEmbedChunk = 32;

}  // namespace

absl::Status CheckSpace(absl::string_view space, const Descriptor& descriptor) {
  if (space.empty() || space == descriptor.space) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "the vectors are of embedding space ", space, ", the collection has ",
      descriptor.space.empty() ? "none" : descriptor.space));
}

absl::Status QueryPreparation::CheckOptions(const Query& query) const {
  if (query.mode != SearchMode::kVector) {
    return absl::UnimplementedError("only search mode kVector exists yet");
  }
  if (query.k == 0)
    return absl::InvalidArgumentError("k is 0, want at least 1");
  if (query.k > kMaxK) {
    return absl::ResourceExhaustedError(
        absl::StrCat("k is ", query.k, ", at most ", kMaxK, " is allowed"));
  }
  if (!(query.oversample >= 1 && query.oversample <= kMaxOversample)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "oversample is ", query.oversample, ", want 1 to ", kMaxOversample));
  }
  if (query.min_score.has_value() && std::isnan(*query.min_score)) {
    return absl::InvalidArgumentError("min_score is NaN");
  }
  const Descriptor& descriptor = state_->row().descriptor;
  if (query.exact && descriptor.originals == Originals::kCodesOnly) {
    return absl::FailedPreconditionError(
        "exact search needs stored vectors, the collection keeps codes only");
  }
  CORKSCREW_RETURN_IF_ERROR(ValidateFilter(query.filter));
  return CheckSpace(query.space, descriptor);
}

absl::Status QueryPreparation::Add(const Query& query) {
  CORKSCREW_RETURN_IF_ERROR(CheckOptions(query));
  CORKSCREW_ASSIGN_OR_RETURN(const ReadMoment moment,
                             moments_.Resolve(query.at));
  queries_.push_back({.k = query.k,
                      .oversample = query.oversample,
                      .exact = query.exact,
                      .filter = &query.filter,
                      .at = moment.at,
                      .min_score = query.min_score});
  if (state_->expires) {
    queries_.back().filter =
        &filters_.emplace_back(UnexpiredFilter(query.filter, moment.wall_ms));
  }
  truncated_.push_back(false);
  if (const auto* text = std::get_if<std::string>(&query.target)) {
    return AddText(*text);
  }
  if (const auto* like = std::get_if<Query::LikeId>(&query.target)) {
    return AddLike(*like, moment);
  }
  const Descriptor& descriptor = state_->row().descriptor;
  const auto& vector = std::get<std::vector<float>>(query.target);
  queries_.back().vector = vector;
  return CheckVector(vector, descriptor.quantizer.dim, descriptor.metric);
}

absl::Status QueryPreparation::AddText(absl::string_view text) {
  if (text.empty()) {
    return absl::InvalidArgumentError("the text of the query is empty");
  }
  CORKSCREW_RETURN_IF_ERROR(CheckText(text));
  CORKSCREW_RETURN_IF_ERROR(engine_.EmbedderFor(*state_).status());
  text_queries_.push_back(queries_.size() - 1);
  texts_.push_back(text);
  return absl::OkStatus();
}

absl::Status QueryPreparation::AddLike(const Query::LikeId& like,
                                       const ReadMoment& moment) {
  CORKSCREW_RETURN_IF_ERROR(CheckId(like.id));
  VersionReader reader(engine_.store(), engine_.origins(), *state_);
  CORKSCREW_ASSIGN_OR_RETURN(const auto version,
                             reader.ReadAt(like.id, moment.at));
  if (version == nullptr || !IsLive(version->body, moment)) {
    return absl::NotFoundError(absl::StrCat("there is no record \"", like.id,
                                            "\" at Lamport time ", moment.at));
  }
  StoredRecord record;
  CORKSCREW_RETURN_IF_ERROR(reader.Fill(
      *version, {.vector = true, .text = false, .metadata = false}, &record));
  queries_.back().vector =
      vectors_.emplace_back(std::move(record.record.vector));
  queries_.back().exclude_id = like.id;
  return absl::OkStatus();
}

absl::Status QueryPreparation::Embed() {
  if (texts_.empty()) return absl::OkStatus();
  CORKSCREW_ASSIGN_OR_RETURN(const std::shared_ptr<const Embedder> embedder,
                             engine_.EmbedderFor(*state_));
  const Descriptor& descriptor = state_->row().descriptor;
  const size_t dim = descriptor.quantizer.dim;
  for (size_t first = 0; first < texts_.size(); first += kEmbedChunk) {
    CORKSCREW_RETURN_IF_ERROR(CheckCall(call_));
    const auto texts = absl::MakeConstSpan(texts_).subspan(first, kEmbedChunk);
    CORKSCREW_ASSIGN_OR_RETURN(Embeddings embeddings,
                               embedder->Embed(texts, TextKind::kQuery));
    if (embeddings.vectors.size() != texts.size() * dim ||
        embeddings.texts.size() != texts.size()) {
      return absl::InternalError(
          absl::StrCat("the model returned ", embeddings.vectors.size(),
                       " coordinates for ", texts.size(), " texts"));
    }
    const std::vector<float>& vectors =
        vectors_.emplace_back(std::move(embeddings.vectors));
    for (size_t i = 0; i < texts.size(); ++i) {
      const size_t query = text_queries_[first + i];
      queries_[query].vector =
          absl::MakeConstSpan(vectors).subspan(i * dim, dim);
      truncated_[query] = embeddings.texts[i].truncated;
      CORKSCREW_RETURN_IF_ERROR(
          CheckVector(queries_[query].vector, dim, descriptor.metric));
    }
  }
  return absl::OkStatus();
}

absl::Status FillHits(const VersionReader& reader,
                      absl::Span<const IndexHit> found, const Fields& fields,
                      std::vector<Hit>* hits) {
  hits->resize(found.size());
  std::vector<BodyKey> keys;
  keys.reserve(found.size());
  for (size_t i = 0; i < found.size(); ++i) {
    Hit& hit = (*hits)[i];
    hit.id = found[i].body.id;
    hit.score = found[i].score;
    CORKSCREW_ASSIGN_OR_RETURN(hit.version, reader.VersionOf(found[i].body));
    keys.push_back(found[i].body);
  }
  if (!fields.vector && !fields.text && !fields.metadata) {
    return absl::OkStatus();
  }
  return reader.ReadBodies(keys, [&](size_t i, const Body& body) {
    Hit& hit = (*hits)[i];
    if (fields.text) hit.text = std::string(body.text);
    if (fields.metadata) {
      absl::StatusOr<Metadata> metadata = DecodeMetadata(body.metadata);
      if (!metadata.ok()) return metadata.status();
      hit.metadata = *std::move(metadata);
    }
    return fields.vector ? reader.ReadVector(body, &hit.vector)
                         : absl::OkStatus();
  });
}

}  // namespace corkscrew
