// Values, records and their parts. Collections, writes and searches are in
// convert_calls.cc.

#include "rpc/convert.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "corkscrew/limits.h"
#include "rpc/status.h"

namespace corkscrew {
namespace {

// The enumerators have the same order on both sides; 0 is unspecified on the
// wire.
static_assert(static_cast<int>(Filter::Op::kAll) + 1 == v1::FILTER_OP_ALL);
static_assert(static_cast<int>(Filter::Op::kNot) + 1 == v1::FILTER_OP_NOT);
static_assert(static_cast<int>(Filter::Op::kEq) + 1 == v1::FILTER_OP_EQ);
static_assert(static_cast<int>(Filter::Op::kGe) + 1 == v1::FILTER_OP_GE);
static_assert(static_cast<int>(Filter::Op::kIn) + 1 == v1::FILTER_OP_IN);
static_assert(static_cast<int>(Filter::Op::kContains) + 1 ==
              v1::FILTER_OP_CONTAINS);

// Counts down while a filter is converted.
struct FilterBudget {
  size_t nodes = kMaxFilterNodes;
};

std::string TooDeep() {
  return absl::StrCat("nested deeper than ", kMaxFilterDepth, " levels");
}
std::string TooManyNodes() {
  return absl::StrCat("the filter has more than ", kMaxFilterNodes, " nodes");
}

absl::Status ToProtoNode(const Filter& filter, size_t depth,
                         FilterBudget* budget, v1::Filter* proto) {
  if (depth > kMaxFilterDepth) {
    return absl::InvalidArgumentError(absl::StrCat("filter: ", TooDeep()));
  }
  if (budget->nodes == 0) {
    return absl::InvalidArgumentError(absl::StrCat("filter: ", TooManyNodes()));
  }
  --budget->nodes;
  proto->set_op(static_cast<v1::FilterOp>(static_cast<int>(filter.op) + 1));
  CORKSCREW_RETURN_IF_ERROR(
      ToProtoText("filter: key", filter.key, proto->mutable_key()));
  for (const Value& value : filter.values) {
    CORKSCREW_RETURN_IF_ERROR(ToProto(value, proto->add_values()));
  }
  for (const Filter& child : filter.children) {
    CORKSCREW_RETURN_IF_ERROR(
        ToProtoNode(child, depth + 1, budget, proto->add_children()));
  }
  return absl::OkStatus();
}

absl::Status FromProtoNode(const v1::Filter& proto, const FieldPath& path,
                           size_t depth, FilterBudget* budget, Filter* filter) {
  if (depth > kMaxFilterDepth) {
    return FieldViolation(path.ToString(), TooDeep());
  }
  if (budget->nodes == 0) {
    return FieldViolation(path.ToString(), TooManyNodes());
  }
  --budget->nodes;
  if (proto.op() == v1::FILTER_OP_UNSPECIFIED ||
      !v1::FilterOp_IsValid(proto.op())) {
    return FieldViolation(
        path.Field("op").ToString(),
        absl::StrCat("unknown operator ", static_cast<int>(proto.op())));
  }
  filter->op = static_cast<Filter::Op>(static_cast<int>(proto.op()) - 1);
  filter->key = proto.key();
  filter->values.resize(proto.values_size());
  for (int i = 0; i < proto.values_size(); ++i) {
    CORKSCREW_RETURN_IF_ERROR(
        FromProto(proto.values(i), path.Item("values", i), &filter->values[i]));
  }
  // A message of 20 MiB can hold millions of nodes: count before allocating.
  if (static_cast<size_t>(proto.children_size()) > budget->nodes) {
    return FieldViolation(path.Field("children").ToString(), TooManyNodes());
  }
  filter->children.resize(proto.children_size());
  for (int i = 0; i < proto.children_size(); ++i) {
    CORKSCREW_RETURN_IF_ERROR(FromProtoNode(proto.children(i),
                                            path.Item("children", i), depth + 1,
                                            budget, &filter->children[i]));
  }
  return absl::OkStatus();
}

}  // namespace

std::string FieldPath::ToString() const {
  std::string text;
  if (parent_ != nullptr) text = absl::StrCat(parent_->ToString(), ".");
  absl::StrAppend(&text, name_);
  if (index_ >= 0) absl::StrAppend(&text, "[", index_, "]");
  if (!key_.empty()) {
    absl::StrAppend(&text, "[\"", absl::Utf8SafeCHexEscape(key_), "\"]");
  }
  return text;
}

absl::Status ToProtoText(absl::string_view name, absl::string_view text,
                         std::string* out) {
  if (!IsValidUtf8(text)) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " is not valid UTF-8"));
  }
  out->assign(text.data(), text.size());
  return absl::OkStatus();
}

