#include "embed/query_cache.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "corkscrew/embedder.h"

namespace corkscrew {

size_t QueryCache::Entry::bytes() const {
  // The list's and the table's share of an entry is about this much.
  constexpr size_t kOverhead = 64;
  return sizeof(Entry) + kOverhead + text.size() +
         tokens.tokens.size() * sizeof(tokens.tokens[0]) +
         vector.size() * sizeof(float);
}

bool QueryCache::Find(absl::string_view text, TokenizedText* tokens,
                      absl::Span<float> vector) {
  if (limit_ == 0) return false;
  const MutexLock lock(&mutex_);
  const auto found = index_.find(text);
  if (found == index_.end()) return false;
  entries_.splice(entries_.begin(), entries_, found->second);
  const Entry& entry = entries_.front();
  assert(entry.vector.size() == vector.size());
  *tokens = entry.tokens;
  std::copy(entry.vector.begin(), entry.vector.end(), vector.begin());
  return true;
}

void QueryCache::Insert(absl::string_view text, const TokenizedText& tokens,
                        absl::Span<const float> vector) {
  Entry entry{std::string(text), tokens, {vector.begin(), vector.end()}};
  const size_t size = entry.bytes();
  if (size > limit_) return;
  const MutexLock lock(&mutex_);
  if (index_.contains(text)) return;  // By another thread, the same bytes.
  while (bytes_ + size > limit_) {
    bytes_ -= entries_.back().bytes();
    index_.erase(entries_.back().text);
    entries_.pop_back();
  }
  entries_.push_front(std::move(entry));
  index_.emplace(entries_.front().text, entries_.begin());
  bytes_ += size;
}

absl::StatusOr<Embeddings> QueryCache::Embed(
    absl::Span<const absl::string_view> texts, size_t dim,
    EmbedFunction embed) {
  Embeddings result;
  result.vectors.resize(texts.size() * dim);
  result.texts.resize(texts.size());
  const auto vector = [&](size_t i) {
    return absl::MakeSpan(result.vectors).subspan(i * dim, dim);
  };
  std::vector<absl::string_view> unknown;
  std::vector<size_t> places;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (Find(texts[i], &result.texts[i], vector(i))) continue;
    unknown.push_back(texts[i]);
    places.push_back(i);
  }
  if (unknown.empty()) return result;
  CORKSCREW_ASSIGN_OR_RETURN(Embeddings made, embed(unknown));
  for (size_t i = 0; i < unknown.size(); ++i) {
    const auto from = absl::MakeConstSpan(made.vectors).subspan(i * dim, dim);
    Insert(unknown[i], made.texts[i], from);
    std::copy(from.begin(), from.end(), vector(places[i]).begin());
    result.texts[places[i]] = std::move(made.texts[i]);
  }
  return result;
}

size_t QueryCache::bytes() const {
  const MutexLock lock(&mutex_);
  return bytes_;
}

}  // namespace corkscrew
