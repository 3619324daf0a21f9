// Databases that are open for reading only, beside the one that writes.

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/testing.h"
#include "corkscrew/collection.h"
#include "corkscrew/db.h"
#include "db/follower.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::RandomNormal;
using ::corkscrew::testing::StatusIs;
using ::corkscrew::testing::TempDir;
using ::testing::HasSubstr;

constexpr size_t kDim = 16;

absl::Status Put(Collection& collection, const std::string& id, uint64_t seed) {
  const std::vector<float> vector = RandomNormal(kDim, seed);
  PutItem item{RecordView(id)};
  item.record.vector = vector;
  const std::string text = absl::StrCat("text ", seed);
  item.record.text = text;
  return collection.Put({&item, 1}).status();
}

// The text of a record, or "" if there is none.
std::string TextOf(const Collection& collection, const std::string& id) {
  const absl::string_view ids[] = {id};
  const auto got = collection.Get(ids);
  EXPECT_THAT(got, IsOk());
  return got.ok() && (*got)[0].has_value() ? (*got)[0]->record.text : "";
}

// The id nearest to the vector of `seed`.
std::string Nearest(const Collection& collection, uint64_t seed) {
  Query query = Query::Vector(RandomNormal(kDim, seed));
  query.k = 1;
  const auto reply = collection.Search(query);
  EXPECT_THAT(reply, IsOk());
  return reply.ok() && !reply->hits.empty() ? reply->hits[0].id : "";
}

// All files below `path` with size and time of the last change.
std::vector<std::string> Files(const std::string& path) {
  std::vector<std::string> out;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(path)) {
    out.push_back(
        absl::StrCat(entry.path().string(), " ",
                     entry.is_regular_file() ? entry.file_size() : 0, " ",
                     entry.last_write_time().time_since_epoch().count()));
  }
  std::sort(out.begin(), out.end());
  return out;
}

class ReadOnlyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    OpenWriter();
    ASSERT_THAT(writer_->CreateCollection("notes", {.dim = kDim}), IsOk());
    notes_ = *writer_->OpenCollection("notes");
  }

  void OpenWriter() {
    writer_.reset();
    auto writer = Db::Open(path_);
    ASSERT_THAT(writer, IsOk());
    writer_ = *std::move(writer);
    auto notes = writer_->OpenCollection("notes");
    if (notes.ok()) notes_ = *notes;
  }

  absl::StatusOr<std::unique_ptr<Db>> OpenReader() {
    Options options;
    options.read_only = true;
    options.now = [this] { return now_; };
    return Db::Open(path_, options);
  }

  void PassTime() { now_ += Follower::kInterval; }

  TempDir dir_;
  const std::string path_ = dir_.path() + "/db";
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  std::unique_ptr<Db> writer_;
  std::shared_ptr<Collection> notes_;
};

TEST_F(ReadOnlyTest, FollowsAliasesThatAreMadeMovedAndDeleted) {
  const auto reader = OpenReader();
  ASSERT_THAT(reader, IsOk());
  ASSERT_THAT(writer_->CreateCollection("other", {.dim = kDim}), IsOk());
  for (const char* name : {"notes", "other"}) {
    ASSERT_THAT(writer_->SetAlias("docs", name), IsOk());
    PassTime();
    const auto docs = (*reader)->OpenCollection("docs");
    ASSERT_THAT(docs, IsOk());
    EXPECT_EQ((*docs)->name(), name);
  }
  ASSERT_THAT(writer_->DeleteAlias("docs"), IsOk());
  ASSERT_THAT(writer_->DropCollection("other"), IsOk());
  PassTime();
  EXPECT_THAT((*reader)->OpenCollection("docs"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("docs")));
  EXPECT_TRUE((*reader)->ListAliases()->empty());
}