absl::Status ToProtoId(absl::string_view name, absl::string_view id,
                       std::string* out) {
  if (!IsValidUtf8(id)) {
    return absl::InvalidArgumentError(absl::StrCat(
        name, " \"", absl::CHexEscape(id), "\" is not valid UTF-8"));
  }
  out->assign(id.data(), id.size());
  return absl::OkStatus();
}

absl::Status UuidFromProto(const std::string& bytes, const FieldPath& path,
                           Uuid* uuid) {
  if (bytes.size() != uuid->bytes.size()) {
    return FieldViolation(path.ToString(),
                          absl::StrCat("a UUID has ", bytes.size(),
                                       " bytes, want ", uuid->bytes.size()));
  }
  std::copy(bytes.begin(), bytes.end(), uuid->bytes.begin());
  return absl::OkStatus();
}

absl::Status ToProto(const Value& value, v1::Value* proto) {
  switch (value.index()) {
    case 0:
      proto->set_bool_value(std::get<bool>(value));
      return absl::OkStatus();
    case 1:
      proto->set_int_value(std::get<int64_t>(value));
      return absl::OkStatus();
    case 2:
      proto->set_double_value(std::get<double>(value));
      return absl::OkStatus();
    case 3:
      return ToProtoText("value", std::get<std::string>(value),
                         proto->mutable_string_value());
    default:
      proto->mutable_list_value();
      for (const std::string& text :
           std::get<std::vector<std::string>>(value)) {
        CORKSCREW_RETURN_IF_ERROR(ToProtoText(
            "value", text, proto->mutable_list_value()->add_values()));
      }
      return absl::OkStatus();
  }
}

absl::Status FromProto(const v1::Value& proto, const FieldPath& path,
                       Value* value) {
  switch (proto.kind_case()) {
    case v1::Value::kBoolValue:
      *value = proto.bool_value();
      return absl::OkStatus();
    case v1::Value::kIntValue:
      *value = int64_t{proto.int_value()};
      return absl::OkStatus();
    case v1::Value::kDoubleValue:
      *value = proto.double_value();
      return absl::OkStatus();
    case v1::Value::kStringValue:
      *value = proto.string_value();
      return absl::OkStatus();
    case v1::Value::kListValue:
      *value = std::vector<std::string>(proto.list_value().values().begin(),
                                        proto.list_value().values().end());
      return absl::OkStatus();
    case v1::Value::KIND_NOT_SET:
      break;
  }
  return FieldViolation(path.ToString(), "no kind of value is set");
}

absl::Status ToProto(const Metadata& metadata, ProtoMetadata* proto) {
  for (const auto& [key, value] : metadata) {
    std::string text;
    CORKSCREW_RETURN_IF_ERROR(ToProtoText("metadata: a key", key, &text));
    const absl::Status status = ToProto(value, &(*proto)[text]);
    if (!status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("metadata key \"", key, "\": ", status.message()));
    }
  }
  return absl::OkStatus();
}

absl::Status FromProto(const ProtoMetadata& proto, const FieldPath& path,
                       Metadata* metadata) {
  for (const auto& [key, value] : proto) {
    CORKSCREW_RETURN_IF_ERROR(
        FromProto(value, path.Key("metadata", key), &(*metadata)[key]));
  }
  return absl::OkStatus();
}

void ToProto(const Version& version, v1::Version* proto) {
  proto->set_lamport(version.lamport);
  proto->set_replica(version.replica.bytes.data(),
                     version.replica.bytes.size());
  proto->set_incarnation(version.incarnation);
  proto->set_seq(version.seq);
}

absl::Status FromProto(const v1::Version& proto, const FieldPath& path,
                       Version* version) {
  version->lamport = proto.lamport();
  version->incarnation = proto.incarnation();
  version->seq = proto.seq();
  return UuidFromProto(proto.replica(), path.Field("replica"),
                       &version->replica);
}

