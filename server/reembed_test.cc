#include "server/reembed.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/testing.h"
#include "corkscrew/collection.h"
#include "corkscrew/db.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/fake_db.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::FakeState;
using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::MakeFakeDb;
using ::corkscrew::testing::StatusIs;
using ::testing::HasSubstr;

// Two collections of two fake databases, since one keeps the records of all of
// its collections together.
class ReembedTest : public ::testing::Test {
 protected:
  ReembedTest() {
    for (FakeState* state : {&from_, &to_}) {
      state->collections["notes"].name = "notes";
    }
    from_db_ = MakeFakeDb(from_);
    to_db_ = MakeFakeDb(to_);
    from_collection_ = *from_db_->OpenCollection("notes");
    to_collection_ = *to_db_->OpenCollection("notes");
  }

  void Store(FakeState& state, const std::string& id, const std::string& text) {
    StoredRecord& stored = state.records[id];
    stored.record.id = id;
    stored.record.text = text;
    stored.record.vector = {1, 2};
    stored.version.lamport = ++state.lamport;
  }
  absl::StatusOr<ReembedReply> Run(const ReembedOptions& options = {}) {
    return Reembed(*from_collection_, *to_collection_, options);
  }

  FakeState from_;
  FakeState to_;
  std::unique_ptr<Db> from_db_;
  std::unique_ptr<Db> to_db_;
  std::shared_ptr<Collection> from_collection_;
  std::shared_ptr<Collection> to_collection_;
};

TEST_F(ReembedTest, RecordsComeWithTextMetadataAndExpiryAndWithoutTheirVector) {
  Store(from_, "a", "one");
  from_.records["a"].record.metadata["year"] = int64_t{2000};
  from_.records["a"].expires_ms = 5;
  const auto reply = Run();
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->written, 1u);
  EXPECT_EQ(reply->passes, 2u);  // The second finds nothing to do.
  const StoredRecord& stored = to_.records["a"];
  EXPECT_EQ(stored.record.text, "one");
  EXPECT_EQ(stored.record.metadata, from_.records["a"].record.metadata);
  EXPECT_EQ(stored.expires_ms, 5);
  EXPECT_TRUE(stored.record.vector.empty());
}

TEST_F(ReembedTest, WhatIsThereIsNotEmbeddedAgain) {
  for (int i = 0; i < 1000; ++i) {
    Store(from_, absl::StrFormat("%04d", i), absl::StrCat("text ", i));
    if (i < 600) to_.records = from_.records;
  }
  to_.records["0003"].record.text = "another";
  const auto reply = Run();
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->written, 401u);
  EXPECT_EQ(reply->records, 1000u);
  EXPECT_EQ(reply->unchanged, 1000u);
  EXPECT_EQ(to_.records["0003"].record.text, "text 3");
  size_t puts = 0;
  for (const size_t size : to_.put_sizes) {
    EXPECT_LE(size, 64u);
    puts += size;
  }
  EXPECT_EQ(puts, 401u);
  const auto again = Run();
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->written, 0u);
  EXPECT_EQ(again->passes, 1u);
}

TEST_F(ReembedTest, WhatTheSourceHasNoMoreIsDeleted) {
  Store(from_, "a", "one");
  Store(to_, "a", "one");
  Store(to_, "b", "two");
  const auto reply = Run();
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->deleted, 1u);
  EXPECT_EQ(to_.records.size(), 1u);
}

TEST_F(ReembedTest, RecordsWithoutTextAreCountedAndLeftOut) {
  Store(from_, "a", "");
  Store(from_, "b", "two");
  const auto reply = Run();
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->textless, 1u);
  EXPECT_EQ(to_.records.size(), 1u);
}

TEST_F(ReembedTest, WritesMeanwhileArriveToo) {
  Store(from_, "a", "one");
  size_t calls = 0;
  const auto reply = Run({.progress = [&](size_t) {
    if (++calls == 1) Store(from_, "b", "two");
    if (calls == 2) from_.records.erase("a");
  }});
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(to_.records.size(), 1u);
  EXPECT_EQ(to_.records["b"].record.text, "two");
}

TEST_F(ReembedTest, ASourceThatNeverRestsIsGivenUp) {
  Store(from_, "0", "first");
  int id = 0;
  EXPECT_THAT(
      Run({.progress =
               [&](size_t) { Store(from_, absl::StrCat(++id), "more"); }}),
      StatusIs(absl::StatusCode::kAborted, HasSubstr("stop writing to it")));
}

TEST_F(ReembedTest, TheCallerIsToldWhatIsCompleteAndMayAskForMore) {
  Store(from_, "a", "one");
  Store(from_, "b", "two");
  std::vector<Lamport> told;
  ReembedOptions options;
  options.complete = [&](Lamport at,
                         const ReembedReply& so_far) -> absl::StatusOr<bool> {
    told.push_back(at);
    if (told.size() == 1) {
      EXPECT_EQ(so_far.written, 2u);
      Store(from_, "b", "another");
    }
    return told.size() == 3;
  };
  const auto reply = Run(options);
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(told, (std::vector<Lamport>{2, 3, 3}));
  EXPECT_EQ(reply->passes, 3u);
  EXPECT_EQ(reply->written, 3u);
  EXPECT_EQ(to_.records["b"].record.text, "another");
  // The last pass has read ids alone.
  EXPECT_FALSE(from_.list_options.fields.text);
  options.complete = [](Lamport, const ReembedReply&) -> absl::StatusOr<bool> {
    return absl::AbortedError("the alias was moved");
  };
  EXPECT_THAT(Run(options),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("alias")));
}

TEST_F(ReembedTest, ErrorsOfEitherSideEndIt) {
  Store(from_, "a", "one");
  to_.failure = absl::UnavailableError("gone");
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("")));
  to_.failure = absl::OkStatus();
  from_.failure = absl::UnavailableError("gone");
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("")));
}

}  // namespace
}  // namespace corkscrew
