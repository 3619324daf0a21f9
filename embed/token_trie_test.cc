#include "embed/token_trie.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/random.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using Tokens = std::vector<std::pair<absl::string_view, int32_t>>;

// The definition: try every token.
TokenTrie::Match FindByDefinition(const Tokens& tokens,
                                  absl::string_view text) {
  TokenTrie::Match best;
  for (const auto& [token, id] : tokens) {
    if (token.empty() || text.substr(0, token.size()) != token) continue;
    if (best.id < 0 || token.size() > best.bytes ||
        (token.size() == best.bytes && id < best.id)) {
      best = {id, token.size()};
    }
  }
  return best;
}

TEST(TokenTrieTest, FindsTheLongestTokenThatStartsTheText) {
  const TokenTrie trie({{"un", 1}, {"unable", 2}, {"a", 3}, {"una", 4}});
  const auto find = [&](absl::string_view text) {
    uint64_t steps = 0;
    const TokenTrie::Match match = trie.FindLongest(text, &steps);
    return std::pair(match.id, match.bytes);
  };
  EXPECT_EQ(find("unable"), std::pair(2, size_t{6}));
  EXPECT_EQ(find("unabled"), std::pair(2, size_t{6}));
  EXPECT_EQ(find("unabl"), std::pair(4, size_t{3}));
  EXPECT_EQ(find("und"), std::pair(1, size_t{2}));
  EXPECT_EQ(find("u"), std::pair(-1, size_t{0}));
  EXPECT_EQ(find(""), std::pair(-1, size_t{0}));
  EXPECT_EQ(find("aun"), std::pair(3, size_t{1}));
}

TEST(TokenTrieTest, WithoutTokensNothingIsFound) {
  uint64_t steps = 0;
  EXPECT_EQ(TokenTrie({}).FindLongest("a", &steps).id, -1);
  EXPECT_EQ(TokenTrie({{"", 7}}).FindLongest("a", &steps).id, -1);
}

TEST(TokenTrieTest, OfEqualTokensTheSmallestIdCounts) {
  const TokenTrie trie({{"a", 5}, {"b", 1}, {"a", 3}, {"a", 9}});
  uint64_t steps = 0;
  EXPECT_EQ(trie.FindLongest("a", &steps).id, 3);
}

// Few letters and short tokens, so that prefixes, equal tokens and dead ends
// are frequent. The bytes include 0x00, 0x7F, 0x80 and 0xFF: order is unsigned.
TEST(TokenTrieTest, AgreesWithTheDefinitionOnRandomVocabularies) {
  constexpr absl::string_view kBytes(
      "\x00\x7F\x80\xFF"
      "a",
      5);
  Random random(/*seed=*/1);
  const auto draw = [&](size_t most) {
    std::string text;
    const size_t size = random.Next() % (most + 1);
    for (size_t i = 0; i < size; ++i) {
      text += kBytes[random.Next() % kBytes.size()];
    }
    return text;
  };
  for (int round = 0; round < 200; ++round) {
    SCOPED_TRACE(round);
    std::vector<std::string> texts(random.Next() % 60);
    Tokens tokens;
    for (std::string& text : texts) {
      text = draw(6);
      tokens.emplace_back(text, static_cast<int32_t>(random.Next() % 1000));
    }
    const TokenTrie trie(tokens);
    for (int i = 0; i < 200; ++i) {
      const std::string text = draw(12);
      uint64_t steps = 0;
      const TokenTrie::Match got = trie.FindLongest(text, &steps);
      const TokenTrie::Match want = FindByDefinition(tokens, text);
      ASSERT_EQ(got.id, want.id) << i;
      ASSERT_EQ(got.bytes, want.bytes) << i;
      ASSERT_LE(steps, size_t{7}) << "longest token plus one";
    }
  }
}

}  // namespace
}  // namespace corkscrew
