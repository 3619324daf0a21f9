#include "db/byte_arena.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/random.h"
#include "db/stable_vector.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

TEST(ChunkMapTest, ChunksFollowOneAnotherAndDoubleUpToTheLast) {
  using Map = ChunkMap<2, 5>;
  size_t position = 0;
  for (size_t chunk = 0; chunk < 10; ++chunk) {
    EXPECT_EQ(Map::Size(chunk), chunk < 3 ? size_t{4} << chunk : 32u);
    for (size_t offset = 0; offset < Map::Size(chunk); ++offset) {
      EXPECT_EQ(Map::Find(position).chunk, chunk) << position;
      EXPECT_EQ(Map::Find(position).offset, offset) << position;
      ++position;
    }
  }
}

TEST(StableVectorTest, ElementsKeepTheirAddressAndValue) {
  StableVector<size_t> vector;
  std::vector<const size_t*> addresses;
  for (size_t i = 0; i < 10000; ++i) {
    vector.push_back(i * i);
    addresses.push_back(&vector[i]);
    EXPECT_EQ(vector.size(), i + 1);
    EXPECT_GE(vector.capacity(), i + 1);
    EXPECT_LE(vector.capacity(), 2 * i + 16);
  }
  for (size_t i = 0; i < 10000; ++i) {
    EXPECT_EQ(&vector[i], addresses[i]);
    EXPECT_EQ(*addresses[i], i * i);
  }
}

TEST(ByteArenaTest, StringsOfAllLengthsComeBackAndDoNotMove) {
  ByteArena arena;
  std::vector<std::string> strings;
  for (size_t size = 0; size < 300; ++size) strings.emplace_back(size, 'a');
  for (const size_t size : {16383, 16384, 16385, 100000, 524288}) {
    strings.emplace_back(size, 'b');
  }
  Random random(1);
  for (int i = 0; i < 5000; ++i) {
    std::string bytes(random.Next() % 1200, '\0');
    for (char& c : bytes) c = static_cast<char>(random.Next());
    strings.push_back(bytes);
  }
  std::vector<uint64_t> positions;
  std::vector<const char*> addresses;
  size_t total = 0;
  for (const std::string& bytes : strings) {
    positions.push_back(arena.Append(bytes));
    addresses.push_back(arena.Get(positions.back()).data());
    total += bytes.size();
    EXPECT_GE(arena.capacity(), total);
    if (positions.size() > 1) {
      EXPECT_LT(positions[positions.size() - 2], positions.back());
    }
  }
  for (size_t i = 0; i < strings.size(); ++i) {
    EXPECT_EQ(arena.Get(positions[i]), strings[i]) << i;
    EXPECT_EQ(arena.Get(positions[i]).data(), addresses[i]) << i;
  }
}

TEST(ByteArenaTest, AFewBytesTakeOneSmallChunk) {
  ByteArena arena;
  EXPECT_EQ(arena.capacity(), 0u);
  arena.Append("abc");
  EXPECT_EQ(arena.capacity(), 1024u);
}

}  // namespace
}  // namespace corkscrew
