#include "db/version_reader.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "db/flaws.h"
#include "db/keys.h"
#include "db/metadata_codec.h"

namespace corkscrew {
namespace {

// Versions of an id that are stepped over one by one before seeking.
constexpr int kStepsBeforeSeek = 8;

}  // namespace

VersionReader::VersionReader(const Store& store, const OriginTable& origins,
                             const CollectionState& collection)
    : store_(store), origins_(origins), collection_(collection) {}

RowIterator& VersionReader::iterator() {
  if (iterator_ == nullptr) {
    const std::string begin = StreamPrefix({collection_.number(), 0});
    iterator_ = store_.NewIterator(Family::kBodies, begin, PrefixEnd(begin));
  }
  return *iterator_;
}

absl::Status VersionReader::Damaged(absl::string_view key,
                                    const absl::Status& why) const {
  return absl::DataLossError(absl::StrCat(
      "collection \"", collection_.row().name, "\": row hist/",
      absl::BytesToHexString(key), " is damaged: ", why.message()));
}

absl::StatusOr<Version> VersionReader::VersionOf(const BodyKey& key) const {
  const std::optional<Origin> origin = origins_.Get(key.origin);
  if (!origin.has_value()) {
    return Damaged(
        BodyRowKey(collection_.number(), key),
        absl::DataLossError(absl::StrCat("there is no origin ", key.origin)));
  }
  return Version{key.lamport, origin->replica, origin->incarnation, key.seq};
}

absl::StatusOr<std::unique_ptr<StoredVersion>> VersionReader::ReadRow() {
  auto out = std::make_unique<StoredVersion>();
  const absl::string_view key = iterator_->key();
  uint32_t collection;
  if (!ParseBodyRowKey(key, &collection, &out->key)) {
    return Damaged(key, absl::DataLossError("not a key of a body"));
  }
  out->value = std::string(iterator_->value());
  absl::StatusOr<Body> body = DecodeBody(key, out->value);
  if (!body.ok()) return Damaged(key, body.status());
  out->body = *body;
  CORKSCREW_ASSIGN_OR_RETURN(out->version, VersionOf(out->key));
  return out;
}

absl::StatusOr<std::vector<std::unique_ptr<StoredVersion>>>
VersionReader::ReadEqual(absl::string_view prefix) {
  std::vector<std::unique_ptr<StoredVersion>> rows;
  for (; iterator_->valid() && absl::StartsWith(iterator_->key(), prefix);
       iterator_->Next()) {
    // The key of the Lamport time follows the prefix.
    if (!rows.empty() &&
        iterator_->key().substr(prefix.size(), sizeof(Lamport)) !=
            BodySeekKey({collection_.number(), rows[0]->key.shard},
                        rows[0]->key.id, rows[0]->key.lamport)
                .substr(prefix.size())) {
      break;
    }
    CORKSCREW_ASSIGN_OR_RETURN(rows.emplace_back(), ReadRow());
  }
  CORKSCREW_RETURN_IF_ERROR(iterator_->status());
  if (FlawsForTests().no_merge_order) return rows;
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
    return a->version > b->version;
  });
  return rows;
}

absl::StatusOr<std::unique_ptr<StoredVersion>> VersionReader::ReadAt(
    absl::string_view id, Lamport at) {
  const Stream stream{collection_.number(), 0};
  iterator().Seek(BodySeekKey(stream, id, at));
  CORKSCREW_ASSIGN_OR_RETURN(auto rows, ReadEqual(BodyPrefix(stream, id)));
  if (rows.empty()) return nullptr;
  return std::move(rows[0]);
}

absl::Status VersionReader::VisitHistory(
    absl::string_view id, Lamport from,
    absl::FunctionRef<bool(const StoredVersion&)> visit) {
  const Stream stream{collection_.number(), 0};
  const std::string prefix = BodyPrefix(stream, id);
  iterator().Seek(BodySeekKey(stream, id, from));
  while (true) {
    CORKSCREW_ASSIGN_OR_RETURN(const auto rows, ReadEqual(prefix));
    if (rows.empty()) return absl::OkStatus();
    for (const auto& row : rows) {
      if (!visit(*row)) return absl::OkStatus();
    }
  }
}