TEST_F(ReadOnlyTest, SeesWhatTheWriterWritesWithinTheInterval) {
  ASSERT_THAT(Put(*notes_, "a", 1), IsOk());
  const auto reader = OpenReader();
  ASSERT_THAT(reader, IsOk());
  const auto seen = (*reader)->OpenCollection("notes");
  ASSERT_THAT(seen, IsOk());
  EXPECT_EQ(TextOf(**seen, "a"), "text 1");
  for (uint64_t i = 2; i < 50; ++i) {
    ASSERT_THAT(Put(*notes_, i % 3 == 0 ? "a" : absl::StrCat("b", i), i),
                IsOk());
    const absl::string_view gone[] = {"b2"};
    if (i == 20) {
      ASSERT_THAT(notes_->Delete(gone), IsOk());
    }
    PassTime();
    for (const Collection* side : {notes_.get(), (*seen).get()}) {
      EXPECT_EQ(Nearest(*side, i), i % 3 == 0 ? "a" : absl::StrCat("b", i));
      EXPECT_EQ(TextOf(*side, "b2"), i < 20 ? "text 2" : "");
      EXPECT_EQ(TextOf(*side, "a"),
                absl::StrCat("text ", i < 3 ? 1 : i / 3 * 3));
    }
    const auto written = notes_->Stats();
    const auto read = (*seen)->Stats();
    ASSERT_THAT(written, IsOk());
    ASSERT_THAT(read, IsOk());
    EXPECT_EQ(read->info.lamport, written->info.lamport);
    EXPECT_EQ(read->info.records, written->info.records);
    EXPECT_EQ(read->versions, written->versions);
    EXPECT_EQ(read->tombstones, written->tombstones);
  }
}

TEST_F(ReadOnlyTest, SeesAWriterComeAndGo) {
  const auto reader = OpenReader();
  ASSERT_THAT(reader, IsOk());
  const auto seen = (*reader)->OpenCollection("notes");
  ASSERT_THAT(seen, IsOk());
  for (uint64_t i = 0; i < 20; ++i) {
    ASSERT_THAT(Put(*notes_, "a", i), IsOk());
    if (i % 3 != 0) {
      ASSERT_THAT(writer_->Close(), IsOk());
      if (i % 3 == 2) OpenWriter();
    }
    PassTime();
    EXPECT_EQ(TextOf(**seen, "a"), absl::StrCat("text ", i));
    EXPECT_EQ(Nearest(**seen, i), "a");
    if (i % 3 == 1) OpenWriter();
  }
}

