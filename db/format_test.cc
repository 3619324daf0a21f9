// The storage format: test vectors of docs/storage_format.md, and what every
// codec owes: round trips, order, and an error for anything else.

#include <algorithm>
#include <bit>
#include <cctype>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/testing.h"
#include "corkscrew/collection.h"
#include "corkscrew/limits.h"
#include "db/backup_manifest.h"
#include "db/body.h"
#include "db/descriptor.h"
#include "db/digest.h"
#include "db/durable_mark.h"
#include "db/encode.h"
#include "db/keys.h"
#include "db/log_segment.h"
#include "db/merge_order.h"
#include "db/metadata_codec.h"
#include "db/op.h"
#include "db/packed_vector.h"
#include "db/purge.h"
#include "db/recovery.h"
#include "db/retention.h"
#include "db/rows.h"
#include "db/segment_catalogue.h"
#include "db/wal_scanner.h"
#include "db/write_commit.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using testing::IsOk;

// The vectors of the document by name, as bytes.
const std::map<std::string, std::string>& Vectors() {
  static const auto* const kVectors = [] {
    auto* vectors = new std::map<std::string, std::string>;
    std::ifstream file(CORKSCREW_SOURCE_DIR "/docs/storage_format.md");
    std::string line, name;
    bool inside = false;
    while (std::getline(file, line)) {
      if (absl::StartsWith(line, "```")) {
        inside = line == "```vectors";
        continue;
      }
      if (!inside) continue;
      std::string hex = line;
      const size_t equals = line.find('=');
      if (equals != std::string::npos) {
        name = std::string(absl::StripAsciiWhitespace(line.substr(0, equals)));
        hex = line.substr(equals + 1);
      }
      (*vectors)[name] +=
          absl::HexStringToBytes(absl::StripAsciiWhitespace(hex));
    }
    return vectors;
  }();
  return *kVectors;
}

std::string Hex(absl::string_view bytes) {
  return absl::BytesToHexString(bytes);
}

template <typename Hash>
std::string HexOf(const Hash& hash) {
  return Hex(BytesOf(hash));
}

// What the document calls its examples.
const Stream kStream{7, 3};
const char kIdBytes[] = {'a', 0, 'b'};
const std::string kId(kIdBytes, 3);

Uuid Replica() {
  Uuid uuid;
  for (size_t i = 0; i < 16; ++i) uuid.bytes[i] = static_cast<uint8_t>(16 + i);
  return uuid;
}
constexpr uint64_t kIncarnation = 0x0123456789abcdef;

Metadata ExampleMetadata() {
  return {{"b", true},
          {"d", -1.5},
          {"i", int64_t{-2}},
          {"l", std::vector<std::string>{"x", "\xC3\xA9"}},
          {"s", std::string("tag")}};
}

Descriptor ExampleDescriptor() {
  Descriptor d;
  d.quantizer = {.dim = 384, .bits = 4, .codebook = 1, .seed = kDefaultSeed};
  for (int i = 0; i < 32; ++i) d.space += "ab";
  return d;
}

Uuid ExampleCollection() {
  return CollectionUuid("notes", DescriptorHash(ExampleDescriptor()), 1);
}

const std::string kText = "The cat sat.";
const std::vector<float> kVector = {1, -0.5f, 0.25f, 0};

Op ExamplePut() {
  Op op{.kind = OpKind::kPut,
        .id = kId,
        .lamport = 258,
        .wall_ms = 1700000000123,
        .batch_index = 1,
        .batch_size = 2,
        .request_id = "r-1"};
  op.content_hash =
      ContentHash(ExampleCollection(), 3, op, Replica(), kIncarnation, 5,
                  {Sha256(kText), Sha256(*EncodeMetadata(ExampleMetadata())),
                   Sha256(FloatsToBytes(kVector))});
  return op;
}

Op ExampleDelete() {
  Op op{.kind = OpKind::kDelete,
        .id = kId,
        .lamport = 259,
        .wall_ms = 1700000000124};
  op.content_hash = ContentHash(ExampleCollection(), 3, op, Replica(),
                                kIncarnation, 6, TombstoneHashes());
  return op;
}

