// What a purge leaves behind: nothing, in any file.

#include "db/purge.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/random.h"
#include "base/testing.h"
#include "corkscrew/db.h"
#include "corkscrew/quantizer.h"
#include "db/body.h"
#include "db/index.h"
#include "db/keys.h"
#include "db/notes_fixture.h"
#include "db/packed_vector.h"
#include "db/rows.h"
#include "db/store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "quant/scan_layout.h"

namespace corkscrew {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::StatusIs;

// Vectors are most of a body and look random, so that blocks of them are stored
// as they are: compressing would not pay.
constexpr size_t kDim = 256;
constexpr size_t kRun = 16;

// What must not be found: each `kRun` bytes that begin at a multiple of kRun
// and say something.
std::vector<std::string> Runs(absl::string_view bytes) {
  std::vector<std::string> runs;
  for (size_t at = 0; at + kRun <= bytes.size(); at += kRun) {
    std::string run(bytes.substr(at, kRun));
    // Zeros and the like are everywhere.
    if (std::set<char>(run.begin(), run.end()).size() < kRun / 2) continue;
    runs.push_back(std::move(run));
  }
  return runs;
}

// A vector as 16-bit multiples, little-endian, of the smallest power of two
// that they all fit.
std::string FixedPointBytes(const std::vector<float>& vector) {
  float largest = 0;
  for (const float x : vector) largest = std::max(largest, std::abs(x));
  int exponent = std::ilogb(largest) - 15;
  while (std::ldexp(largest, -exponent) > 32767) ++exponent;
  std::string bytes;
  for (const float x : vector) {
    const auto value = static_cast<uint16_t>(
        static_cast<int>(std::nearbyint(std::ldexp(x, -exponent))));
    bytes.push_back(static_cast<char>(value));
    bytes.push_back(static_cast<char>(value >> 8));
  }
  return bytes;
}

struct PurgeCase {
  const char* name;
  Originals originals;
  size_t segment_slots;  // 0: no segments.