absl::Status VersionReader::VisitRecords(
    absl::string_view after, Lamport at,
    absl::FunctionRef<absl::StatusOr<bool>(const StoredVersion&)> visit) {
  const Stream stream{collection_.number(), 0};
  iterator().Seek(after.empty() ? StreamPrefix(stream)
                                : PrefixEnd(BodyPrefix(stream, after)));
  while (iterator_->valid()) {
    uint32_t collection;
    BodyKey first;
    if (!ParseBodyRowKey(iterator_->key(), &collection, &first)) {
      return Damaged(iterator_->key(),
                     absl::DataLossError("not a key of a body"));
    }
    const std::string prefix = BodyPrefix(stream, first.id);
    if (first.lamport > at) iterator_->Seek(BodySeekKey(stream, first.id, at));
    CORKSCREW_ASSIGN_OR_RETURN(const auto rows, ReadEqual(prefix));
    if (!rows.empty()) {
      CORKSCREW_ASSIGN_OR_RETURN(const bool more, visit(*rows[0]));
      if (!more) return absl::OkStatus();
    }
    // To the next id, past older versions.
    int steps = 0;
    while (iterator_->valid() && absl::StartsWith(iterator_->key(), prefix)) {
      if (++steps > kStepsBeforeSeek) {
        iterator_->Seek(PrefixEnd(prefix));
      } else {
        iterator_->Next();
      }
    }
  }
  return iterator_->status();
}

absl::Status VersionReader::ReadVector(const Body& body,
                                       std::vector<float>* vector) const {
  const Descriptor& descriptor = collection_.row().descriptor;
  vector->resize(descriptor.quantizer.dim);
  if (body.form != VectorForm::kCode) {
    if (ReadOriginal(body, absl::MakeSpan(*vector))) return absl::OkStatus();
    return absl::DataLossError("its vector has the wrong size");
  }
  const std::shared_ptr<Index> index = collection_.index();
  if (index == nullptr) {
    return absl::NotFoundError(absl::StrCat(
        "collection \"", collection_.row().name, "\" was dropped"));
  }
  std::vector<uint8_t> code(index->quantizer().code_bytes());
  CodeScalars scalars;
  if (body.form != VectorForm::kCode ||
      !BytesToCode(body.vector, absl::MakeSpan(code), &scalars) ||
      !index->quantizer().Validate(code, scalars).ok()) {
    return absl::DataLossError("its code is malformed");
  }
  index->quantizer().Decode(code, scalars, absl::MakeSpan(*vector));
  return absl::OkStatus();
}

absl::Status VersionReader::Fill(const StoredVersion& version,
                                 const Fields& fields,
                                 StoredRecord* record) const {
  record->record.id = version.key.id;
  record->version = version.version;
  record->wall_ms = version.body.wall_ms;
  record->expires_ms = static_cast<int64_t>(version.body.expires_ms);
  record->deleted = version.body.kind != OpKind::kPut;
  if (record->deleted) return absl::OkStatus();
  const auto damaged = [&](const absl::Status& why) {
    if (!absl::IsDataLoss(why)) return why;
    return Damaged(BodyRowKey(collection_.number(), version.key), why);
  };
  if (fields.text) record->record.text = std::string(version.body.text);
  if (fields.metadata) {
    absl::StatusOr<Metadata> metadata = DecodeMetadata(version.body.metadata);
    if (!metadata.ok()) return damaged(metadata.status());
    record->record.metadata = *std::move(metadata);
  }
  if (fields.vector) {
    const absl::Status read = ReadVector(version.body, &record->record.vector);
    if (!read.ok()) return damaged(read);
  }
  return absl::OkStatus();
}

absl::Status VersionReader::ReadBodies(
    absl::Span<const BodyKey> keys,
    absl::FunctionRef<absl::Status(size_t, const Body&)> visit) const {
  std::vector<std::string> rows;
  rows.reserve(keys.size());
  for (const BodyKey& key : keys) {
    rows.push_back(BodyRowKey(collection_.number(), key));
  }
  return store_.MultiGet(
      Family::kBodies, rows,
      [&](size_t i, std::optional<absl::string_view> value) -> absl::Status {
        if (!value.has_value()) {
          return Damaged(rows[i], absl::DataLossError("it is missing"));
        }
        const absl::StatusOr<Body> body = DecodeBody(rows[i], *value);
        if (!body.ok()) return Damaged(rows[i], body.status());
        absl::Status status = visit(i, *body);
        if (absl::IsDataLoss(status)) return Damaged(rows[i], status);
        return status;
      });
}

absl::Status StoreOriginals::ReadOriginals(absl::Span<const BodyKey> bodies,
                                           absl::Span<float> vectors) const {
  if (bodies.empty()) return absl::OkStatus();
  const size_t dim = vectors.size() / bodies.size();
  return reader_.ReadBodies(
      bodies, [&](size_t i, const Body& body) -> absl::Status {
        if (ReadOriginal(body, vectors.subspan(i * dim, dim))) {
          return absl::OkStatus();
        }
        return absl::DataLossError("it has no original");
      });
}

}  // namespace corkscrew