RequestRow ExampleRequest() {
  RequestRow row{.request_hash = {},
                 .wall_ms = 1700000000123,
                 .lamport = 258,
                 .origin = 2,
                 .first_seq = 4,
                 .items = std::vector<ItemOutcome>(300, ItemOutcome::kWritten)};
  const std::string hash = Vectors().at("request_hash");
  std::copy(hash.begin(), hash.end(), row.request_hash.begin());
  row.items.push_back(ItemOutcome::kUnchanged);
  return row;
}

Filter ExampleFilter() {
  return Filter::And(
      {Filter::Eq("i", int64_t{-2}),
       Filter::Compare(Filter::Op::kContains, "l", std::string("x"))});
}

RequestRow ExampleMatching() {
  RequestRow row = ExampleRequest();
  row.request_hash = RequestHash(ExampleFilter());
  row.items.clear();
  row.matched = {.done = true, .deleted = 300};
  return row;
}

HeadRow ExampleHead() {
  return {259, 2, 6, true, 10, ExampleDelete().content_hash};
}

CollectionRow ExampleCollectionRow() {
  return {LiveState::kLive, ExampleCollection(), 1, "notes",
          "model",          ExampleDescriptor()};
}

Body PutBody(const std::string& vector, const std::string& metadata) {
  return {
      OpKind::kPut, VectorForm::kFloat32, 1700000000123, 0, vector, metadata,
      kText};
}

std::string ExampleBodyKey(Lamport lamport, uint64_t seq) {
  return BodyRowKey(7, {3, kId, lamport, 2, seq});
}

std::string BigEndian16(uint16_t value) {
  std::string out;
  AppendBig(value, &out);
  return out;
}

CatalogueRow ExampleCatalogue() {
  return {.covered = {kIncarnation, 9, ExampleDelete().content_hash},
          .next_number = 4,
          .sidecar = 3,
          .sidecar_hash = ExamplePut().content_hash};
}
SegmentRow ExampleSegment() {
  return {SegmentKind::kLive, 5, 4096, ExamplePut().content_hash};
}

std::string ExampleLogSegment(const std::string& vector,
                              const std::string& metadata) {
  LogSegmentHead head;
  head.database = Replica();
  head.life = {Replica(), kIncarnation};
  head.collection = ExampleCollection();
  head.name = "notes";
  head.model = "model";
  head.descriptor = ExampleDescriptor();
  LogSegmentBuilder builder;
  const Origin origin = {Replica(), kIncarnation};
  builder.Add({1, 3, origin, 5, ExamplePut(), VectorForm::kFloat32, vector,
               metadata, kText});
  builder.Add({2, 3, origin, 6, ExampleDelete()});
  return builder.Finish(&head);
}

BackupManifest ExampleManifest() {
  BackupManifest manifest;
  manifest.generation = 3;
  manifest.uuid = Replica();
  manifest.replica = Replica();
  manifest.incarnation = kIncarnation;
  manifest.wall_ms = 1700000000000;
  const Uuid collection = ExampleCollection();
  manifest.collections = {{collection, "notes", 258, 258}};
  manifest.seen = {{collection, 0, {Replica(), kIncarnation}, 6}};
  manifest.purged = {{collection, kId, {258, Replica(), kIncarnation, 5}}};
  manifest.files = {{"CURRENT", 16, Sha256("")},
                    {"MANIFEST-000005", 200, Sha256("a")}};
  return manifest;
}