  friend std::ostream& operator<<(std::ostream& out, const PurgeCase& of) {
    return out << of.name;
  }
};

class PurgeTest : public ::testing::TestWithParam<PurgeCase>,
                  protected testing::NotesFixture {
 protected:
  PurgeTest()
      : NotesFixture({.dim = kDim, .originals = GetParam().originals},
                     GetParam().segment_slots) {}

  struct Written {
    std::string id;
    std::string text;
    std::vector<float> vector;
  };

  Written Put(absl::string_view id) {
    Written written;
    written.id = std::string(id);
    for (int i = 0; i < 40; ++i) {
      written.text += static_cast<char>('!' + random_.Next() % 90);
    }
    for (size_t i = 0; i < kDim; ++i) {
      const uint64_t bits = random_.Next();
      const float sign = (bits >> 32) % 2 == 0 ? 1 : -1;
      written.vector.push_back(std::ldexp(
          sign + sign * static_cast<float>(bits & 0x7FFFFF) * 0x1p-23f,
          static_cast<int>(bits >> 60)));
    }
    PutItem item{RecordView(id)};
    item.record.text = written.text;
    item.record.vector = written.vector;
    EXPECT_THAT(notes_->Put({&item, 1}), IsOk());
    return written;
  }

  // All that could be found of a version.
  std::vector<std::string> Traces(const Written& written) {
    std::vector<std::string> traces = Runs(written.text);
    const auto add = [&](absl::string_view bytes) {
      for (std::string& run : Runs(bytes)) traces.push_back(std::move(run));
    };
    add(FloatsToBytes(written.vector));
    std::string packed;
    EXPECT_TRUE(PackVector(written.vector, &packed));
    add(packed);
    std::vector<float> rounded(kDim);
    add(FloatsToBFloat16Bytes(written.vector, absl::MakeSpan(rounded)));
    add(FixedPointBytes(written.vector));
    const Quantizer& quantizer =
        engine().registry().Find(kName)->index()->quantizer();
    std::vector<uint8_t> code(quantizer.code_bytes());
    CodeScalars scalars;
    EXPECT_THAT(quantizer.Encode(GetParam().originals == Originals::kBFloat16
                                     ? rounded
                                     : written.vector,
                                 absl::MakeSpan(code), &scalars),
                IsOk());
    const auto add_bytes = [&add](const std::vector<uint8_t>& bytes) {
      add({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    };
    add_bytes(code);
    if (GetParam().segment_slots != 0) {
      const ScanLayout layout(quantizer.params());
      std::vector<uint8_t> prefix(layout.prefix_size(1));
      std::vector<uint8_t> rest(layout.rest_size(1));
      std::vector<uint8_t> low(layout.low_size(1));
      StoreCode(layout, code, 0, {prefix.data(), rest.data(), low.data()});
      add_bytes(rest);
      add_bytes(low);
    }
    return traces;
  }

  // Files of the directory that hold one of `traces`, each with the number of
  // those that it holds.
  std::map<std::string, size_t> Found(const std::vector<std::string>& traces) {
    std::map<std::string, size_t> found;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(path())) {
      if (!entry.is_regular_file()) continue;
      std::ifstream in(entry.path(), std::ios::binary);
      const std::string bytes((std::istreambuf_iterator<char>(in)), {});
      for (const std::string& trace : traces) {
        found[entry.path()] += bytes.find(trace) != std::string::npos;
      }
    }
    std::erase_if(found, [](const auto& file) { return file.second == 0; });
    return found;
  }

  Random random_{20261121};
};

TEST_P(PurgeTest, NoFileHoldsWhatWasPurged) {
  std::vector<Written> secrets;
  std::vector<Written> others;
  // Versions in files, in the log, and in both.
  for (int round = 0; round < 3; ++round) {
    for (const absl::string_view id : {"secret", "secret 2"}) {
      secrets.push_back(Put(id));
      secrets.push_back(Put(id));
    }
    for (int i = 0; i < 20; ++i) others.push_back(Put(absl::StrCat("r", i)));
    if (round < 2) Reopen();
  }
  ASSERT_THAT(notes_->CreateTag("before"), IsOk());
  std::vector<std::string> traces;
  for (const Written& secret : secrets) {
    for (std::string& trace : Traces(secret))
      traces.push_back(std::move(trace));
  }
  // The search finds what is there.
  const auto before = Found(traces);
  ASSERT_FALSE(before.empty());
  if (GetParam().originals != Originals::kFloat32 ||
      GetParam().segment_slots != 0) {
    EXPECT_FALSE(Found({traces.back()}).empty());  // A code.
  }
  const bool in_segments = std::any_of(
      before.begin(), before.end(),
      [](const auto& file) { return absl::EndsWith(file.first, ".seg"); });
  ASSERT_EQ(in_segments, GetParam().segment_slots != 0);

  const auto reply = notes_->Purge({"secret", "secret 2", "secret", "none"});
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->purged, secrets.size());
  EXPECT_THAT(reply->untouched, IsEmpty());
  EXPECT_THAT(Found(traces), IsEmpty());
  if (GetParam().originals == Originals::kFloat32) {
    // What shares those files is still there, as it is.
    EXPECT_FALSE(Found({others.front().text}).empty());
    EXPECT_FALSE(Found({others.back().text}).empty());
  }

  for (int round = 0; round < 2; ++round) {
    for (const std::optional<Moment>& at :
         {std::optional<Moment>(), std::optional(Moment::AtTag("before")),
          std::optional(Moment::At(3))}) {
      const auto got = notes_->Get({"secret", "secret 2", "none"}, {}, at);
      ASSERT_THAT(got, IsOk());
      for (const auto& record : *got) EXPECT_EQ(record, std::nullopt);
      Query query = Query::Vector(secrets[0].vector);
      query.k = 100;
      query.at = at;
      const auto found = notes_->Search(query);
      ASSERT_THAT(found, IsOk());
      EXPECT_EQ(*notes_->Count({}, at), found->hits.size());
      for (const Hit& hit : found->hits) {
        EXPECT_EQ(hit.id.substr(0, 1), "r");
      }
    }
    EXPECT_EQ(*notes_->Count(), 20u);
    const auto history = notes_->History("secret");
    ASSERT_THAT(history, IsOk());
    ASSERT_EQ(history->versions.size(), 1u);
    EXPECT_TRUE(history->versions[0].deleted);
    EXPECT_EQ(history->versions[0].version.lamport, reply->lamport);
    EXPECT_EQ(notes_->Stats()->versions, others.size() + 3);
    EXPECT_EQ(notes_->Stats()->tombstones, 3u);
    EXPECT_THAT(Found(traces), IsEmpty());
    Reopen();
  }
  EXPECT_THAT(Violations(), IsEmpty());
}

TEST_P(PurgeTest, ARecordCanBeWrittenAgainAndPurgedAgain) {
  Put("a");
  const auto first = notes_->Purge({"a"});
  ASSERT_THAT(first, IsOk());
  const Written again = Put("a");
  ASSERT_TRUE((*notes_->Get({"a"}))[0].has_value());
  EXPECT_EQ((*notes_->Get({"a"}))[0]->record.text, again.text);
  EXPECT_EQ(notes_->Search(Query::Vector(again.vector))->hits.size(), 1u);
  Reopen();
  EXPECT_EQ(notes_->Search(Query::Vector(again.vector))->hits.size(), 1u);
  const auto second = notes_->Purge({"a"});
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(second->purged, 2u);  // The version, and the mark before.
  EXPECT_THAT(Found(Traces(again)), IsEmpty());
  const auto marks = ReadPurgeMarks(engine());
  ASSERT_THAT(marks, IsOk());
  ASSERT_EQ(marks->size(), 1u);
  EXPECT_EQ((*marks)[0].id, "a");
  EXPECT_EQ((*marks)[0].version.lamport, second->lamport);
  EXPECT_EQ((*marks)[0].version.replica, engine().origin().replica);
  EXPECT_EQ((*marks)[0].collection, notes_->Info()->uuid);
  EXPECT_THAT(Violations(), IsEmpty());
}

TEST_P(PurgeTest, WhatIsCutOffIsCompletedLater) {
  const Written secret = Put("a");
  Reopen();
  CallOptions call;
  // After the mark and the rows, before the files.
  int asked = 0;
  call.cancelled = [&asked] { return ++asked > 2; };
  EXPECT_THAT(notes_->Purge({"a"}, call),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("notes")));
  EXPECT_EQ((*notes_->Get({"a"}))[0], std::nullopt);
  EXPECT_FALSE(Found(Traces(secret)).empty());
  Reopen();
  engine().maintenance().RunOnce();
  EXPECT_THAT(Found(Traces(secret)), IsEmpty());
  EXPECT_THAT(Violations(), IsEmpty());
}

