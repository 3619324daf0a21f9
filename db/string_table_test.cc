#include "db/string_table.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

TEST(StringTableTest, AgreesWithAMapForRandomIds) {
  StringTable table;
  std::vector<std::string> ids;  // [slots]
  std::unordered_map<std::string, uint32_t> map;
  const auto id_of = [&ids](uint32_t slot) -> absl::string_view {
    return ids[slot];
  };
  Random random(1);
  for (uint32_t slot = 0; slot < 50000; ++slot) {
    const std::string id = absl::StrCat("id", random.Next() % 20000);
    const auto found = map.find(id);
    const uint32_t before =
        found == map.end() ? StringTable::kNone : found->second;
    ASSERT_EQ(table.Find(id, id_of), before);
    ids.push_back(id);
    ASSERT_EQ(table.Set(id, slot, id_of), before);
    map[id] = slot;
    ASSERT_EQ(table.size(), map.size());
  }
  for (const auto& [id, slot] : map) ASSERT_EQ(table.Find(id, id_of), slot);
  EXPECT_EQ(table.Find("another", id_of), StringTable::kNone);
  EXPECT_EQ(table.Find("", id_of), StringTable::kNone);
}

TEST(StringTableTest, AnEmptyTableFindsNothingAndTakesNothing) {
  StringTable table;
  const auto id_of = [](uint32_t) -> absl::string_view { return ""; };
  EXPECT_EQ(table.Find("a", id_of), StringTable::kNone);
  EXPECT_EQ(table.bytes(), 0u);
}

TEST(StringTableTest, TakesAboutEightBytesPerRecord) {
  StringTable table;
  std::vector<std::string> ids;
  const auto id_of = [&ids](uint32_t slot) -> absl::string_view {
    return ids[slot];
  };
  for (uint32_t slot = 0; slot < 100000; ++slot) {
    ids.push_back(absl::StrCat(slot));
    table.Set(ids.back(), slot, id_of);
    if (slot > 100) {
      EXPECT_GE(table.bytes(), 6 * ids.size());
      EXPECT_LE(table.bytes(), 10 * ids.size());
    }
  }
}

}  // namespace
}  // namespace corkscrew