TEST(FormatTest, EveryVectorOfTheDocumentIsWhatTheCodeWrites) {
  const std::string vector = FloatsToBytes(kVector);
  const std::string metadata = *EncodeMetadata(ExampleMetadata());
  Digest digest;
  digest.Add("z", {{3, Replica(), kIncarnation, 1},
                   DescriptorHash(ExampleDescriptor())});
  digest.Add(kId,
             {{258, Replica(), kIncarnation, 5}, ExamplePut().content_hash});
  const Metadata system = {
      {"descriptor", Hex(EncodeDescriptor(ExampleDescriptor()))},
      {"generation", int64_t{1}},
      {"model", std::string("model")},
      {"name", std::string("notes")},
      {"state", std::string("live")}};
  const RequestItem request_item{.id = kId,
                                 .has_vector = true,
                                 .vector = kVector,
                                 .text = kText,
                                 .metadata_bytes = &metadata};
  const std::string mark =
      EncodeDurableMark({.incarnation = 7,
                         .sequence = 8,
                         .position = FeedPosition{9, 10, Hash16{1, 2, 3}}});
  const std::string set = *EncodeMetadata({{"i", int64_t{-2}}});
  const PatchItem patch{kId, {{"i", int64_t{-2}}}, {"s"}};
  const RequestItem patch_item{
      .id = kId,
      .metadata_bytes = &set,
      .if_version = Version{258, Replica(), kIncarnation, 5},
      .patch = &patch};
  std::vector<float> rounded(4);
  const std::string rounded_bytes = FloatsToBFloat16Bytes(
      {1.00390625f, 1.01171875f, 1.0f / 3, 3.4e38f}, absl::MakeSpan(rounded));
  EXPECT_EQ(rounded,
            (std::vector<float>{1.0f, 1.015625f, 0.333984375f, 0x1.fep127f}));
  const Body rounded_body{.form = VectorForm::kBFloat16,
                          .wall_ms = 1700000000123,
                          .vector = rounded_bytes,
                          .metadata = absl::string_view("\0", 1)};
  std::vector<float> read(4);
  EXPECT_TRUE(ReadOriginal(rounded_body, absl::MakeSpan(read)));
  EXPECT_EQ(read, rounded);
  const std::vector<float> for_packing = {1.0f, -0.5f, 1.0f / 3, 0.0f,
                                          5.0f, 6.0f,  7.0f,     8.0f,
                                          9.0f, 10.0f, 11.0f,    12.0f};
  std::string packed;
  EXPECT_TRUE(PackVector(for_packing, &packed));
  EXPECT_EQ(VectorHash(VectorForm::kPacked, packed),
            Sha256(FloatsToBytes(for_packing)));
  const std::map<std::string, std::string> written = {
      {"packed_vector", packed},
      {"manifest", EncodeManifest(ExampleManifest())},
      {"log_segment", ExampleLogSegment(vector, metadata)},
      {"durable_mark", mark.substr(0, 53)},
      {"durable_mark_crc", mark.substr(4092)},
      {"recovery_note", EncodeRecoveryNote({0x1234, 99, "000004.log", 7})},
      {"synced_claim", EncodeSyncedClaim(258)},
      {"row_catalogue", Encode(ExampleCatalogue())},
      {"row_segment", Encode(ExampleSegment())},
      {"key_segment", SegmentKey(7, 2)},
      {"key_meta", MetaKey("format")},
      {"key_origin", OriginKey(2)},
      {"key_collection", CollectionKey(7)},
      {"key_name", NameKey("notes")},
      {"key_clock", ClockKey(7)},
      {"key_expiry", ExpiryKey(kStream, 1700000000000, 2, 5)},
      {"key_purge", PurgeKey(kStream, kId)},
      {"key_retention", RetentionKey(7)},
      {"key_wall", WallKey(7, 1700000000000)},
      {"key_vector", VectorKey(kStream, 2)},
      {"key_op", OpKey(kStream, 2, 5)},
      {"key_feed", FeedKey(7, 9)},
      {"key_head", HeadKey(kStream, kId)},
      {"key_request", RequestKey(kStream, "r-1")},
      {"key_body", ExampleBodyKey(258, 5)},
      {"metadata", metadata},
      {"metadata_empty", *EncodeMetadata({})},
      {"descriptor", EncodeDescriptor(ExampleDescriptor())},
      {"descriptor_hash",
       std::string(BytesOf(DescriptorHash(ExampleDescriptor())))},
      {"collection_uuid", EncodeUuid(ExampleCollection())},
      {"system_uuid", EncodeUuid(SystemCollectionUuid())},
      {"content_hash_put", std::string(BytesOf(ExamplePut().content_hash))},
      {"content_hash_delete",
       std::string(BytesOf(ExampleDelete().content_hash))},
      {"op_put", EncodeOp(ExamplePut())},
      {"op_delete", EncodeOp(ExampleDelete())},
      {"body_put",
       EncodeBodyToString(ExampleBodyKey(258, 5), PutBody(vector, metadata))},
      {"body_put_bfloat16",
       EncodeBodyToString(ExampleBodyKey(258, 5), rounded_body)},
      {"body_delete",
       EncodeBodyToString(ExampleBodyKey(259, 6),
                          {.kind = OpKind::kDelete, .wall_ms = 1700000000124})},
      {"row_format", Encode(FormatRow{})},
      {"row_open", Encode(OpenRow{true, "boot", 77, 1700000000000000000})},
      {"row_origin", Encode(Origin{Replica(), kIncarnation})},
      {"row_collection", Encode(ExampleCollectionRow())},
      {"row_name", EncodeU32(7)},
      {"row_clock", Encode(ClockRow{259, 0, 7, 2})},
      {"row_wall", EncodeU64(258)},
      {"row_purge", Encode(PurgeRow{259, 2, 6, true})},
      {"row_retention", EncodeRetention({10, absl::Hours(24)})},
      {"row_vector", EncodeU64(6)},
      {"row_feed", Encode(FeedRow{3, 2, 5})},
      {"row_head", Encode(ExampleHead())},
      {"row_request", Encode(ExampleRequest())},
      {"row_request_matching", Encode(ExampleMatching())},
      {"system_metadata", *EncodeMetadata(system)},
      {"request_hash",
       std::string(BytesOf(RequestHash(RequestKind::kPut, {request_item})))},
      {"request_hash_patch",
       std::string(BytesOf(RequestHash(RequestKind::kPatch, {patch_item})))},
      {"request_hash_matching",
       std::string(BytesOf(RequestHash(ExampleFilter())))},
      {"digest", digest.Bytes()},
      {"shard", BigEndian16(ShardOf(ExampleCollection(), kId, 1024))},
  };
  for (const auto& [name, bytes] : written) {
    ASSERT_TRUE(Vectors().count(name)) << name;
    EXPECT_EQ(Hex(bytes), Hex(Vectors().at(name))) << name;
  }
  EXPECT_EQ(Vectors().size(), written.size());
}

