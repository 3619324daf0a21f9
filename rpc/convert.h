#ifndef CORKSCREW_RPC_CONVERT_H_
#define CORKSCREW_RPC_CONVERT_H_

// The public types <-> the messages of proto/corkscrew/v1.
//
// ToProto() overwrites a default message. It fails with InvalidArgument on what
// a message can not carry: text that is not UTF-8, and a filter that is beyond
// its limits. All else passes unchecked, so that the database decides.
//
// FromProto() takes messages from anybody: it checks shapes (a choice that is
// not made, a UUID that is not 16 bytes, an unknown enumerator, the depth of a
// filter) and names the field by `path`, its place in the message. Strings of a
// parsed message are valid UTF-8. Limits on content are the database's to
// check.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "corkscrew/collection.h"
#include "corkscrew/db.h"
#include "corkscrew/v1/admin.pb.h"
#include "corkscrew/v1/records.pb.h"
#include "corkscrew/v1/search.pb.h"
#include "corkscrew/v1/types.pb.h"

namespace corkscrew {

using ProtoMetadata = google::protobuf::Map<std::string, v1::Value>;

// The place of a field in a message, put into words only when an error needs
// it. Borrows its parent and its name: pass it down, never keep it.
class FieldPath {
 public:
  explicit FieldPath(absl::string_view name) : name_(name) {}

  FieldPath Field(absl::string_view name) const { return {this, name, -1}; }
  FieldPath Item(absl::string_view name, int index) const {
    return {this, name, index};
  }
  FieldPath Key(absl::string_view name, absl::string_view key) const {
    FieldPath path(this, name, -1);
    path.key_ = key;
    return path;
  }

  // "query.filter.children[2].key", "record.metadata[\"year\"]"
  std::string ToString() const;

 private:
  FieldPath(const FieldPath* parent, absl::string_view name, int index)
      : parent_(parent), name_(name), index_(index) {}

  const FieldPath* parent_ = nullptr;
  absl::string_view name_;
  absl::string_view key_ = {};
  int index_ = -1;
};

// Copies `text` to `*out`, or fails: "NAME is not valid UTF-8".
absl::Status ToProtoText(absl::string_view name, absl::string_view text,
                         std::string* out);

// The same for names and ids: 'NAME "\\xff" is not valid UTF-8'.
absl::Status ToProtoId(absl::string_view name, absl::string_view id,
                       std::string* out);

// Copies the 16 bytes of a UUID.
absl::Status UuidFromProto(const std::string& bytes, const FieldPath& path,
                           Uuid* uuid);

// Values and parts of records.
absl::Status ToProto(const Value& value, v1::Value* proto);
absl::Status ToProto(const Metadata& metadata, ProtoMetadata* proto);
void ToProto(const Version& version, v1::Version* proto);
absl::Status ToProto(const Moment& moment, v1::Moment* proto);
void ToProto(const Fields& fields, v1::Fields* proto);
absl::Status ToProto(const Filter& filter, v1::Filter* proto);

absl::Status FromProto(const v1::Value& proto, const FieldPath& path,
                       Value* value);
absl::Status FromProto(const ProtoMetadata& proto, const FieldPath& path,
                       Metadata* metadata);
absl::Status FromProto(const v1::Version& proto, const FieldPath& path,
                       Version* version);
absl::Status FromProto(const v1::Moment& proto, const FieldPath& path,
                       Moment* moment);
Fields FromProto(const v1::Fields& proto);
absl::Status FromProto(const v1::Filter& proto, const FieldPath& path,
                       Filter* filter);

// Records.
absl::Status ToProto(const RecordView& record, v1::Record* proto);
absl::Status ToProto(const StoredRecord& record, v1::StoredRecord* proto);
absl::Status FromProto(const v1::StoredRecord& proto, const FieldPath& path,
                       StoredRecord* record);

// Collections.
absl::Status ToProto(const CollectionOptions& options,
                     v1::CollectionOptions* proto);
absl::Status ToProto(const CollectionInfo& info, v1::CollectionInfo* proto);
absl::Status ToProto(const CollectionStats& stats, v1::CollectionSizes* proto);
absl::Status ToProto(const DbStats& stats, v1::StatsResponse* proto);

absl::Status FromProto(const v1::CollectionOptions& proto,
                       const FieldPath& path, CollectionOptions* options);
absl::Status FromProto(const v1::CollectionInfo& proto, const FieldPath& path,
                       CollectionInfo* info);
absl::Status FromProto(const v1::CollectionSizes& proto, const FieldPath& path,
                       CollectionStats* stats);
absl::Status FromProto(const v1::StatsResponse& proto, DbStats* stats);

// Writes.
absl::Status ToProto(const PutItem& item, v1::PutItem* proto);
absl::Status ToProto(const WriteOptions& options, v1::WriteOptions* proto);
absl::Status FromProto(const v1::WriteOptions& proto, const FieldPath& path,
                       WriteOptions* options);

absl::Status ToProto(const PatchItem& item, v1::PatchItem* proto);
absl::Status FromProto(const v1::PatchItem& proto, const FieldPath& path,
                       PatchItem* item);  // Borrows the id.

void ToProto(const PutReply& reply, v1::PutResponse* proto);
void ToProto(const PutReply& reply, v1::PatchResponse* proto);
void ToProto(const DeleteReply& reply, v1::DeleteResponse* proto);
absl::Status FromProto(const v1::PutResponse& proto, PutReply* reply);
absl::Status FromProto(const v1::PatchResponse& proto, PutReply* reply);
DeleteReply FromProto(const v1::DeleteResponse& proto);

// The items of a Put as the database takes them. Borrows from the message.
struct PutItems {
  std::vector<Metadata> metadata = {};  // What items[i].record.metadata is.
  std::vector<PutItem> items = {};
};
absl::Status FromProto(
    const google::protobuf::RepeatedPtrField<v1::PutItem>& proto,
    PutItems* items);

// Searches.
absl::Status ToProto(const Query& query, v1::Query* proto);
absl::Status FromProto(const v1::Query& proto, const FieldPath& path,
                       Query* query);

absl::Status ToProto(const SearchReply& reply, v1::SearchResponse* proto);
absl::Status FromProto(const v1::SearchResponse& proto, const FieldPath& path,
                       SearchReply* reply);

}  // namespace corkscrew

#endif  // CORKSCREW_RPC_CONVERT_H_
