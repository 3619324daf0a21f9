#ifndef CORKSCREW_DB_INDEX_VIEW_H_
#define CORKSCREW_DB_INDEX_VIEW_H_

// What one search reads: the blocks of an index as of one time.

#include <cstddef>
#include <memory>

#include "absl/container/inlined_vector.h"
#include "corkscrew/record.h"
#include "db/forgotten_records.h"
#include "db/slot_block.h"
#include "db/top_k.h"

namespace corkscrew {

// Immutable: whoever holds it may read its slots for as long as he likes.
struct IndexView {
  struct Part {
    const SlotBlock* block = nullptr;
    size_t slots = 0;                      // The first slots are read.
    Lamport min_born = 0;                  // No slot is alive before this,
    Lamport max_died = SlotBlock::kAlive;  // or from here on.

    bool MayBeAlive(Lamport at) const {
      return min_born <= at && at < max_died;
    }
  };

  Lamport now = 0;
  absl::InlinedVector<Part, 16> parts;  // Few searches see more.
  std::shared_ptr<const ForgottenRecords::Table> forgotten;  // May be null.
  std::shared_ptr<const void> keep;                          // Owns the blocks.

  const SlotBlock& block(const Candidate& c) const {
    return *parts[c.part].block;
  }
};

// Candidates with better scores first; equal scores by id, ascending bytes. The
// ids of slots that are alive at one time differ.
struct BestFirst {
  const IndexView* view;
  bool operator()(const Candidate& a, const Candidate& b) const {
    if (a.score != b.score) return a.score > b.score;
    return view->block(a).id(a.slot) < view->block(b).id(b.slot);
  }
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_INDEX_VIEW_H_
