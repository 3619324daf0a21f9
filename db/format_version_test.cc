#include "db/format_version.h"

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "base/testing.h"
#include "corkscrew/db.h"
#include "db/keys.h"
#include "db/rows.h"
#include "db/store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;
using testing::TempDir;

constexpr uint64_t kUnknown = uint64_t{1} << 63;

FormatRow With(uint64_t FormatRow::*set, uint64_t bits) {
  FormatRow row = kCurrentFormat;
  row.*set |= bits;
  return row;
}

TEST(FormatVersionTest, UnknownFeaturesSayWhatIsStillAllowed) {
  EXPECT_THAT(CheckFormat(kCurrentFormat, false), IsOk());
  EXPECT_THAT(CheckFormat(With(&FormatRow::compat, kUnknown), false), IsOk());
  const FormatRow readable = With(&FormatRow::read_only, kUnknown);
  EXPECT_THAT(CheckFormat(readable, true), IsOk());
  EXPECT_THAT(CheckFormat(readable, false),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("0x8000000000000000")));
  const FormatRow refused = With(&FormatRow::required, kUnknown | 4);
  for (const bool read_only : {false, true}) {
    EXPECT_THAT(CheckFormat(refused, read_only),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         HasSubstr("0x8000000000000004")));
    EXPECT_THAT(CheckFormat({.version = 1}, read_only),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         HasSubstr("version 1, this build knows 0")));
  }
  // What is known is not held against a database.
  EXPECT_THAT(CheckFormat(refused, false, refused), IsOk());
}

class UpgradeTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(Db::Open(path()), IsOk()); }
  std::string path() const { return dir_.path() + "/db"; }
  std::unique_ptr<Store> OpenStore() {
    auto store = Store::Open(path() + "/store", {});
    EXPECT_THAT(store, IsOk());
    return *std::move(store);
  }
  TempDir dir_;
};

TEST_F(UpgradeTest, ADatabaseOfThisBuildHasNothingToUpgrade) {
  const auto store = OpenStore();
  const uint64_t rows = store->last_sequence();
  const auto upgrade = UpgradeStore(*store);
  ASSERT_THAT(upgrade, IsOk());
  EXPECT_EQ(upgrade->from, kCurrentFormat);
  EXPECT_EQ(upgrade->to, kCurrentFormat);
  EXPECT_EQ(store->last_sequence(), rows);
}

TEST_F(UpgradeTest, AnUpgradeAddsFeaturesAndOlderBuildsSeeThem) {
  const FormatRow newer = With(&FormatRow::required, kUnknown);
  {
    const auto store = OpenStore();
    const auto upgrade = UpgradeStore(*store, newer);
    ASSERT_THAT(upgrade, IsOk());
    EXPECT_EQ(upgrade->from, kCurrentFormat);
    EXPECT_EQ(upgrade->to, newer);
    ASSERT_THAT(UpgradeStore(*store, newer), IsOk());  // Again: nothing.
    // This build is an older one now.
    EXPECT_THAT(UpgradeStore(*store),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         HasSubstr("newer build")));
    ASSERT_THAT(store->Close(), IsOk());
  }
  EXPECT_THAT(Db::Open(path()), StatusIs(absl::StatusCode::kFailedPrecondition,
                                         HasSubstr("newer build")));
}

TEST_F(UpgradeTest, FeaturesThatAreNotKnownAndDoNotMatterStay) {
  const FormatRow newer = With(&FormatRow::compat, kUnknown);
  {
    const auto store = OpenStore();
    ASSERT_THAT(UpgradeStore(*store, newer), IsOk());
    const auto upgrade = UpgradeStore(*store);
    ASSERT_THAT(upgrade, IsOk());
    EXPECT_EQ(upgrade->to, newer);
    ASSERT_THAT(store->Close(), IsOk());
  }
  EXPECT_THAT(Db::Open(path()), IsOk());
}

}  // namespace
}  // namespace corkscrew
