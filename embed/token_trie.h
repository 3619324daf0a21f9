#ifndef CORKSCREW_EMBED_TOKEN_TRIE_H_
#define CORKSCREW_EMBED_TOKEN_TRIE_H_

// A dictionary of byte strings that finds the longest one a text starts with.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace corkscrew {

// Immutable. Thread-safe.
class TokenTrie {
 public:
  // Of `tokens` (text, id >= 0) that are equal, the smallest id counts; the
  // empty text is never found. At most 2^31 bytes together; takes 12 bytes of
  // memory per byte at most.
  explicit TokenTrie(std::vector<std::pair<absl::string_view, int32_t>> tokens);

  bool empty() const { return nodes_.size() == 1; }

  struct Match {
    int32_t id = -1;  // -1 if no token starts `text`.
    size_t bytes = 0;
  };
  // Returns the longest token that `text` starts with. Adds the nodes walked to
  // `*steps`: at most one per byte of the longest token, plus one.
  Match FindLongest(absl::string_view text, uint64_t* steps) const;

  // Calls `visit` (callable with a Match) with every token that `text` starts
  // with, shortest first. `*steps` as in FindLongest().
  template <typename Visit>
  void FindAll(absl::string_view text, uint64_t* steps,
               const Visit& visit) const {
    const Node* node = nodes_.data();
    for (size_t i = 0; i < text.size(); ++i) {
      ++*steps;
      node = Child(*node, static_cast<uint8_t>(text[i]));
      if (node == nullptr) return;
      if (node->id >= 0) visit(Match{node->id, i + 1});
    }
  }

 private:
  struct Node {
    uint32_t children = 0;  // First of `child_count` nodes in order of `label`.
    int32_t id = -1;        // Of the token that ends here, or -1.
    uint16_t child_count = 0;
    uint8_t label = 0;  // The byte that leads here.
  };
  // The child of `node` at `label`, or null.
  const Node* Child(const Node& node, uint8_t label) const {
    const Node* first = nodes_.data() + node.children;
    const Node* last = first + node.child_count;
    const Node* found = std::lower_bound(
        first, last, label,
        [](const Node& n, uint8_t wanted) { return n.label < wanted; });
    return found == last || found->label != label ? nullptr : found;
  }

  std::vector<Node> nodes_;  // The root first, then level by level.
};

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_TOKEN_TRIE_H_
