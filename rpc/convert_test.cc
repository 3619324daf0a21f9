// Messages from anybody. What well-formed values become is tested where they
// travel, in remote_db_test.cc.

#include "rpc/convert.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "base/testing.h"
#include "corkscrew/limits.h"
#include "gmock/gmock.h"
#include "google/protobuf/stubs/logging.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

v1::Filter Exists() {
  v1::Filter filter;
  filter.set_op(v1::FILTER_OP_EXISTS);
  filter.set_key("k");
  return filter;
}

TEST(ConvertTest, AFilterOfTheLargestDepthPassesAndADeeperOneDoesNot) {
  v1::Filter filter = Exists();
  for (size_t levels = 1; levels <= 3 * kMaxFilterDepth; ++levels) {
    Filter converted;
    const absl::Status status =
        FromProto(filter, FieldPath("filter"), &converted);
    if (levels <= kMaxFilterDepth) {
      EXPECT_THAT(status, IsOk()) << levels;
    } else {
      EXPECT_THAT(status, StatusIs(kInvalid, HasSubstr("levels"))) << levels;
    }
    v1::Filter parent;
    parent.set_op(v1::FILTER_OP_NOT);
    *parent.add_children() = std::move(filter);
    filter = std::move(parent);
  }
}

TEST(ConvertTest, AFilterOfTheMostNodesPassesAndALargerOneDoesNot) {
  for (const size_t nodes : {kMaxFilterNodes - 1, kMaxFilterNodes,
                             kMaxFilterNodes + 1, size_t{1'000'000}}) {
    v1::Filter filter;
    filter.set_op(v1::FILTER_OP_OR);
    for (size_t i = 1; i < nodes; ++i) *filter.add_children() = Exists();
    Filter converted;
    const absl::Status status =
        FromProto(filter, FieldPath("filter"), &converted);
    if (nodes <= kMaxFilterNodes) {
      EXPECT_THAT(status, IsOk()) << nodes;
      EXPECT_EQ(converted.children.size(), nodes - 1);
    } else {
      EXPECT_THAT(status, StatusIs(kInvalid, HasSubstr("nodes"))) << nodes;
      EXPECT_LE(converted.children.size(), kMaxFilterNodes);
    }
  }
}

TEST(ConvertTest, EveryOperatorKeepsItsMeaning) {
  const std::pair<v1::FilterOp, Filter::Op> operators[] = {
      {v1::FILTER_OP_ALL, Filter::Op::kAll},
      {v1::FILTER_OP_AND, Filter::Op::kAnd},
      {v1::FILTER_OP_OR, Filter::Op::kOr},
      {v1::FILTER_OP_NOT, Filter::Op::kNot},
      {v1::FILTER_OP_EQ, Filter::Op::kEq},
      {v1::FILTER_OP_NE, Filter::Op::kNe},
      {v1::FILTER_OP_LT, Filter::Op::kLt},
      {v1::FILTER_OP_LE, Filter::Op::kLe},
      {v1::FILTER_OP_GT, Filter::Op::kGt},
      {v1::FILTER_OP_GE, Filter::Op::kGe},
      {v1::FILTER_OP_IN, Filter::Op::kIn},
      {v1::FILTER_OP_EXISTS, Filter::Op::kExists},
      {v1::FILTER_OP_CONTAINS, Filter::Op::kContains},
  };
  EXPECT_EQ(static_cast<int>(std::size(operators)), v1::FilterOp_MAX);
  for (const auto& [wire, op] : operators) {
    v1::Filter message;
    message.set_op(wire);
    Filter filter;
    EXPECT_THAT(FromProto(message, FieldPath("f"), &filter), IsOk());
    EXPECT_EQ(filter.op, op);
    v1::Filter back;
    EXPECT_THAT(ToProto(filter, &back), IsOk());
    EXPECT_EQ(back.op(), wire);
  }
}

