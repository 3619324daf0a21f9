#include "db/segment.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "base/testing.h"
#include "db/growing_block.h"
#include "db/metadata_columns.h"
#include "db/rescore_row.h"
#include "db/segment_builder.h"
#include "db/segment_format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::testing::HasSubstr;

constexpr size_t kCodeBytes = 5;
constexpr size_t kDim = 3;
const SegmentSpace kSpace = {.collection = {{1, 2, 3}},
                             .descriptor = {4, 5},
                             .layout = ScanLayout({.dim = 20, .bits = 2}),
                             .rescore_dim = kDim};
constexpr SegmentStamp kStamp = {
    .number = 7, .incarnation = 8, .feed = 9, .op_hash = {10, 11, 12}};

class HeldContent : public FileContent {
 public:
  explicit HeldContent(std::string bytes) : bytes_(std::move(bytes)) {}
  absl::string_view bytes() const override { return bytes_; }

 private:
  const std::string bytes_;
};

absl::StatusOr<std::shared_ptr<Segment>> Open(
    std::string bytes, const SegmentSpace& space = kSpace) {
  return Segment::FromContent(std::make_unique<HeldContent>(std::move(bytes)),
                              space);
}

// Originals by seq: coordinate i is seq + i / 1021, which must be rounded.
class Originals : public OriginalReader {
 public:
  static std::vector<float> Of(uint64_t seq) {
    std::vector<float> vector(kDim);
    for (size_t i = 0; i < kDim; ++i) {
      vector[i] = static_cast<float>(seq % 99) + static_cast<float>(i) / 1021;
    }
    return vector;
  }
  absl::Status ReadOriginals(absl::Span<const BodyKey> bodies,
                             absl::Span<float> vectors) const override {
    for (size_t i = 0; i < bodies.size(); ++i) {
      const std::vector<float> vector = Of(bodies[i].seq);
      std::copy(vector.begin(), vector.end(), &vectors[i * kDim]);
    }
    return absl::OkStatus();
  }
};

// `slots` records with metadata of all types.
std::unique_ptr<GrowingBlock> MakeBlock(size_t slots, uint64_t seed) {
  auto block = std::make_unique<GrowingBlock>(kSpace.layout, kDim);
  Random random(seed);
  for (size_t i = 0; i < slots; ++i) {
    const BodyKey body{
        .shard = static_cast<uint16_t>(seed % 2 == 0 ? 0 : random.Next() % 9),
        .id = absl::StrCat("id-", i, std::string(random.Next() % 9, 'x')),
        .lamport = 100 + (seed % 3 == 0 ? random.Next() >> 20 : i / 3),
        .origin = static_cast<uint32_t>(seed % 2 == 0 ? 5 : random.Next() % 4),
        .seq = (uint64_t{1} << 40) + i};
    Metadata metadata = {{"kind", std::string("note")}};
    if (i % 3 == 0) metadata["n"] = static_cast<int64_t>(i);
    if (i % 3 == 1) metadata["n"] = static_cast<double>(i) / 4;
    if (i % 2 == 0) metadata["tags"] = std::vector<std::string>{"a", "b"};
    if (i % 16 == 0) metadata["pinned"] = true;
    std::vector<uint8_t> code(kCodeBytes);
    for (uint8_t& byte : code) byte = static_cast<uint8_t>(random.Next());
    block->Add({.body = &body,
                .metadata = &metadata,
                .code = code,
                .scalars = {static_cast<float>(i), 2.5f},
                .original = Originals::Of(body.seq)});
  }
  block->Publish(1);
  return block;
}

std::vector<SlotToCopy> AllOf(const GrowingBlock& block) {
  std::vector<SlotToCopy> slots;
  for (uint32_t i = 0; i < block.snapshot().slots; ++i) {
    slots.push_back({&block, i, 1000 + i});
  }
  return slots;
}

std::string Build(SegmentKind kind, const GrowingBlock& block) {
  const std::vector<SlotToCopy> slots = AllOf(block);
  const auto image = BuildSegment(kind, kSpace, kStamp, slots, Originals());
  EXPECT_THAT(image, IsOk());
  return image.ok() ? image->ToString() : "";
}

// What a slot has, by key.
std::map<std::string, ValueView> Fields(const MetadataColumns& metadata,
                                        size_t slot) {
  std::map<std::string, ValueView> fields;
  for (size_t k = 0; k < metadata.keys(); ++k) {
    const uint32_t number = metadata.number(k, slot);
    if (number == 0) continue;
    fields.emplace(metadata.key(k), metadata.value(k, number));
  }
  return fields;
}

