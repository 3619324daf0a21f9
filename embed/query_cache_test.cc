#include "embed/query_cache.h"

#include <cstddef>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "corkscrew/embedder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::testing::ElementsAre;

// What is remembered of `text`, or nothing.
std::vector<float> Vector(QueryCache* cache, const std::string& text) {
  TokenizedText tokens;
  std::vector<float> vector(2);
  if (!cache->Find(text, &tokens, absl::MakeSpan(vector))) return {};
  EXPECT_EQ(tokens.tokens.size(), 1u);
  EXPECT_TRUE(tokens.truncated);
  return vector;
}

void Insert(QueryCache* cache, const std::string& text, float value) {
  const TokenizedText tokens{.tokens = {7}, .truncated = true};
  const std::vector<float> vector = {value, -value};
  cache->Insert(text, tokens, vector);
}

TEST(QueryCacheTest, FindsWhatWasInsertedAndNothingElse) {
  QueryCache cache(10'000);
  Insert(&cache, "a", 1);
  Insert(&cache, "", 2);
  EXPECT_THAT(Vector(&cache, "a"), ElementsAre(1, -1));
  EXPECT_THAT(Vector(&cache, ""), ElementsAre(2, -2));
  EXPECT_THAT(Vector(&cache, "A"), ElementsAre());
}

TEST(QueryCacheTest, TheLeastRecentlyUsedGoesFirst) {
  QueryCache one(10'000);
  Insert(&one, "0", 0);
  QueryCache cache(3 * one.bytes());
  for (int i = 0; i < 3; ++i) Insert(&cache, absl::StrCat(i), 1);
  EXPECT_EQ(cache.bytes(), 3 * one.bytes());
  EXPECT_THAT(Vector(&cache, "0"), ElementsAre(1, -1));  // Now 1 is oldest.
  Insert(&cache, "3", 1);
  EXPECT_THAT(Vector(&cache, "1"), ElementsAre());
  for (const char* text : {"0", "2", "3"}) {
    EXPECT_THAT(Vector(&cache, text), ElementsAre(1, -1)) << text;
  }
  EXPECT_EQ(cache.bytes(), 3 * one.bytes());
}

TEST(QueryCacheTest, BytesNeverPassTheLimit) {
  for (const size_t limit : {0, 1, 100, 1000, 5000}) {
    QueryCache cache(limit);
    for (size_t i = 0; i < 100; ++i) {
      Insert(&cache, std::string(i * 37 % 900, 'x'), 1);
      EXPECT_LE(cache.bytes(), limit);
    }
  }
}

TEST(QueryCacheTest, ThreadsSeeWholeEntries) {
  QueryCache cache(3000);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&cache] {
      for (int i = 0; i < 2000; ++i) {
        const int text = i * 7 % 20;
        const auto value = static_cast<float>(text);
        const std::vector<float> vector = Vector(&cache, absl::StrCat(text));
        if (vector.empty()) {
          Insert(&cache, absl::StrCat(text), value);
        } else {
          ASSERT_THAT(vector, ElementsAre(value, -value));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace corkscrew