TEST(FormatTest, EveryVectorOfTheDocumentIsRead) {
  const auto at = [](const char* name) { return Vectors().at(name); };
  EXPECT_EQ(DecodeFormatRow(at("row_format")).value(), FormatRow{});
  EXPECT_EQ(DecodeOpenRow(at("row_open")).value(),
            (OpenRow{true, "boot", 77, 1700000000000000000}));
  EXPECT_EQ(DecodeOriginRow(at("row_origin")).value(),
            (Origin{Replica(), kIncarnation}));
  EXPECT_EQ(DecodeCollectionRow(at("row_collection")).value(),
            ExampleCollectionRow());
  EXPECT_EQ(DecodeClockRow(at("row_clock")).value(), (ClockRow{259, 0, 7, 2}));
  EXPECT_EQ(DecodeRetention(at("row_retention")).value(),
            (Retention{10, absl::Hours(24)}));
  EXPECT_EQ(DecodeFeedRow(at("row_feed")).value(), (FeedRow{3, 2, 5}));
  EXPECT_EQ(DecodeHeadRow(at("row_head")).value(), ExampleHead());
  EXPECT_EQ(DecodeRequestRow(at("row_request")).value(), ExampleRequest());
  EXPECT_EQ(DecodeRequestRow(at("row_request_matching")).value(),
            ExampleMatching());
  EXPECT_EQ(DecodeCatalogueRow(at("row_catalogue")).value(),
            ExampleCatalogue());
  EXPECT_EQ(DecodeSegmentRow(at("row_segment")).value(), ExampleSegment());
  EXPECT_EQ(DecodeU32(at("row_name")).value(), 7u);
  EXPECT_EQ(DecodeU64(at("row_wall")).value(), 258u);
  EXPECT_EQ(DecodeUuid(at("system_uuid")).value(), SystemCollectionUuid());
  EXPECT_EQ(DecodeMetadata(at("metadata")).value(), ExampleMetadata());
  EXPECT_EQ(DecodeMetadata(at("metadata_empty")).value(), Metadata{});
  EXPECT_EQ(DecodeDescriptor(at("descriptor")).value(), ExampleDescriptor());
  EXPECT_EQ(DecodeOp(at("op_put")).value(), ExamplePut());
  EXPECT_EQ(DecodeOp(at("op_delete")).value(), ExampleDelete());
  const std::string value = at("body_put");
  const Body body = DecodeBody(at("key_body"), value).value();
  EXPECT_EQ(body.text, kText);
  EXPECT_EQ(body.wall_ms, 1700000000123);
  EXPECT_EQ(DecodeMetadata(body.metadata).value(), ExampleMetadata());
  std::vector<float> floats(4);
  ASSERT_TRUE(BytesToFloats(body.vector, absl::MakeSpan(floats)));
  EXPECT_EQ(floats, kVector);
}

