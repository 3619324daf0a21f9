#include "db/segment_catalogue.h"

#include <cstddef>
#include <string>

#include "base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::testing::HasSubstr;

DiedSidecar Example() {
  return {.collection = {{1, 2}},
          .position = {.incarnation = 3, .feed = 4, .op_hash = {5}},
          .segments = {{7, {{0, 100}, {5, 90}}}, {9, {{3, 80}}}}};
}

TEST(SegmentCatalogueTest, ASidecarComesBack) {
  for (const DiedSidecar& sidecar : {DiedSidecar(), Example()}) {
    Hash16 written;
    Hash16 read;
    const std::string bytes = EncodeDiedSidecar(sidecar, &written);
    const auto again = DecodeDiedSidecar(bytes, &read);
    ASSERT_THAT(again, IsOk());
    EXPECT_EQ(*again, sidecar);
    EXPECT_EQ(read, written);
  }
}

TEST(SegmentCatalogueTest, ADamagedSidecarIsRefused) {
  Hash16 hash;
  const std::string bytes = EncodeDiedSidecar(Example(), &hash);
  for (size_t i = 0; i < bytes.size(); ++i) {
    EXPECT_THAT(DecodeDiedSidecar(bytes.substr(0, i), &hash),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("sidecar")));
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
      EXPECT_THAT(DecodeDiedSidecar(changed, &hash),
                  StatusIs(absl::StatusCode::kDataLoss, HasSubstr("sidecar")));
    }
  }
}

TEST(SegmentCatalogueTest, RowsComeBackAndOthersAreRefused) {
  const CatalogueRow catalogue = {.covered = {1, 2, {3}},
                                  .next_number = 9,
                                  .sidecar = 8,
                                  .sidecar_hash = {4}};
  const SegmentRow segment = {SegmentKind::kHistory, 3, 4096, {5}};
  EXPECT_EQ(*DecodeCatalogueRow(Encode(catalogue)), catalogue);
  EXPECT_EQ(*DecodeSegmentRow(Encode(segment)), segment);
  for (const std::string& bytes : {Encode(catalogue), Encode(segment)}) {
    for (size_t i = 0; i < bytes.size(); ++i) {
      EXPECT_FALSE(DecodeCatalogueRow(bytes.substr(0, i)).ok());
      EXPECT_FALSE(DecodeSegmentRow(bytes.substr(0, i)).ok());
    }
    EXPECT_FALSE(DecodeCatalogueRow(bytes + "x").ok());
    EXPECT_FALSE(DecodeSegmentRow(bytes + "x").ok());
  }
  CatalogueRow behind = catalogue;
  behind.sidecar = 9;
  EXPECT_FALSE(DecodeCatalogueRow(Encode(behind)).ok());
  SegmentRow kind = segment;
  kind.kind = static_cast<SegmentKind>(3);
  EXPECT_FALSE(DecodeSegmentRow(Encode(kind)).ok());
}

TEST(SegmentCatalogueTest, FilesAreNamedByCollectionAndNumber) {
  const Uuid uuid = {{0xAB}};
  EXPECT_EQ(SegmentFileName(uuid, 0x1F),
            "ab000000000000000000000000000000-000000000000001f.seg");
  EXPECT_EQ(SidecarFileName(uuid, 2),
            "ab000000000000000000000000000000-0000000000000002.died");
}

}  // namespace
}  // namespace corkscrew