void ExpectEqualSlots(const SlotBlock& a, const SlotBlock& b, size_t slots) {
  for (size_t i = 0; i < slots; ++i) {
    ASSERT_EQ(a.id(i), b.id(i)) << i;
    ASSERT_EQ(a.born(i), b.born(i));
    const BodyKey x = a.body(i);
    const BodyKey y = b.body(i);
    ASSERT_EQ(x.id, y.id);
    ASSERT_EQ(std::tie(x.shard, x.lamport, x.origin, x.seq),
              std::tie(y.shard, y.lamport, y.origin, y.seq));
    const auto fields = Fields(a.metadata(), i);
    const auto others = Fields(b.metadata(), i);
    ASSERT_EQ(fields.size(), others.size()) << i;
    for (const auto& [key, value] : fields) {
      ASSERT_EQ(others.count(key), 1u);
      ASSERT_TRUE(DictionaryOrder(value, others.at(key)) == 0) << i;
    }
    ASSERT_EQ(CanonicalCode(a, i, kSpace.layout, kCodeBytes),
              CanonicalCode(b, i, kSpace.layout, kCodeBytes));
    std::vector<uint8_t> prefix(kSpace.layout.prefix_bytes);
    const CodeScalars p = a.ReadCode(i, prefix.data()).scalars;
    const CodeScalars q = b.ReadCode(i, prefix.data()).scalars;
    ASSERT_EQ(p.norm, q.norm);
    ASSERT_EQ(p.scale, q.scale);
    ASSERT_EQ(a.rescore_row(i), b.rescore_row(i));
  }
}

TEST(SegmentTest, HasWhatItWasMadeOf) {
  for (const size_t slots : {1, 2, 63, 64, 65, 300, 20'000}) {
    for (uint64_t seed = 1; seed <= 6; ++seed) {
      const auto block = MakeBlock(slots, seed);
      for (const auto kind : {SegmentKind::kLive, SegmentKind::kHistory}) {
        const auto segment = Open(Build(kind, *block));
        ASSERT_THAT(segment, IsOk());
        ASSERT_EQ((*segment)->slots(), slots);
        ExpectEqualSlots(**segment, *block, slots);
        EXPECT_EQ((*segment)->header().number, 7u);
        EXPECT_EQ((*segment)->header().feed, 9u);
        EXPECT_FALSE((*segment)->damaged());
        for (size_t i = 0; i < slots; ++i) {
          ASSERT_EQ((*segment)->died(i),
                    kind == SegmentKind::kLive ? SlotBlock::kAlive : 1000 + i);
        }
      }
      if (slots > 1000) break;
    }
  }
}

// The files are also the seeds of segment_fuzz.
TEST(SegmentTest, TheFormatIsTheOneOfTheGoldenFiles) {
  const auto block = MakeBlock(4, 1);
  const std::pair<const char*, std::string> golden[] = {
      {"live", Build(SegmentKind::kLive, *block)},
      {"history", Build(SegmentKind::kHistory, *block)}};
  for (const auto& [name, bytes] : golden) {
    std::ifstream file(absl::StrCat(CORKSCREW_SOURCE_DIR,
                                    "/tests/testdata/fuzz/segment_fuzz/", name),
                       std::ios::binary);
    const std::string want((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
    if (want == bytes) continue;
    const std::string path = absl::StrCat(::testing::TempDir(), name);
    std::ofstream(path, std::ios::binary) << bytes;
    ADD_FAILURE() << name << " differs; what is written now is in " << path;
  }
}

TEST(SegmentTest, FindsItsIdsAndNoOthers) {
  for (const size_t slots : {1, 7, 1000}) {
    const auto block = MakeBlock(slots, 3);
    const auto segment = Open(Build(SegmentKind::kLive, *block));
    ASSERT_THAT(segment, IsOk());
    for (uint32_t i = 0; i < slots; ++i) {
      ASSERT_EQ((*segment)->FindLatest(block->id(i)), i);
      ASSERT_EQ((*segment)->FindLatest(absl::StrCat(block->id(i), "-")),
                SlotBlock::kNone);
    }
    EXPECT_EQ((*segment)->FindLatest(""), SlotBlock::kNone);
  }
}

TEST(SegmentTest, SlotsDieOnce) {
  const auto block = MakeBlock(1000, 2);
  const auto segment = *Open(Build(SegmentKind::kLive, *block));
  EXPECT_EQ(segment->dead(), 0u);
  EXPECT_TRUE(segment->EndLife(700, 5000));
  EXPECT_FALSE(segment->EndLife(700, 4000));
  EXPECT_EQ(segment->died(700), 5000u);
  EXPECT_TRUE(segment->IsAlive(700, 4999));
  EXPECT_FALSE(segment->IsAlive(700, 5000));
  EXPECT_TRUE(segment->IsAlive(701, 5000));
  EXPECT_EQ(segment->dead(), 1u);
  const auto history = *Open(Build(SegmentKind::kHistory, *block));
  EXPECT_FALSE(history->EndLife(700, 4000));
  EXPECT_EQ(history->dead(), 1000u);
}

// Equal slots in blocks of any kind give the same file, so what is in a segment
// can be compacted again and again.
TEST(SegmentTest, ASegmentOfASegmentIsTheSame) {
  const auto block = MakeBlock(500, 1);
  const std::string bytes = Build(SegmentKind::kLive, *block);
  const auto segment = *Open(bytes);
  std::vector<SlotToCopy> slots;
  for (uint32_t i = 0; i < 500; ++i) slots.push_back({segment.get(), i});
  const auto again =
      BuildSegment(SegmentKind::kLive, kSpace, kStamp, slots, Originals());
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->ToString(), bytes);
}

TEST(SegmentTest, RefusesWhatIsOfAnotherCollection) {
  const std::string bytes = Build(SegmentKind::kLive, *MakeBlock(3, 1));
  for (int what = 0; what < 4; ++what) {
    SegmentSpace space = kSpace;
    if (what == 0) space.collection.bytes[3] = 1;
    if (what == 1) space.descriptor[3] = 1;
    if (what == 2) space.layout = ScanLayout({.dim = 25, .bits = 2});
    if (what == 3) space.rescore_dim = 0;
    EXPECT_THAT(Open(bytes, space),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("collection")));
  }
}

TEST(SegmentTest, CutAtEveryLengthItIsRefused) {
  const std::string bytes = Build(SegmentKind::kLive, *MakeBlock(20, 1));
  for (size_t size = 0; size < bytes.size(); ++size) {
    ASSERT_THAT(Open(bytes.substr(0, size)),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("segment")))
        << size;
  }
  EXPECT_THAT(Open(bytes + std::string(1, '\0')),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("segment")));
}

