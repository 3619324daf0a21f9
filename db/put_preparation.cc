#include "db/put_preparation.h"

#include <algorithm>
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
#include "base/hash.h"
#include "base/sha256_pair.h"
#include "base/status_macros.h"
#include "corkscrew/embedder.h"
#include "corkscrew/limits.h"
#include "db/body.h"
#include "db/call_end.h"
#include "db/metadata_codec.h"
#include "db/packed_vector.h"
#include "db/record_limits.h"

namespace corkscrew {
namespace {

// Texts embedded between two looks at the deadline.
constexpr size_t kEmbedChunk = 32;

const Metadata& NoMetadata() {
  static const auto* const kNone = new Metadata;
  return *kNone;
}

// That of most records, once.
const Sha256Digest& HashOfNoMetadata() {
  static const Sha256Digest kHash =
      Sha256(EncodeMetadata(NoMetadata()).value_or(""));
  return kHash;
}

}  // namespace

PutPreparation::PutPreparation(const Engine& engine,
                               std::shared_ptr<CollectionState> state,
                               absl::Span<const PutItem> items,
                               const WriteOptions& options,
                               const CallOptions& call)
    : engine_(engine),
      state_(std::move(state)),
      index_(state_->index()),
      inputs_(items),
      options_(options),
      call_(call) {}

absl::Status PutPreparation::ItemError(size_t i,
                                       const absl::Status& status) const {
  return absl::Status(status.code(),
                      absl::StrCat("collection \"", state_->row().name,
                                   "\": item ", i, ": ", status.message()));
}

absl::Status PutPreparation::Run() {
  if (index_ == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("collection \"", state_->row().name, "\" was dropped"));
  }
  CORKSCREW_RETURN_IF_ERROR(CheckCounts());
  prepared_.resize(inputs_.size());
  statuses_.resize(inputs_.size());
  vectors_.resize(inputs_.size());
  for (size_t i = 0; i < inputs_.size(); ++i) {
    absl::Status status = CheckItem(i);
    if (status.ok()) continue;
    status = ItemError(i, status);
    // Only what is wrong with the record itself can be skipped.
    if (!options_.skip_invalid || !absl::IsInvalidArgument(status)) {
      return status;
    }
    prepared_[i].invalid = true;
    statuses_[i] = std::move(status);
  }
  CORKSCREW_RETURN_IF_ERROR(CheckBytes());
  CORKSCREW_RETURN_IF_ERROR(Embed());
  CORKSCREW_RETURN_IF_ERROR(Round());
  return Encode();
}

absl::Status PutPreparation::CheckCounts() const {
  const auto error = [&](absl::StatusCode code, absl::string_view what) {
    return absl::Status(
        code, absl::StrCat("collection \"", state_->row().name, "\": ", what));
  };
  if (inputs_.empty()) {
    return error(absl::StatusCode::kInvalidArgument, "no items to put");
  }
  if (inputs_.size() > kMaxPutRecords) {
    return error(absl::StatusCode::kResourceExhausted,
                 absl::StrCat(inputs_.size(), " items in one put, at most ",
                              kMaxPutRecords, " are allowed"));
  }
  return absl::OkStatus();
}

absl::Status PutPreparation::CheckItem(size_t i) {
  const PutItem& input = inputs_[i];
  const RecordView& record = input.record;
  PreparedItem& item = prepared_[i];
  item.id = record.id;
  item.text = record.text;
  item.metadata = record.metadata == nullptr ? &NoMetadata() : record.metadata;
  item.if_version = input.if_version;
  item.expires_ms = static_cast<uint64_t>(record.expires_ms);
  if (record.expires_ms < 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expires_ms is ", record.expires_ms, ", want 0 (never) or a time"));
  }
  CORKSCREW_RETURN_IF_ERROR(CheckId(record.id));
  CORKSCREW_RETURN_IF_ERROR(CheckText(record.text));
  CORKSCREW_ASSIGN_OR_RETURN(item.metadata_bytes,
                             EncodeMetadata(*item.metadata));
  const Descriptor& descriptor = state_->row().descriptor;
  if (!record.vector.empty()) {
    vectors_[i] = record.vector;
    return CheckVector(record.vector, descriptor.quantizer.dim,
                       descriptor.metric);
  }
  if (record.text.empty()) {
    return absl::InvalidArgumentError("neither text nor vector");
  }
  return engine_.EmbedderFor(*state_).status();
}

