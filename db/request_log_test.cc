#include "db/request_log.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/testing.h"
#include "db/keys.h"
#include "db/rows.h"
#include "db/store.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using testing::IsOk;
using testing::TempDir;

class RequestLogTest : public ::testing::Test {
 protected:
  RequestLogTest() : store_(*Store::Open(dir_.path(), {})) {}

  // Writes the row of a request at `wall_ms` and returns its key.
  std::string Write(int64_t wall_ms, RequestLog* log) {
    const std::string key = RequestKey({1, 0}, absl::StrCat("r", next_++));
    RequestRow row;
    row.wall_ms = wall_ms;
    row.items = {ItemOutcome::kWritten};
    WriteBatch batch = store_->NewBatch();
    batch.Put(Family::kRows, key, Encode(row));
    EXPECT_THAT(store_->Write(batch), IsOk());
    if (log != nullptr) log->Add(wall_ms, key);
    return key;
  }
  void Prune(int64_t now_ms, RequestLog* log) {
    WriteBatch batch = store_->NewBatch();
    log->Prune(now_ms, 100, &batch);
    EXPECT_THAT(store_->Write(batch), IsOk());
  }
  bool Has(const std::string& key) {
    return store_->Get(Family::kRows, key)->has_value();
  }

  TempDir dir_;
  std::unique_ptr<Store> store_;
  int next_ = 0;
};

TEST_F(RequestLogTest, RemovesRowsOlderThanADayAndNoOthers) {
  RequestLog log;
  const std::string old = Write(1000, &log);
  const std::string young = Write(2000, &log);
  Prune(1000 + kRequestTtlMs, &log);
  EXPECT_TRUE(Has(old));
  Prune(1001 + kRequestTtlMs, &log);
  EXPECT_FALSE(Has(old));
  EXPECT_TRUE(Has(young));
  EXPECT_EQ(log.size(), 1u);
}

TEST_F(RequestLogTest, RemovesTheOldestRowsAboveTheLimitWhateverTheirOrder) {
  RequestLog log(/*max_rows=*/2);
  const std::string middle = Write(2000, &log);
  const std::string newest = Write(3000, &log);
  const std::string oldest = Write(1000, &log);
  Prune(3000, &log);
  EXPECT_FALSE(Has(oldest));
  EXPECT_TRUE(Has(middle));
  EXPECT_TRUE(Has(newest));
}

TEST_F(RequestLogTest, KnowsAfterLoadingWhatIsStored) {
  const std::string old = Write(1000, nullptr);
  const std::string young = Write(2000, nullptr);
  RequestLog log;
  ASSERT_THAT(log.Load(*store_), IsOk());
  EXPECT_EQ(log.size(), 2u);
  Prune(1001 + kRequestTtlMs, &log);
  EXPECT_FALSE(Has(old));
  EXPECT_TRUE(Has(young));
}

}  // namespace
}  // namespace corkscrew