// A changed byte is refused, or in the rows of the rescore column, which are
// checked late, or between columns, where nothing is.
TEST(SegmentTest, WithAnyByteChangedNoOtherValueIsRead) {
  const auto block = MakeBlock(20, 1);
  const std::string bytes = Build(SegmentKind::kLive, *block);
  const SegmentHeader header = (*Open(bytes))->header();
  size_t refused = 0;
  size_t damaged = 0;
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ (1 << (at % 8)));
    const auto segment = Open(changed);
    if (!segment.ok()) {
      EXPECT_THAT(segment,
                  StatusIs(absl::StatusCode::kDataLoss, HasSubstr("")));
      ++refused;
      continue;
    }
    if ((*segment)->rescore_row(0).empty()) {
      EXPECT_TRUE((*segment)->damaged());
      ++damaged;
      // Made from the originals again, it is the segment that it was.
      std::vector<SlotToCopy> slots;
      for (uint32_t i = 0; i < 20; ++i) slots.push_back({segment->get(), i});
      const auto mended =
          BuildSegment(SegmentKind::kLive, kSpace, kStamp, slots, Originals());
      ASSERT_THAT(mended, IsOk());
      ASSERT_EQ(mended->ToString(), bytes);
      continue;
    }
    ExpectEqualSlots(**segment, *block, 20);
  }
  size_t checked = 0;
  for (const SegmentColumn& column : header.columns) {
    if (column.id != ColumnId::kRescore) checked += column.bytes;
  }
  EXPECT_EQ(damaged, 20 * RescoreRowBytes(kDim));
  EXPECT_GE(refused, checked + 200);
}

TEST(SegmentTest, DamageInOneStretchOfTheRescoreColumnStaysThere) {
  const size_t slots = 8'000;  // 240,000 bytes of rows.
  const auto block = MakeBlock(slots, 2);
  std::string bytes = Build(SegmentKind::kLive, *block);
  uint64_t offset = 0;
  const auto whole = *Open(bytes);
  for (const SegmentColumn& column : whole->header().columns) {
    if (column.id == ColumnId::kRescore) offset = column.offset;
  }
  bytes[offset + kSegmentCheckBytes + 10] ^= 1;
  const auto segment = *Open(bytes);
  for (size_t i = 0; i < slots; ++i) {
    const size_t begin = i * RescoreRowBytes(kDim);
    const bool hit = begin + RescoreRowBytes(kDim) > kSegmentCheckBytes &&
                     begin < 2 * kSegmentCheckBytes;
    ASSERT_EQ(segment->rescore_row(i).empty(), hit) << i;
  }
}

TEST(SegmentTest, WithoutARescoreColumnItHasNone) {
  GrowingBlock block(kSpace.layout, GrowingBlock::kNoRescoreColumn);
  const BodyKey body{.id = "a", .lamport = 1};
  const Metadata metadata;
  const std::vector<uint8_t> code(kCodeBytes, 1);
  block.Add({.body = &body, .metadata = &metadata, .code = code});
  block.Publish(1);
  SegmentSpace space = kSpace;
  space.rescore_dim = 0;
  const SlotToCopy slot{&block, 0};
  const auto image =
      BuildSegment(SegmentKind::kLive, space, kStamp, {&slot, 1}, Originals());
  ASSERT_THAT(image, IsOk());
  const auto segment = Open(image->ToString(), space);
  ASSERT_THAT(segment, IsOk());
  EXPECT_EQ((*segment)->rescore_bytes(), 0u);
  EXPECT_EQ((*segment)->id(0), "a");
}

}  // namespace
}  // namespace corkscrew
