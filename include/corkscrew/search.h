#ifndef CORKSCREW_SEARCH_H_
#define CORKSCREW_SEARCH_H_

// What to search for, and what comes back.

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "corkscrew/filter.h"
#include "corkscrew/metadata.h"
#include "corkscrew/record.h"

namespace corkscrew {

// What a query compares with.
enum class SearchMode {
  kVector,  // Nearness of vectors. Keyword and hybrid modes come later.
};

// One search. Make one with Text(), Vector() or Like(), then set fields.
struct Query {
  struct LikeId {
    std::string id;
  };
  // The text to embed as a query, the vector [dim], or the id of a record whose
  // vector is used; that record itself is not among the hits.
  std::variant<std::string, std::vector<float>, LikeId> target = std::string();

  size_t k = 10;  // Hits wanted, 1..kMaxK. Fewer only if fewer match.
  Filter filter = {};
  std::optional<Moment> at = std::nullopt;  // Unset or beyond the clock: now.

  // Cosine and dot: drop hits that score less. L2: drop hits that are farther.
  std::optional<float> min_score = std::nullopt;

  // Scan the rescore column instead of the codes and settle every candidate
  // with stored vectors: the k best by definition, slower.
  bool exact = false;

  // Candidates of the code scan that are rescored, as a multiple of k;
  // 1..kMaxOversample. More finds more of the true neighbours, slower.
  float oversample = 4;

  Fields fields = {};
  SearchMode mode = SearchMode::kVector;

  // If not empty, the embedding space that a vector target was made in.
  // FailedPrecondition unless it is the collection's.
  std::string space = {};

  static Query Text(std::string text) {
    Query query;
    query.target = std::move(text);
    return query;
  }
  static Query Vector(std::vector<float> vector) {
    Query query;
    query.target = std::move(vector);
    return query;
  }
  static Query Like(std::string id) {
    Query query;
    query.target = LikeId{std::move(id)};
    return query;
  }
};

// One record found.
struct Hit {
  std::string id = {};
  // Cosine, inner product, or squared distance: of the vector rounded to 16-bit
  // fixed point, or with Query::exact of the stored one. With codes only, that
  // of the code.
  float score = 0;
  Version version = {};
  std::vector<float> vector = {};  // The parts that Query::fields asked for.
  std::string text = {};
  Metadata metadata = {};
};

// How much of the collection answered. Complete in one database.
struct Coverage {
  size_t shards = 1;    // Shards of the collection,
  size_t answered = 1;  // and those that answered.
};

struct SearchReply {
  // Best first; equal scores by id, ascending bytes. Not finding anything is an
  // empty list.
  std::vector<Hit> hits = {};
  Coverage coverage = {};
  Lamport at = 0;      // The moment that was searched.
  Lamport stable = 0;  // A search at this moment or before can not change any
                       // more by writes that arrive late.
  bool truncated = false;  // The query text was longer than the model allows.
};

}  // namespace corkscrew

#endif  // CORKSCREW_SEARCH_H_
