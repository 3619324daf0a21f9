#include "db/current_version.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/hash.h"
#include "base/status_macros.h"
#include "db/filter.h"
#include "db/keys.h"
#include "db/metadata_codec.h"

namespace corkscrew {
namespace {

// Points `item` to the stored vector, and makes the code that goes with it.
absl::Status ResolveVector(const Index& index, const Body& body,
                           PreparedItem* item, PatchedParts* parts) {
  const Quantizer& quantizer = index.quantizer();
  item->form = body.form;
  item->vector_bytes = body.vector;
  parts->code.resize(quantizer.code_bytes());
  item->code = parts->code;
  if (body.form == VectorForm::kCode) {
    if (!BytesToCode(body.vector, absl::MakeSpan(parts->code),
                     &item->scalars)) {
      return absl::DataLossError("it has no code");
    }
    return quantizer.Validate(parts->code, item->scalars);
  }
  parts->original.resize(quantizer.params().dim);
  if (!ReadOriginal(body, absl::MakeSpan(parts->original))) {
    return absl::DataLossError("it has no original");
  }
  item->original = parts->original;
  return quantizer.Encode(parts->original, absl::MakeSpan(parts->code),
                          &item->scalars);
}

}  // namespace

std::string DescribeVersion(const std::optional<Version>& version) {
  if (!version.has_value()) return "no version";
  return absl::StrCat("version ", version->lamport, ".", version->seq,
                      " of replica ", version->replica.ToString(), " in life ",
                      absl::Hex(version->incarnation, absl::kZeroPad16));
}

absl::Status DamagedRow(const CollectionState& state, absl::string_view key,
                        const absl::Status& why) {
  return absl::DataLossError(absl::StrCat(
      "collection \"", state.row().name, "\": row ",
      absl::BytesToHexString(key), " is damaged: ", why.message()));
}

absl::StatusOr<Head> CurrentVersions::ReadHead(const CollectionState& state,
                                               absl::string_view id) const {
  const std::string key = HeadKey({state.number(), 0}, id);
  CORKSCREW_ASSIGN_OR_RETURN(const std::optional<std::string> value,
                             store_.Get(Family::kRows, key));
  if (!value.has_value()) return Head{};
  const absl::StatusOr<HeadRow> row = DecodeHeadRow(*value);
  if (!row.ok()) return DamagedRow(state, key, row.status());
  const std::optional<Origin> origin = origins_.Get(row->origin);
  if (!origin.has_value()) {
    return DamagedRow(
        state, key,
        absl::DataLossError(absl::StrCat("there is no origin ", row->origin)));
  }
  return Head{
      .exists = true,
      .tombstone = row->tombstone,
      .version = {row->lamport, origin->replica, origin->incarnation, row->seq},
      .row = *row};
}

absl::StatusOr<Body> CurrentVersions::ReadBody(const CollectionState& state,
                                               absl::string_view id,
                                               const Head& head,
                                               std::string* value) const {
  const std::string key = BodyRowKey(
      state.number(),
      {0, std::string(id), head.row.lamport, head.row.origin, head.row.seq});
  CORKSCREW_ASSIGN_OR_RETURN(std::optional<std::string> found,
                             store_.Get(Family::kBodies, key));
  if (!found.has_value()) {
    return DamagedRow(state, key, absl::DataLossError("it is missing"));
  }
  *value = *std::move(found);
  absl::StatusOr<Body> body = DecodeBody(key, *value);
  if (!body.ok()) return DamagedRow(state, key, body.status());
  return body;
}

absl::StatusOr<bool> CurrentVersions::SameContent(
    const CollectionState& state, const Head& head,
    const PreparedItem& item) const {
  if (head.staged != nullptr) {
    return head.staged->text == item.text &&
           head.staged->metadata_bytes == item.metadata_bytes &&
           head.staged->expires_ms == item.expires_ms &&
           head.staged->vector_bytes == item.vector_bytes;
  }
  std::string value;
  CORKSCREW_ASSIGN_OR_RETURN(const Body body,
                             ReadBody(state, item.id, head, &value));
  return body.expires_ms == item.expires_ms && body.text == item.text &&
         body.metadata == item.metadata_bytes && body.form == item.form &&
         body.vector == item.vector_bytes;
}

absl::StatusOr<bool> CurrentVersions::IsExpired(const CollectionState& state,
                                                absl::string_view id,
                                                const Head& head,
                                                int64_t now_ms) const {
  uint64_t expires_ms;
  if (head.staged != nullptr) {
    expires_ms = head.staged->expires_ms;
  } else {
    std::string value;
    CORKSCREW_ASSIGN_OR_RETURN(const Body body,
                               ReadBody(state, id, head, &value));
    expires_ms = body.expires_ms;
  }
  return expires_ms != 0 && now_ms >= 0 &&
         expires_ms <= static_cast<uint64_t>(now_ms);
}

absl::StatusOr<bool> CurrentVersions::Matches(const CollectionState& state,
                                              absl::string_view id,
                                              const Head& head,
                                              const Filter& filter) const {
  if (head.staged != nullptr) {
    return corkscrew::Matches(filter, *head.staged->metadata);
  }
  std::string value;
  CORKSCREW_ASSIGN_OR_RETURN(const Body body,
                             ReadBody(state, id, head, &value));
  CORKSCREW_ASSIGN_OR_RETURN(const Metadata metadata,
                             DecodeMetadata(body.metadata));
  return corkscrew::Matches(filter, metadata);
}

absl::Status CurrentVersions::ResolvePatch(const CollectionState& state,
                                           const Head& head, PreparedItem* item,
                                           PatchedParts* parts) const {
  const PatchItem& patch = *item->patch;
  const std::shared_ptr<Index> index = state.index();
  if (index == nullptr) {
    return absl::NotFoundError("the collection was dropped");
  }
  if (const PreparedItem* const staged = head.staged) {
    parts->metadata = *staged->metadata;
    item->text = staged->text;
    item->form = staged->form;
    item->vector_bytes = staged->vector_bytes;
    item->code = staged->code;
    item->scalars = staged->scalars;
    item->original = staged->original;
    item->expires_ms = staged->expires_ms;
    item->hashes = staged->hashes;
  } else {
    CORKSCREW_ASSIGN_OR_RETURN(const Body body,
                               ReadBody(state, item->id, head, &parts->body));
    CORKSCREW_ASSIGN_OR_RETURN(parts->metadata, DecodeMetadata(body.metadata));
    item->text = body.text;
    item->expires_ms = body.expires_ms;
    CORKSCREW_RETURN_IF_ERROR(ResolveVector(*index, body, item, parts));
    item->hashes.text = Sha256(item->text);
    item->hashes.vector = VectorHash(item->form, item->vector_bytes);
  }
  for (const std::string& key : patch.remove) parts->metadata.erase(key);
  for (const auto& [key, value] : patch.set) parts->metadata[key] = value;
  item->metadata = &parts->metadata;
  CORKSCREW_ASSIGN_OR_RETURN(item->metadata_bytes,
                             EncodeMetadata(parts->metadata));
  item->hashes.metadata = Sha256(item->metadata_bytes);
  return absl::OkStatus();
}

}  // namespace corkscrew