absl::Status ToProto(const Moment& moment, v1::Moment* proto) {
  if (const auto* lamport = std::get_if<Lamport>(&moment.value)) {
    proto->set_lamport(*lamport);
    return absl::OkStatus();
  }
  if (const auto* time = std::get_if<absl::Time>(&moment.value)) {
    // The years 1 to 9999, which are all that a Timestamp has.
    const absl::Time known =
        std::clamp(*time, absl::FromUnixSeconds(-62'135'596'800),
                   absl::FromUnixSeconds(253'402'300'799));
    const int64_t seconds = absl::ToUnixSeconds(known);
    proto->mutable_wall_time()->set_seconds(seconds);
    proto->mutable_wall_time()->set_nanos(static_cast<int32_t>(
        absl::ToInt64Nanoseconds(known - absl::FromUnixSeconds(seconds))));
    return absl::OkStatus();
  }
  return ToProtoText("tag", std::get<Moment::Tag>(moment.value).name,
                     proto->mutable_tag());
}

absl::Status FromProto(const v1::Moment& proto, const FieldPath& path,
                       Moment* moment) {
  switch (proto.kind_case()) {
    case v1::Moment::kLamport:
      *moment = Moment::At(proto.lamport());
      return absl::OkStatus();
    case v1::Moment::kWallTime:
      if (proto.wall_time().nanos() < 0 ||
          proto.wall_time().nanos() >= 1'000'000'000) {
        return FieldViolation(path.Field("wall_time").ToString(),
                              absl::StrCat(proto.wall_time().nanos(),
                                           " nanos, want 0..999999999"));
      }
      *moment =
          Moment::AtTime(absl::FromUnixSeconds(proto.wall_time().seconds()) +
                         absl::Nanoseconds(proto.wall_time().nanos()));
      return absl::OkStatus();
    case v1::Moment::kTag:
      *moment = Moment::AtTag(proto.tag());
      return absl::OkStatus();
    case v1::Moment::KIND_NOT_SET:
      break;
  }
  return FieldViolation(path.ToString(), "no kind of moment is set");
}

void ToProto(const Fields& fields, v1::Fields* proto) {
  proto->set_vector(fields.vector);
  proto->set_text(fields.text);
  proto->set_metadata(fields.metadata);
}

Fields FromProto(const v1::Fields& proto) {
  return {.vector = proto.vector(),
          .text = proto.text(),
          .metadata = proto.metadata()};
}

absl::Status ToProto(const Filter& filter, v1::Filter* proto) {
  FilterBudget budget;
  return ToProtoNode(filter, 1, &budget, proto);
}

absl::Status FromProto(const v1::Filter& proto, const FieldPath& path,
                       Filter* filter) {
  FilterBudget budget;
  return FromProtoNode(proto, path, 1, &budget, filter);
}

absl::Status ToProto(const RecordView& record, v1::Record* proto) {
  CORKSCREW_RETURN_IF_ERROR(ToProtoId("id", record.id, proto->mutable_id()));
  CORKSCREW_RETURN_IF_ERROR(
      ToProtoText("text", record.text, proto->mutable_text()));
  proto->mutable_vector()->Add(record.vector.begin(), record.vector.end());
  if (record.metadata == nullptr) return absl::OkStatus();
  return ToProto(*record.metadata, proto->mutable_metadata());
}

absl::Status ToProto(const StoredRecord& record, v1::StoredRecord* proto) {
  CORKSCREW_RETURN_IF_ERROR(
      ToProto(RecordView(record.record), proto->mutable_record()));
  ToProto(record.version, proto->mutable_version());
  proto->set_wall_ms(record.wall_ms);
  proto->set_deleted(record.deleted);
  proto->set_expires_ms(record.expires_ms);
  return absl::OkStatus();
}

absl::Status FromProto(const v1::StoredRecord& proto, const FieldPath& path,
                       StoredRecord* record) {
  record->record.id = proto.record().id();
  record->record.text = proto.record().text();
  record->record.vector.assign(proto.record().vector().begin(),
                               proto.record().vector().end());
  record->wall_ms = proto.wall_ms();
  record->deleted = proto.deleted();
  record->expires_ms = proto.expires_ms();
  CORKSCREW_RETURN_IF_ERROR(
      FromProto(proto.version(), path.Field("version"), &record->version));
  return FromProto(proto.record().metadata(), path.Field("record"),
                   &record->record.metadata);
}

}  // namespace corkscrew
