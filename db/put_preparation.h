#ifndef CORKSCREW_DB_PUT_PREPARATION_H_
#define CORKSCREW_DB_PUT_PREPARATION_H_

// What a Put does before it queues: checks, embedding, codes and hashes.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "corkscrew/collection.h"
#include "corkscrew/quantizer.h"
#include "db/collection_state.h"
#include "db/engine.h"
#include "db/index.h"
#include "db/write_commit.h"

namespace corkscrew {

// One Put. Borrows the items. Single-threaded.
class PutPreparation {
 public:
  PutPreparation(const Engine& engine, std::shared_ptr<CollectionState> state,
                 absl::Span<const PutItem> items, const WriteOptions& options,
                 const CallOptions& call);

  // Errors of Collection::Put(). Afterwards the rest may be called.
  absl::Status Run();

  absl::Span<PreparedItem> items() { return absl::MakeSpan(prepared_); }
  // Why each item is left out; OK for the others.
  absl::Span<const absl::Status> statuses() const { return statuses_; }
  Hash16 request_hash() const;
  size_t bytes() const { return bytes_; }

 private:
  absl::Status CheckCounts() const;
  // Checks item i without its embedding.
  absl::Status CheckItem(size_t i);
  absl::Status CheckBytes();
  absl::Status Embed();
  // With Originals::kBFloat16 the vectors become the rounded ones: what is
  // stored is what is searched.
  absl::Status Round();
  absl::Status Encode();
  void HashVectors();
  absl::Status ItemError(size_t i, const absl::Status& status) const;

  const Engine& engine_;
  const std::shared_ptr<CollectionState> state_;
  const std::shared_ptr<Index> index_;  // Null: the collection was dropped.
  const absl::Span<const PutItem> inputs_;
  const WriteOptions& options_;
  const CallOptions& call_;

  std::vector<PreparedItem> prepared_;
  std::vector<absl::Status> statuses_;
  std::vector<absl::Span<const float>> vectors_;  // Given or embedded.
  std::vector<float> embedded_;
  std::vector<uint8_t> codes_;  // [items, code_bytes()]
  // What is stored of vectors if not their floats: code records or bfloat16.
  std::vector<std::string> vector_records_;
  std::vector<float> rounded_;  // [items, dim] with Originals::kBFloat16.
  size_t bytes_ = 0;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_PUT_PREPARATION_H_