TEST_P(PurgeTest, OpeningDeletesWhatACrashLeftBelowAMark) {
  const Written secret = Put("a");
  // The rows of the version as they were before.
  const std::string body_key = BodyRowKey(1, {0, "a", 1, 0, 1});
  const std::string op_key = OpKey({1, 0}, 0, 1);
  const auto body = engine().store().Get(Family::kBodies, body_key);
  const auto op = engine().store().Get(Family::kRows, op_key);
  ASSERT_TRUE(body.ok() && body->has_value() && op.ok() && op->has_value());
  ASSERT_THAT(notes_->Purge({"a"}), IsOk());
  const auto mark = engine().store().Get(Family::kRows, PurgeKey({1, 0}, "a"));
  ASSERT_TRUE(mark.ok() && mark->has_value());
  auto row = DecodePurgeRow(**mark);
  ASSERT_THAT(row, IsOk());
  EXPECT_TRUE(row->erased);
  row->erased = false;
  notes_ = nullptr;
  ASSERT_THAT(db_->Close(), IsOk());
  {
    auto store = Store::Open(path() + "/store", {});
    ASSERT_THAT(store, IsOk());
    WriteBatch batch = (*store)->NewBatch();
    batch.Put(Family::kBodies, body_key, **body);
    batch.Put(Family::kRows, op_key, **op);
    batch.Put(Family::kRows, PurgeKey({1, 0}, "a"), Encode(*row));
    batch.Put(Family::kRows, ClockKey(1), Encode(ClockRow{2, 0, 2, 1}));
    ASSERT_THAT((*store)->Write(batch), IsOk());
    ASSERT_THAT((*store)->Close(), IsOk());
  }
  Open();
  notes_ = *db_->OpenCollection("notes");
  EXPECT_EQ((*notes_->Get({"a"}, {}, Moment::At(1)))[0], std::nullopt);
  EXPECT_EQ(notes_->History("a")->versions.size(), 1u);
  EXPECT_EQ(notes_->Stats()->versions, 1u);
  Query query = Query::Vector(secret.vector);
  query.at = Moment::At(1);
  EXPECT_THAT(notes_->Search(query)->hits, IsEmpty());
  engine().maintenance().RunOnce();
  EXPECT_THAT(Found(Traces(secret)), IsEmpty());
  EXPECT_THAT(Violations(), IsEmpty());
}

TEST_P(PurgeTest, BadCallsAreRefused) {
  EXPECT_THAT(notes_->Purge({}), StatusIs(absl::StatusCode::kInvalidArgument,
                                          HasSubstr("no items")));
  EXPECT_THAT(
      notes_->Purge({"a", ""}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("item 1")));
  ASSERT_THAT(db_->DropCollection("notes"), IsOk());
  EXPECT_THAT(notes_->Purge({"a"}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("dropped")));
}

INSTANTIATE_TEST_SUITE_P(
    All, PurgeTest,
    ::testing::Values(PurgeCase{"Float32", Originals::kFloat32, 0},
                      PurgeCase{"CodesOnly", Originals::kCodesOnly, 0},
                      PurgeCase{"Float32Segments", Originals::kFloat32, 16},
                      PurgeCase{"BFloat16Segments", Originals::kBFloat16, 16},
                      PurgeCase{"CodesOnlySegments", Originals::kCodesOnly,
                                16}),
    [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace corkscrew
