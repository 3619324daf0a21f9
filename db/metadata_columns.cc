#include "db/metadata_columns.h"

#include <algorithm>
#include <vector>

namespace corkscrew {

void RetainMatches(const MetadataColumns& columns, const Filter& filter,
                   size_t slots, uint64_t* words) {
  const size_t count = (slots + 63) / 64;
  switch (filter.op) {
    case Filter::Op::kAll:
      return;
    case Filter::Op::kAnd:
      for (const Filter& child : filter.children) {
        RetainMatches(columns, child, slots, words);
      }
      return;
    case Filter::Op::kOr: {
      std::vector<uint64_t> any(count);
      std::vector<uint64_t> of_child(count);
      for (const Filter& child : filter.children) {
        std::copy_n(words, count, of_child.begin());
        RetainMatches(columns, child, slots, of_child.data());
        for (size_t w = 0; w < count; ++w) any[w] |= of_child[w];
      }
      std::copy_n(any.begin(), count, words);
      return;
    }
    case Filter::Op::kNot: {
      std::vector<uint64_t> of_child(words, words + count);
      RetainMatches(columns, filter.children[0], slots, of_child.data());
      for (size_t w = 0; w < count; ++w) words[w] &= ~of_child[w];
      return;
    }
    default: {
      const size_t k = columns.Find(filter.key);
      if (k == MetadataColumns::kNoKey) {
        std::fill_n(words, count, 0);
        return;
      }
      std::vector<uint64_t> matching(count);
      columns.Select(k, filter, slots, matching.data());
      for (size_t w = 0; w < count; ++w) words[w] &= matching[w];
      return;
    }
  }
}

}  // namespace corkscrew
