#include "embed/token_trie.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace corkscrew {

TokenTrie::TokenTrie(
    std::vector<std::pair<absl::string_view, int32_t>> tokens) {
  std::sort(tokens.begin(), tokens.end());
  // The tokens below each node, which is those that share its path: a range.
  struct Range {
    size_t begin;
    size_t end;
    size_t depth;
  };
  std::vector<Range> ranges = {{0, tokens.size(), 0}};
  nodes_.emplace_back();
  for (size_t n = 0; n < nodes_.size(); ++n) {
    auto [begin, end, depth] = ranges[n];
    if (begin < end && tokens[begin].first.size() == depth) {
      if (depth > 0) nodes_[n].id = tokens[begin].second;
      while (begin < end && tokens[begin].first.size() == depth) ++begin;
    }
    nodes_[n].children = static_cast<uint32_t>(nodes_.size());
    while (begin < end) {
      const char label = tokens[begin].first[depth];
      size_t next = begin;
      while (next < end && tokens[next].first[depth] == label) ++next;
      ranges.push_back({begin, next, depth + 1});
      Node& child = nodes_.emplace_back();
      child.label = static_cast<uint8_t>(label);
      ++nodes_[n].child_count;
      begin = next;
    }
  }
  nodes_.shrink_to_fit();
}

TokenTrie::Match TokenTrie::FindLongest(absl::string_view text,
                                        uint64_t* steps) const {
  Match match;
  FindAll(text, steps, [&](const Match& longer) { match = longer; });
  return match;
}

}  // namespace corkscrew