TEST(ConvertTest, ChoicesThatAreNotMadeAreNamedByTheirPath) {
  v1::Filter filter;
  filter.set_op(v1::FILTER_OP_AND);
  *filter.add_children() = Exists();
  filter.add_children();
  Filter converted;
  EXPECT_THAT(
      FromProto(filter, FieldPath("request").Field("filter"), &converted),
      StatusIs(kInvalid, HasSubstr("request.filter.children[1].op")));
  filter.mutable_children(1)->set_op(static_cast<v1::FilterOp>(99));
  EXPECT_THAT(FromProto(filter, FieldPath("f"), &converted),
              StatusIs(kInvalid, HasSubstr("99")));
  *filter.mutable_children(1) = Exists();
  filter.mutable_children(1)->add_values();
  EXPECT_THAT(
      FromProto(filter, FieldPath("f"), &converted),
      StatusIs(kInvalid, HasSubstr("f.children[1].values[0]: no kind")));

  Moment moment;
  EXPECT_THAT(FromProto(v1::Moment(), FieldPath("request.at"), &moment),
              StatusIs(kInvalid, HasSubstr("request.at: no kind")));
  v1::Moment time;
  for (const int nanos : {-1, 1'000'000'000}) {
    time.mutable_wall_time()->set_nanos(nanos);
    EXPECT_THAT(FromProto(time, FieldPath("at"), &moment),
                StatusIs(kInvalid, HasSubstr(absl::StrCat(nanos))));
  }

  Query query;
  EXPECT_THAT(FromProto(v1::Query(), FieldPath("request.query"), &query),
              StatusIs(kInvalid, HasSubstr("request.query: no target")));
  v1::Query mode;
  mode.set_text("x");
  mode.set_mode(v1::SEARCH_MODE_UNSPECIFIED);
  EXPECT_THAT(FromProto(mode, FieldPath("q"), &query),
              StatusIs(kInvalid, HasSubstr("q.mode")));

  google::protobuf::RepeatedPtrField<v1::PutItem> items;
  items.Add()->mutable_record()->set_id("a");
  items.Add();
  PutItems put;
  EXPECT_THAT(
      FromProto(items, &put),
      StatusIs(kInvalid, HasSubstr("request.items[1].record: missing")));
  (*items[1].mutable_record()->mutable_metadata())["ye\"ar"];
  EXPECT_THAT(
      FromProto(items, &put),
      StatusIs(kInvalid, HasSubstr("items[1].record.metadata[\"ye\\\"ar\"]")));
}

TEST(ConvertTest, UuidsHaveSixteenBytes) {
  for (size_t size = 0; size <= 32; ++size) {
    v1::Version proto;
    proto.set_replica(std::string(size, 'x'));
    Version version;
    const absl::Status status = FromProto(proto, FieldPath("v"), &version);
    if (size == 16) {
      EXPECT_THAT(status, IsOk());
    } else {
      EXPECT_THAT(status,
                  StatusIs(kInvalid, HasSubstr(absl::StrCat(size, " bytes"))));
    }
  }
}

TEST(ConvertTest, WhatIsAbsentTakesTheDefaultsOfTheLibrary) {
  CollectionOptions options;
  EXPECT_THAT(
      FromProto(v1::CollectionOptions(), FieldPath("options"), &options),
      IsOk());
  const CollectionOptions defaults;
  EXPECT_EQ(options.metric, defaults.metric);
  EXPECT_EQ(options.bits, defaults.bits);
  EXPECT_EQ(options.originals, defaults.originals);
  EXPECT_EQ(options.seed, kDefaultSeed);
  EXPECT_EQ(options.shards, defaults.shards);

  v1::Query proto;
  proto.set_text("x");
  Query query;
  EXPECT_THAT(FromProto(proto, FieldPath("query"), &query), IsOk());
  const Query plain;
  EXPECT_EQ(query.k, plain.k);
  EXPECT_EQ(query.filter, plain.filter);
  EXPECT_EQ(query.at, plain.at);
  EXPECT_EQ(query.min_score, plain.min_score);
  EXPECT_EQ(query.exact, plain.exact);
  EXPECT_EQ(query.oversample, plain.oversample);
  EXPECT_EQ(query.fields.text, plain.fields.text);
  EXPECT_EQ(query.fields.metadata, plain.fields.metadata);
  EXPECT_EQ(query.mode, plain.mode);

  WriteOptions write;
  EXPECT_THAT(FromProto(v1::WriteOptions(), FieldPath("options"), &write),
              IsOk());
  EXPECT_EQ(write.durability, Durability::kSync);
  EXPECT_EQ(write.ack, Ack::kOne);
}

TEST(ConvertTest, MomentsOutsideTheCalendarAreClampedToIt) {
  for (const absl::Time time : {absl::InfinitePast(), absl::InfiniteFuture(),
                                absl::UnixEpoch(), absl::FromUnixNanos(-1)}) {
    v1::Moment proto;
    ASSERT_THAT(ToProto(Moment::AtTime(time), &proto), IsOk());
    Moment back;
    EXPECT_THAT(FromProto(proto, FieldPath("at"), &back), IsOk());
    if (time != absl::InfinitePast() && time != absl::InfiniteFuture()) {
      EXPECT_EQ(back, Moment::AtTime(time));
    }
  }
}

// Random damage to a real message either does not parse or converts to
// something, or is refused; it never ends the process.
TEST(ConvertTest, DamagedMessagesAreRefusedOrRead) {
  v1::SearchRequest request;
  request.mutable_collection()->set_name("docs");
  request.mutable_query()->set_text("words");
  request.mutable_query()->mutable_at()->set_lamport(7);
  v1::Filter* filter = request.mutable_query()->mutable_filter();
  filter->set_op(v1::FILTER_OP_AND);
  *filter->add_children() = Exists();
  v1::Filter* in = filter->add_children();
  in->set_op(v1::FILTER_OP_IN);
  in->set_key("year");
  in->add_values()->set_int_value(-1);
  in->add_values()->mutable_list_value()->add_values("x");
  const std::string whole = request.SerializeAsString();
  constexpr uint64_t kSeed = 1;
  SCOPED_TRACE(absl::StrCat("seed ", kSeed));
  Random random(kSeed);
  const google::protobuf::LogSilencer silent;  // It complains of each one.
  size_t read = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = whole;
    for (uint64_t n = random.Next() % 4 + 1; n > 0; --n) {
      bytes[random.Next() % bytes.size()] = static_cast<char>(random.Next());
    }
    bytes.resize(random.Next() % 4 == 0 ? random.Next() % bytes.size()
                                        : bytes.size());
    v1::SearchRequest damaged;
    if (!damaged.ParseFromString(bytes)) continue;
    Query query;
    if (FromProto(damaged.query(), FieldPath("query"), &query).ok()) ++read;
  }
  EXPECT_GT(read, 0u);
}

}  // namespace
}  // namespace corkscrew