TEST_F(ReadOnlyTest, SeesWhatWasFlushedAndCompacted) {
  const auto reader = OpenReader();
  ASSERT_THAT(reader, IsOk());
  const auto seen = (*reader)->OpenCollection("notes");
  ASSERT_THAT(seen, IsOk());
  // Several memtables: 8 MiB of log force a flush.
  const std::string text(200'000, 'x');
  for (uint64_t i = 0; i < 120; ++i) {
    const std::string id = absl::StrCat("big", i);
    const std::vector<float> vector = RandomNormal(kDim, i);
    PutItem item{RecordView(id)};
    item.record.vector = vector;
    std::string unlike = text;  // Compresses badly enough.
    for (size_t j = 0; j < unlike.size(); ++j) {
      unlike[j] = static_cast<char>('a' + (i * 7919 + j * j * 31 % 1009) % 26);
    }
    item.record.text = unlike;
    ASSERT_THAT(notes_->Put({&item, 1}), IsOk());
    if (i % 10 != 9) continue;
    PassTime();
    const auto count = (*seen)->Count();
    ASSERT_THAT(count, IsOk());
    EXPECT_EQ(*count, i + 1);
    EXPECT_EQ(TextOf(**seen, "big0").size(), text.size());
    EXPECT_EQ(TextOf(**seen, id), unlike);
  }
}

TEST_F(ReadOnlyTest, SeesCollectionsMadeDroppedAndMadeAgain) {
  const auto reader = OpenReader();
  ASSERT_THAT(reader, IsOk());
  const auto old = (*reader)->OpenCollection("notes");
  ASSERT_THAT(old, IsOk());
  EXPECT_THAT((*reader)->OpenCollection("more"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("more")));
  ASSERT_THAT(writer_->CreateCollection("more", {.dim = kDim}), IsOk());
  PassTime();
  EXPECT_THAT((*reader)->OpenCollection("more"), IsOk());
  ASSERT_THAT(writer_->DropCollection("notes"), IsOk());
  PassTime();
  EXPECT_THAT((*old)->Count(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("notes")));
  ASSERT_THAT(writer_->CreateCollection("notes", {.dim = kDim}), IsOk());
  ASSERT_THAT(writer_->DropCollection("notes"), IsOk());
  const auto again = writer_->CreateCollection("notes", {.dim = kDim});
  ASSERT_THAT(again, IsOk());
  ASSERT_THAT(Put(**again, "new", 5), IsOk());
  PassTime();
  const auto seen = (*reader)->OpenCollection("notes");
  ASSERT_THAT(seen, IsOk());
  EXPECT_EQ(Nearest(**seen, 5), "new");
  EXPECT_EQ((*seen)->Info()->generation, 3u);
}

TEST_F(ReadOnlyTest, RefusesWritesAndSaysSo) {
  const auto reader = OpenReader();
  ASSERT_THAT(reader, IsOk());
  const auto seen = (*reader)->OpenCollection("notes");
  ASSERT_THAT(seen, IsOk());
  const auto refused = StatusIs(absl::StatusCode::kFailedPrecondition,
                                HasSubstr("reading only"));
  EXPECT_THAT(Put(**seen, "a", 1), refused);
  const absl::string_view ids[] = {"a"};
  EXPECT_THAT((*seen)->Delete(ids), refused);
  EXPECT_THAT((*reader)->CreateCollection("x", {.dim = 1}), refused);
  EXPECT_THAT((*reader)->DropCollection("notes"), refused);
  const auto stats = (*reader)->Stats();
  ASSERT_THAT(stats, IsOk());
  EXPECT_EQ(stats->state, DbState::kReadOnly);
  EXPECT_EQ(stats->uuid, writer_->Stats()->uuid);
  EXPECT_EQ(stats->incarnation, writer_->Stats()->incarnation);
}

TEST_F(ReadOnlyTest, ChangesNothingInTheDirectory) {
  ASSERT_THAT(Put(*notes_, "a", 1), IsOk());
  for (const bool killed : {true, false}) {
    // A copy taken now is what a kill would leave: rows only in the log.
    const std::string copy = absl::StrCat(dir_.path(), "/copy", killed);
    if (!killed) {
      ASSERT_THAT(writer_->Close(), IsOk());
    }
    std::filesystem::copy(path_, copy,
                          std::filesystem::copy_options::recursive);
    const std::vector<std::string> before = Files(copy);
    {
      const auto reader =
          Db::Open(copy, {.read_only = true, .now = [this] { return now_; }});
      ASSERT_THAT(reader, IsOk());
      const auto seen = (*reader)->OpenCollection("notes");
      ASSERT_THAT(seen, IsOk());
      EXPECT_EQ(TextOf(**seen, "a"), "text 1");
      PassTime();
      EXPECT_EQ(TextOf(**seen, "a"), "text 1");
      ASSERT_THAT((*reader)->Close(), IsOk());
    }
    EXPECT_EQ(Files(copy), before);
  }
}

TEST_F(ReadOnlyTest, FindsNoDatabaseWhereThereIsNoneAndMakesNone) {
  Options options;
  options.read_only = true;
  EXPECT_THAT(Db::Open(dir_.path() + "/none", options),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
  EXPECT_FALSE(std::filesystem::exists(dir_.path() + "/none"));
}

TEST_F(ReadOnlyTest, ThreadsReadWhileItCatchesUp) {
  const auto reader = Db::Open(path_, {.read_only = true});
  ASSERT_THAT(reader, IsOk());
  const auto seen = (*reader)->OpenCollection("notes");
  ASSERT_THAT(seen, IsOk());
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      size_t last = 0;
      while (last < 300) {
        const auto count = (*seen)->Count();
        ASSERT_THAT(count, IsOk());
        ASSERT_GE(*count, last);
        last = *count;
        if (last > 0) {
          EXPECT_EQ(TextOf(**seen, "n0"), "text 0");
          EXPECT_EQ(Nearest(**seen, 0), "n0");
        }
      }
    });
  }
  for (uint64_t i = 0; i < 300; ++i) {
    ASSERT_THAT(Put(*notes_, absl::StrCat("n", i), i), IsOk());
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace corkscrew