// A decoder as a function from bytes to the bytes it would write again, or
// nothing.
using Recode = std::function<absl::StatusOr<std::string>(absl::string_view)>;

template <typename T>
Recode RecodeBy(absl::StatusOr<T> (*decode)(absl::string_view),
                std::string (*encode)(const T&)) {
  return [=](absl::string_view bytes) -> absl::StatusOr<std::string> {
    absl::StatusOr<T> value = decode(bytes);
    if (!value.ok()) return value.status();
    return encode(*value);
  };
}

std::map<std::string, Recode> Recoders() {
  const auto metadata =
      [](absl::string_view bytes) -> absl::StatusOr<std::string> {
    absl::StatusOr<Metadata> value = DecodeMetadata(bytes);
    if (!value.ok()) return value.status();
    return EncodeMetadata(*value);
  };
  const auto body = [](uint64_t lamport, uint64_t seq) {
    return [=](absl::string_view bytes) -> absl::StatusOr<std::string> {
      const std::string key = ExampleBodyKey(lamport, seq);
      absl::StatusOr<Body> value = DecodeBody(key, bytes);
      if (!value.ok()) return value.status();
      return EncodeBodyToString(key, *value);
    };
  };
  return {
      {"row_format", RecodeBy<FormatRow>(DecodeFormatRow, Encode)},
      {"row_open", RecodeBy<OpenRow>(DecodeOpenRow, Encode)},
      {"row_origin", RecodeBy<Origin>(DecodeOriginRow, Encode)},
      {"row_collection", RecodeBy<CollectionRow>(DecodeCollectionRow, Encode)},
      {"row_clock", RecodeBy<ClockRow>(DecodeClockRow, Encode)},
      {"row_purge", RecodeBy<PurgeRow>(DecodePurgeRow, Encode)},
      {"row_retention", RecodeBy<Retention>(DecodeRetention, EncodeRetention)},
      {"row_feed", RecodeBy<FeedRow>(DecodeFeedRow, Encode)},
      {"row_head", RecodeBy<HeadRow>(DecodeHeadRow, Encode)},
      {"row_request", RecodeBy<RequestRow>(DecodeRequestRow, Encode)},
      {"row_request_matching", RecodeBy<RequestRow>(DecodeRequestRow, Encode)},
      {"system_uuid", RecodeBy<Uuid>(DecodeUuid, EncodeUuid)},
      {"descriptor", RecodeBy<Descriptor>(DecodeDescriptor, EncodeDescriptor)},
      {"op_put", RecodeBy<Op>(DecodeOp, EncodeOp)},
      {"op_delete", RecodeBy<Op>(DecodeOp, EncodeOp)},
      {"metadata", metadata},
      {"body_put", body(258, 5)},
      {"body_put_bfloat16", body(258, 5)},
      {"body_delete", body(259, 6)},
  };
}

TEST(FormatTest, AValueCutAnywhereOrExtendedIsRefused) {
  for (const auto& [name, recode] : Recoders()) {
    const std::string& bytes = Vectors().at(name);
    ASSERT_THAT(recode(bytes), IsOk()) << name;
    EXPECT_EQ(Hex(*recode(bytes)), Hex(bytes)) << name;
    for (size_t size = 0; size < bytes.size(); ++size) {
      const auto result = recode(bytes.substr(0, size));
      // Runs of a request may end early; what is read is what was written.
      if (result.ok()) {
        EXPECT_EQ(name, "row_request");
        EXPECT_EQ(*result, bytes.substr(0, size));
      }
    }
    EXPECT_FALSE(recode(bytes + '\0').ok()) << name;
  }
}