absl::Status PutPreparation::CheckBytes() {
  const size_t vector_bytes = [&] {
    const Descriptor& descriptor = state_->row().descriptor;
    switch (descriptor.originals) {
      case Originals::kBFloat16:
        return descriptor.quantizer.dim * sizeof(uint16_t);
      case Originals::kCodesOnly:
        return index_->quantizer().code_bytes() + 2 * sizeof(float);
      default:
        return descriptor.quantizer.dim * sizeof(float);
    }
  }();
  for (const PreparedItem& item : prepared_) {
    if (item.invalid) continue;
    bytes_ += item.id.size() + item.text.size() + item.metadata_bytes.size() +
              vector_bytes;
  }
  if (bytes_ <= kMaxPutBytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "collection \"", state_->row().name, "\": the put has ", bytes_,
      " bytes of ids, texts, metadata and vectors, at most ", kMaxPutBytes,
      " are allowed"));
}

absl::Status PutPreparation::Embed() {
  std::vector<size_t> items;
  for (size_t i = 0; i < prepared_.size(); ++i) {
    if (!prepared_[i].invalid && vectors_[i].empty()) items.push_back(i);
  }
  if (items.empty()) return absl::OkStatus();
  CORKSCREW_ASSIGN_OR_RETURN(const std::shared_ptr<const Embedder> embedder,
                             engine_.EmbedderFor(*state_));
  const Descriptor& descriptor = state_->row().descriptor;
  const size_t dim = descriptor.quantizer.dim;
  embedded_.resize(items.size() * dim);
  std::vector<absl::string_view> texts;
  for (size_t first = 0; first < items.size(); first += kEmbedChunk) {
    CORKSCREW_RETURN_IF_ERROR(CheckCall(call_));
    const size_t count = std::min(kEmbedChunk, items.size() - first);
    texts.clear();
    for (size_t i = 0; i < count; ++i) {
      texts.push_back(prepared_[items[first + i]].text);
    }
    CORKSCREW_ASSIGN_OR_RETURN(const Embeddings embeddings,
                               embedder->Embed(texts, TextKind::kDocument));
    if (embeddings.vectors.size() != count * dim ||
        embeddings.texts.size() != count) {
      return absl::InternalError(absl::StrCat(
          "collection \"", state_->row().name, "\": the model returned ",
          embeddings.vectors.size(), " coordinates for ", count, " texts"));
    }
    std::copy(embeddings.vectors.begin(), embeddings.vectors.end(),
              embedded_.begin() + static_cast<ptrdiff_t>(first * dim));
    for (size_t i = 0; i < count; ++i) {
      const size_t item = items[first + i];
      prepared_[item].truncated = embeddings.texts[i].truncated;
      vectors_[item] =
          absl::MakeConstSpan(embedded_).subspan((first + i) * dim, dim);
      const absl::Status usable =
          CheckVector(vectors_[item], dim, descriptor.metric);
      if (!usable.ok()) return ItemError(item, usable);
    }
  }
  return absl::OkStatus();
}

