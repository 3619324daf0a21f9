#include "server/v1_reader.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/memory_files.h"
#include "server/v1_writer.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::MemoryFiles;
using ::corkscrew::testing::StatusIs;
using ::corkscrew::testing::V1LogRecord;
using ::corkscrew::testing::V1Manifest;
using ::corkscrew::testing::V1Snapshot;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

bool Same(const V1Version& a, const V1Version& b) {
  const auto fields = [](const V1Version& v) {
    return std::tie(v.id, v.vector, v.text, v.metadata, v.lamport, v.actor,
                    v.wall_ns, v.tombstone);
  };
  return fields(a) == fields(b);
}

// Puts, deletes and an empty record, by two writers.
std::vector<V1Version> Versions() {
  std::vector<V1Version> versions(6);
  for (size_t i = 0; i < versions.size(); ++i) {
    V1Version& version = versions[i];
    version.id = i % 2 == 0 ? "even" : "ünïcode \"quoted\"";
    version.lamport = i + 1;
    version.actor = i == 3 ? "b" : "a";
    version.wall_ns = 1'700'000'000'000'000'000 + static_cast<int64_t>(i);
    version.tombstone = i == 4;
    if (version.tombstone) continue;
    version.vector = {static_cast<float>(i), 0.5f, -1};
    version.text = absl::StrCat("text WC\x01", i);
    version.metadata["k\"ey"] = absl::StrCat("<value>\n", i);
  }
  return versions;
}

class V1ReaderTest : public ::testing::Test {
 protected:
  static std::string Log(const std::vector<V1Version>& versions) {
    std::string log;
    for (const V1Version& version : versions) log += V1LogRecord(version, "c");
    return log;
  }

  void SetLog(const std::string& log) {
    files_.files["c/wal/000001.wal"] = log;
  }
  void SetSnapshot(const std::string& snapshot) {
    files_.files["c/snapshot-00000000000000000006.csdb"] = snapshot;
  }

  std::unique_ptr<V1Collection> Read(bool salvage = false) {
    absl::StatusOr<std::unique_ptr<V1Collection>> collection =
        V1Collection::Read(files_, "c", "c", salvage);
    EXPECT_THAT(collection, IsOk());
    return *std::move(collection);
  }

  // Each of what was read is one that was written, in their order. Returns
  // how many.
  static size_t CheckSome(const V1Collection& collection,
                          const std::vector<V1Version>& written) {
    size_t next = 0;
    for (size_t i = 0; i < collection.size(); ++i) {
      const absl::StatusOr<V1Version> version = collection.Get(i);
      EXPECT_THAT(version, IsOk());
      while (next < written.size() && !Same(written[next], *version)) ++next;
      EXPECT_LT(next, written.size()) << "version " << i << " is new";
      ++next;
    }
    return collection.size();
  }

  MemoryFiles files_;
};

TEST_F(V1ReaderTest, ALogGivesAllItsVersionsInOrder) {
  const std::vector<V1Version> versions = Versions();
  // Out of order, over two files, one twice.
  files_.files["c/wal/000002.wal"] =
      Log({versions[1], versions[0], versions[2]});
  files_.files["c/wal/000001.wal"] =
      Log({versions[5], versions[4], versions[3], versions[4]});
  files_.files["c/index/quantized.tqi"] = "anything";
  const auto collection = Read();
  EXPECT_EQ(CheckSome(*collection, versions), 6u);
  EXPECT_EQ(collection->Id(0), "even");
  EXPECT_EQ(collection->dim(), 3u);
  EXPECT_THAT(collection->damage(), IsEmpty());
}

TEST_F(V1ReaderTest, ASnapshotAndALogGiveTheirUnion) {
  const std::vector<V1Version> versions = Versions();
  SetSnapshot(V1Snapshot({versions.data(), 4}, "c"));
  SetLog(Log({versions[2], versions[3], versions[4], versions[5]}));
  EXPECT_EQ(CheckSome(*Read(), versions), 6u);
  files_.files.erase("c/wal/000001.wal");
  EXPECT_EQ(CheckSome(*Read(), versions), 4u);
}

TEST_F(V1ReaderTest, ALogThatIsCutGivesWhatIsWholeBeforeTheCut) {
  const std::vector<V1Version> versions = Versions();
  const std::string log = Log(versions);
  std::vector<size_t> ends = {0};
  for (const V1Version& version : versions) {
    ends.push_back(ends.back() + V1LogRecord(version, "c").size());
  }
  size_t whole = 0;
  for (size_t cut = 0; cut <= log.size(); ++cut) {
    while (whole + 1 < ends.size() && ends[whole + 1] <= cut) ++whole;
    SetLog(log.substr(0, cut));
    const auto collection = Read();
    EXPECT_EQ(CheckSome(*collection, versions), whole) << cut;
    if (cut == ends[whole]) {
      EXPECT_THAT(collection->damage(), IsEmpty()) << cut;
    } else {
      ASSERT_THAT(collection->damage(), SizeIs(1)) << cut;
      EXPECT_EQ(collection->damage()[0].file, "collections/c/wal/000001.wal");
      EXPECT_EQ(collection->damage()[0].offset, ends[whole]);
      EXPECT_EQ(collection->damage()[0].bytes, cut - ends[whole]);
    }
  }
}