TEST(FormatTest, AChangedByteIsRefusedOrReadAsOtherContentWithOneForm) {
  for (const auto& [name, recode] : Recoders()) {
    const std::string& bytes = Vectors().at(name);
    for (size_t i = 0; i < bytes.size(); ++i) {
      for (int bit = 0; bit < 8; ++bit) {
        std::string changed = bytes;
        changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
        const auto result = recode(changed);
        if (absl::StartsWith(name, "body")) {
          EXPECT_FALSE(result.ok()) << name << " byte " << i;
          continue;
        }
        if (!result.ok() || name == "row_format") continue;
        EXPECT_EQ(Hex(*result), Hex(changed)) << name << " byte " << i;
      }
    }
  }
}

TEST(FormatTest, ABodyUnderAnotherKeyIsRefused) {
  const std::string& body = Vectors().at("body_put");
  EXPECT_THAT(DecodeBody(ExampleBodyKey(258, 5), body), IsOk());
  EXPECT_EQ(DecodeBody(ExampleBodyKey(258, 6), body).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST(FormatTest, AnUnknownOpKindIsNotCalledDamage) {
  std::string op = Vectors().at("op_put");
  op[0] = 4;
  EXPECT_EQ(DecodeOp(op).status().code(), absl::StatusCode::kUnimplemented);
}

TEST(FormatTest, MetadataHasOneFormForEachValue) {
  EXPECT_EQ(*EncodeMetadata({{"x", -0.0}}), *EncodeMetadata({{"x", 0.0}}));
  std::string minus_zero = *EncodeMetadata({{"x", 0.0}});
  minus_zero[minus_zero.size() - 8] = '\x80';
  EXPECT_FALSE(DecodeMetadata(minus_zero).ok());
  // Keys out of order, and twice.
  EXPECT_FALSE(DecodeMetadata("\2\1b\1\1\1a\1\1").ok());
  EXPECT_FALSE(DecodeMetadata("\2\1a\1\1\1a\1\1").ok());
  EXPECT_TRUE(DecodeMetadata("\2\1a\1\1\1b\1\1").ok());
}

TEST(FormatTest, MetadataOutsideTheLimitsIsRefusedByKey) {
  using ::testing::HasSubstr;
  using testing::StatusIs;
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  const double nan = std::nan("");
  EXPECT_THAT(EncodeMetadata({{"n", nan}}), StatusIs(kInvalid, HasSubstr("n")));
  EXPECT_THAT(EncodeMetadata({{"n", std::numeric_limits<double>::infinity()}}),
              StatusIs(kInvalid, HasSubstr("infinite")));
  EXPECT_THAT(EncodeMetadata({{"", true}}),
              StatusIs(kInvalid, HasSubstr("empty key")));
  EXPECT_THAT(EncodeMetadata({{"\xFF", true}}),
              StatusIs(kInvalid, HasSubstr("UTF-8")));
  EXPECT_THAT(EncodeMetadata({{"k", std::string("\xC3")}}),
              StatusIs(kInvalid, HasSubstr("\"k\"")));
  EXPECT_THAT(EncodeMetadata({{"k", std::vector<std::string>{"\xC3"}}}),
              StatusIs(kInvalid, HasSubstr("\"k\"")));
  Metadata many;
  for (size_t i = 0; i < kMaxMetadataKeys; ++i) {
    many[absl::StrCat("key", i)] = static_cast<int64_t>(i);
  }
  EXPECT_THAT(EncodeMetadata(many), IsOk());
  many["one more"] = true;
  EXPECT_THAT(EncodeMetadata(many), StatusIs(kInvalid, HasSubstr("65")));
  // 1 count, 2 key, 1 type, 2 size, then the text.
  const size_t room = kMaxMetadataBytes - 6;
  EXPECT_THAT(EncodeMetadata({{"k", std::string(room, 'x')}}), IsOk());
  EXPECT_THAT(EncodeMetadata({{"k", std::string(room + 1, 'x')}}),
              StatusIs(kInvalid, HasSubstr("16385")));
}

std::string RandomId(Random& random) {
  // Few byte values, so that zeros, ends and shared prefixes are common.
  std::string id;
  const size_t size = 1 + random.Next() % 5;
  for (size_t i = 0; i < size; ++i) {
    id.push_back("\0\1\xFE\xFFz"[random.Next() % 5]);
  }
  return id;
}

uint64_t RandomNumber(Random& random) {
  return random.Next() >> (random.Next() % 64);
}

TEST(FormatTest, TheOrderOfBodyKeysIsStreamThenIdThenNewestFirst) {
  Random random(1);
  std::map<std::string, std::tuple<uint32_t, uint16_t, std::string, uint64_t,
                                   uint32_t, uint64_t>>
      by_key;
  for (int i = 0; i < 20000; ++i) {
    const BodyKey body{static_cast<uint16_t>(random.Next() % 3),
                       RandomId(random), RandomNumber(random),
                       static_cast<uint32_t>(random.Next() % 3),
                       RandomNumber(random)};
    const auto collection = static_cast<uint32_t>(random.Next() % 300);
    const std::string key = BodyRowKey(collection, body);
    by_key[key] = {collection,    body.shard,  body.id,
                   ~body.lamport, body.origin, body.seq};
    BodyKey parsed;
    uint32_t parsed_collection;
    ASSERT_TRUE(ParseBodyRowKey(key, &parsed_collection, &parsed));
    ASSERT_EQ(BodyRowKey(parsed_collection, parsed), key);
    ASSERT_EQ(parsed.id, body.id);
    ASSERT_EQ(parsed.lamport, body.lamport);
  }
  auto last = by_key.begin();
  for (auto it = std::next(last); it != by_key.end(); last = it++) {
    ASSERT_LT(last->second, it->second);
  }
}

TEST(FormatTest, KeysAreParsedBackAndOtherKeysAreNot) {
  Random random(2);
  for (int i = 0; i < 2000; ++i) {
    const Stream stream{static_cast<uint32_t>(RandomNumber(random)),
                        static_cast<uint16_t>(RandomNumber(random))};
    const std::string id = RandomId(random);
    const auto origin = static_cast<uint32_t>(RandomNumber(random));
    const uint64_t number = RandomNumber(random);
    Stream s;
    std::string text;
    uint32_t u32;
    uint64_t u64;
    ASSERT_TRUE(ParseOriginKey(OriginKey(origin), &u32));
    ASSERT_EQ(u32, origin);
    ASSERT_TRUE(ParseCollectionKey(CollectionKey(origin), &u32));
    ASSERT_TRUE(ParseNameKey(NameKey(id), &text));
    ASSERT_EQ(text, id);
    ASSERT_TRUE(ParseWallKey(WallKey(origin, number), &u32, &u64));
    ASSERT_EQ(u64, number);
    ASSERT_TRUE(ParseVectorKey(VectorKey(stream, origin), &s, &u32));
    ASSERT_EQ(s, stream);
    ASSERT_TRUE(ParseOpKey(OpKey(stream, origin, number), &s, &u32, &u64));
    ASSERT_EQ(u64, number);
    ASSERT_TRUE(ParseFeedKey(FeedKey(origin, number), &u32, &u64));
    ASSERT_TRUE(ParseHeadKey(HeadKey(stream, id), &s, &text));
    ASSERT_EQ(text, id);
    ASSERT_TRUE(ParseRequestKey(RequestKey(stream, id), &s, &text));
    ASSERT_EQ(text, id);
    const std::string key = OpKey(stream, origin, number);
    ASSERT_FALSE(ParseOpKey(key + "x", &s, &u32, &u64));
    ASSERT_FALSE(ParseOpKey(key.substr(1), &s, &u32, &u64));
    ASSERT_FALSE(ParseHeadKey(HeadKey(stream, id) + "x", &s, &text));
  }
  std::string text;
  EXPECT_FALSE(ParseNameKey(absl::string_view("na\0\1\0\0", 6), &text));
  EXPECT_FALSE(ParseNameKey(absl::string_view("na\0", 3), &text));
}

TEST(FormatTest, APrefixEndsBehindItsLastKey) {
  EXPECT_EQ(PrefixEnd("ab"), "ac");
  EXPECT_EQ(PrefixEnd("a\xFF\xFF"), "b");
  const std::string end = PrefixEnd(KindPrefix('h', 0xFFFFFFFF));
  EXPECT_LT(HeadKey({0xFFFFFFFF, 0xFFFF}, "\xFF"), end);
  EXPECT_EQ(end, "i");
}

TEST(FormatTest, EveryFieldOfAnOpChangesItsContentHash) {
  const PartHashes parts = {Sha256("a"), Sha256("b"), Sha256("c")};
  const Uuid uuid = ExampleCollection();
  const Op op = ExamplePut();
  std::set<std::string> hashes;
  size_t cases = 0;
  const auto add = [&](const Uuid& collection, uint16_t shard, const Op& o,
                       const Uuid& replica, uint64_t incarnation, uint64_t seq,
                       const PartHashes& p) {
    ++cases;
    hashes.insert(
        HexOf(ContentHash(collection, shard, o, replica, incarnation, seq, p)));
  };
  add(uuid, 3, op, Replica(), 1, 2, parts);
  add(Replica(), 3, op, Replica(), 1, 2, parts);
  add(uuid, 4, op, Replica(), 1, 2, parts);
  add(uuid, 3, op, uuid, 1, 2, parts);
  add(uuid, 3, op, Replica(), 2, 2, parts);
  add(uuid, 3, op, Replica(), 1, 3, parts);
  add(uuid, 3, op, Replica(), 1, 2, {parts.metadata, parts.text, parts.vector});
  add(uuid, 3, op, Replica(), 1, 2, {parts.text, parts.vector, parts.metadata});
  const std::vector<std::function<void(Op&)>> changes = {
      [](Op& o) { o.kind = OpKind::kDelete; },
      [](Op& o) { o.id += "x"; },
      [](Op& o) { o.lamport++; },
      [](Op& o) { o.wall_ms++; },
      [](Op& o) { o.expires_ms++; },
      [](Op& o) { o.batch_index = 0; },
      [](Op& o) { o.batch_size++; },
      [](Op& o) { o.request_id += "x"; }};
  for (const auto& change : changes) {
    Op changed = op;
    change(changed);
    add(uuid, 3, changed, Replica(), 1, 2, parts);
  }
  EXPECT_EQ(hashes.size(), cases);
}

TEST(FormatTest, TheMergeOrderComparesFieldByField) {
  const Uuid low = Replica();
  Uuid high = low;
  high.bytes[15]++;
  const MergeKey base{{5, low, 5, 5}, {5}};
  const std::vector<MergeKey> rising = {
      {{4, high, 9, 9}, {9}}, {{5, low, 4, 9}, {9}},
      {{5, low, 5, 4}, {9}},  base,
      {{5, low, 5, 5}, {6}},  {{5, low, 5, 6}, {0}},
      {{5, low, 6, 0}, {0}},  {{5, high, 0, 0}, {0}},
      {{6, low, 0, 0}, {0}}};
  for (size_t i = 0; i < rising.size(); ++i) {
    for (size_t j = 0; j < rising.size(); ++j) {
      EXPECT_EQ(rising[i] < rising[j], i < j) << i << " " << j;
    }
  }
}

TEST(FormatTest, TheDigestDoesNotDependOnOrderButOnEveryMember) {
  std::vector<MergeKey> keys;
  for (uint64_t i = 0; i < 50; ++i) {
    keys.push_back({{i, Replica(), kIncarnation, i}, {}});
  }
  Digest forward, backward, other;
  for (size_t i = 0; i < keys.size(); ++i) forward.Add("id", keys[i]);
  for (size_t i = keys.size(); i-- > 0;) backward.Add("id", keys[i]);
  for (size_t i = 1; i < keys.size(); ++i) other.Add("id", keys[i]);
  EXPECT_EQ(forward, backward);
  other.Add("ie", keys[0]);
  EXPECT_NE(forward, other);
  EXPECT_EQ(other.count(), 50u);
}

TEST(FormatTest, RecordsSpreadOverShardsByTheHashOfTheFormat) {
  EXPECT_EQ(ShardOf(ExampleCollection(), "a", 1), 0);
  std::map<uint16_t, int> counts;
  for (int i = 0; i < 16000; ++i) {
    ++counts[ShardOf(ExampleCollection(), absl::StrCat("id", i), 16)];
  }
  ASSERT_EQ(counts.size(), 16u);
  for (const auto& [shard, count] : counts) {
    EXPECT_NEAR(count, 1000, 150) << shard;
  }
}

}  // namespace
}  // namespace corkscrew