absl::Status PutPreparation::Round() {
  const Descriptor& descriptor = state_->row().descriptor;
  if (descriptor.originals != Originals::kBFloat16) return absl::OkStatus();
  const size_t dim = descriptor.quantizer.dim;
  rounded_.resize(prepared_.size() * dim);
  vector_records_.resize(prepared_.size());
  for (size_t i = 0; i < prepared_.size(); ++i) {
    if (prepared_[i].invalid) continue;
    const absl::Span<float> rounded =
        absl::MakeSpan(rounded_).subspan(i * dim, dim);
    vector_records_[i] = FloatsToBFloat16Bytes(vectors_[i], rounded);
    vectors_[i] = rounded;
    // A vector at the limits of length may have left them.
    const absl::Status usable = CheckVector(rounded, dim, descriptor.metric);
    if (usable.ok()) continue;
    absl::Status status = ItemError(i, absl::InvalidArgumentError(absl::StrCat(
                                           "as bfloat16, ", usable.message())));
    if (!options_.skip_invalid) return status;
    prepared_[i].invalid = true;
    statuses_[i] = std::move(status);
  }
  return absl::OkStatus();
}

absl::Status PutPreparation::Encode() {
  const Quantizer& quantizer = index_->quantizer();
  const size_t code_bytes = quantizer.code_bytes();
  const Originals originals = state_->row().descriptor.originals;
  codes_.resize(prepared_.size() * code_bytes);
  vector_records_.resize(prepared_.size());
  for (size_t i = 0; i < prepared_.size(); ++i) {
    PreparedItem& item = prepared_[i];
    if (item.invalid) continue;
    if (i % 256 == 0) CORKSCREW_RETURN_IF_ERROR(CheckCall(call_));
    const absl::Span<uint8_t> code =
        absl::MakeSpan(codes_).subspan(i * code_bytes, code_bytes);
    const absl::Status encoded =
        quantizer.Encode(vectors_[i], code, &item.scalars);
    if (!encoded.ok()) return ItemError(i, encoded);
    item.code = code;
    if (originals == Originals::kCodesOnly) {
      vector_records_[i] = CodeToBytes(code, item.scalars);
      item.form = VectorForm::kCode;
      item.vector_bytes = vector_records_[i];
    } else if (originals == Originals::kBFloat16) {
      item.form = VectorForm::kBFloat16;
      item.original = vectors_[i];
      item.vector_bytes = vector_records_[i];
    } else {
      item.form = VectorForm::kFloat32;
      item.original = vectors_[i];
      item.vector_bytes = {reinterpret_cast<const char*>(vectors_[i].data()),
                           vectors_[i].size() * sizeof(float)};
    }
    item.hashes.text = Sha256(item.text);
    item.hashes.metadata = item.metadata->empty() ? HashOfNoMetadata()
                                                  : Sha256(item.metadata_bytes);
  }
  HashVectors();
  // Only now: the hash is of the floats, packed or not (VectorHash()).
  for (size_t i = 0; i < prepared_.size(); ++i) {
    PreparedItem& item = prepared_[i];
    if (item.invalid || item.form != VectorForm::kFloat32) continue;
    if (PackVector(vectors_[i], &vector_records_[i])) {
      item.form = VectorForm::kPacked;
      item.vector_bytes = vector_records_[i];
    }
  }
  return absl::OkStatus();
}

void PutPreparation::HashVectors() {
  PreparedItem* first = nullptr;  // Of a pair.
  for (PreparedItem& item : prepared_) {
    if (item.invalid) continue;
    if (first == nullptr) {
      first = &item;
      continue;
    }
    Sha256Pair(first->vector_bytes, item.vector_bytes, &first->hashes.vector,
               &item.hashes.vector);
    first = nullptr;
  }
  if (first != nullptr) first->hashes.vector = Sha256(first->vector_bytes);
}

Hash16 PutPreparation::request_hash() const {
  std::vector<RequestItem> items;
  items.reserve(inputs_.size());
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const RecordView& record = inputs_[i].record;
    items.push_back({.id = record.id,
                     .has_vector = !record.vector.empty(),
                     .vector = record.vector,
                     .text = record.text,
                     .metadata_bytes = prepared_[i].metadata_bytes.empty()
                                           ? nullptr
                                           : &prepared_[i].metadata_bytes,
                     .expires_ms = static_cast<uint64_t>(record.expires_ms),
                     .if_version = inputs_[i].if_version});
  }
  return RequestHash(RequestKind::kPut, items);
}

}  // namespace corkscrew