TEST_F(V1ReaderTest, AFlippedBitInALogCostsItsVersionAlone) {
  const std::vector<V1Version> versions = Versions();
  const std::string log = Log(versions);
  for (size_t bit = 0; bit < 8 * log.size(); ++bit) {
    std::string flipped = log;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    SetLog(flipped);
    const auto collection = Read();
    ASSERT_EQ(CheckSome(*collection, versions), 5u) << bit;
    ASSERT_THAT(collection->damage(), SizeIs(1)) << bit;
    EXPECT_LE(collection->damage()[0].offset, bit / 8);
    EXPECT_GT(collection->damage()[0].offset + collection->damage()[0].bytes,
              bit / 8);
  }
}

TEST_F(V1ReaderTest, ADamagedSnapshotIsNotTrustedAndItsLogFillsIn) {
  const std::vector<V1Version> versions = Versions();
  const std::string snapshot = V1Snapshot(versions, "c");
  const std::string log = Log({versions[1], versions[2]});
  for (size_t i = 0; i < snapshot.size(); ++i) {
    for (const bool cut : {true, false}) {
      std::string bad = cut ? snapshot.substr(0, i) : snapshot;
      if (!cut) bad[i] = static_cast<char>(bad[i] ^ 0x10);
      SetSnapshot(bad);
      SetLog(log);
      auto collection = Read();
      ASSERT_EQ(CheckSome(*collection, versions), 2u) << i;
      ASSERT_THAT(collection->damage(), SizeIs(1)) << i;
      SetLog(Log(versions));
      EXPECT_EQ(CheckSome(*Read(), versions), 6u);
      // What salvage gives is the user's to judge; it ends, and the log wins.
      collection = Read(/*salvage=*/true);
      EXPECT_GE(collection->size(), 6u);
      for (size_t v = 0; v < collection->size(); ++v) {
        (void)collection->Get(v);
      }
    }
  }
  SetSnapshot(snapshot.substr(0, snapshot.size() - 1));
  files_.files.erase("c/wal/000001.wal");
  EXPECT_EQ(Read()->unverified(), 6u);
  EXPECT_EQ(CheckSome(*Read(/*salvage=*/true), versions), 6u);
}

TEST_F(V1ReaderTest, AVersionThatIsWrongInItselfIsNamed) {
  V1Version version = Versions()[0];
  std::string log = V1LogRecord(version, "c");
  SetLog(log);
  // A vector of two bytes and metadata that is a list, with a right checksum.
  std::string out = log.substr(0, log.find("even") + 4);
  testing::AppendV1String("xy", out);
  testing::AppendV1String("text", out);
  testing::AppendV1String("null", out);
  testing::AppendV1Checksum(0, out);
  SetLog(out);
  EXPECT_THAT(Read()->Get(0),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "collections/c/wal/000001.wal at 0: a vector of 2 "
                       "bytes"));
  for (const char* const json : {"[1]", "{\"a\":1}", "{", "nul"}) {
    out = log.substr(0, log.find("even") + 4);
    testing::AppendV1String("", out);
    testing::AppendV1String("text", out);
    testing::AppendV1String(json, out);
    testing::AppendV1Checksum(0, out);
    SetLog(out);
    EXPECT_THAT(Read()->Get(0), StatusIs(absl::StatusCode::kInvalidArgument,
                                         HasSubstr("metadata")));
  }
}

// Magic numbers everywhere, with lengths that reach the end: each could cost a
// checksum over all that follows.
TEST_F(V1ReaderTest, AHostileLogIsReadInBoundedTime) {
  std::string log;
  const auto little = [&](uint32_t value) {
    testing::AppendLittle(value, log);
  };
  constexpr size_t kBytes = size_t{4} << 20;
  while (log.size() < kBytes) {
    log += "WC\x01\x01";
    little(0), little(0);             // Lamport time.
    little(0), little(0), little(0);  // Actor, wall time.
    little(0), little(0), little(0);  // Collection, id, vector.
    little(static_cast<uint32_t>(kBytes - log.size() - 8));  // Text.
  }
  log.resize(kBytes + 64);
  SetLog(log);
  const auto collection = Read();
  EXPECT_EQ(collection->size(), 0u);
  EXPECT_THAT(collection->damage(), SizeIs(1));
}

TEST_F(V1ReaderTest, TheManifestNamesTheCollections) {
  files_.files["d/collections/a/wal/000001.wal"] = "";
  files_.files["d/collections/b/wal/000001.wal"] = "";
  files_.files["d/manifest.json"] =
      V1Manifest(std::vector<std::string>{"a", "gone"});
  absl::StatusOr<V1Directory> directory = ListV1Directory(files_, "d");
  ASSERT_THAT(directory, IsOk());
  EXPECT_THAT(directory->collections, ElementsAre("a"));
  EXPECT_THAT(directory->unlisted, ElementsAre("b"));
  ASSERT_THAT(directory->damage, SizeIs(1));
  EXPECT_EQ(directory->damage[0].file, "collections/gone");

  for (const char* const manifest : {"", "{", "[]", "{\"collections\":[]}"}) {
    files_.files["d/manifest.json"] = manifest;
    directory = ListV1Directory(files_, "d");
    ASSERT_THAT(directory, IsOk());
    EXPECT_THAT(directory->collections, ElementsAre("a", "b"));
    EXPECT_THAT(directory->damage, SizeIs(1));
  }
  EXPECT_THAT(ListV1Directory(files_, "none"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("\"none\"")));
}

}  // namespace
}  // namespace corkscrew
