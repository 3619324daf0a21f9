#ifndef CORKSCREW_QUERY_MEMORY_H_
#define CORKSCREW_QUERY_MEMORY_H_

// What an embedder keeps of the queries that it has seen.

#include <cstddef>

namespace corkscrew {

// A capability: an Embedder that remembers vectors of queries is one of these
// as well, which dynamic_cast finds out. Thread-safe.
class QueryMemory {
 public:
  virtual ~QueryMemory() = default;

  // Bytes of what is remembered now, at most
  // EmbedderOptions::query_cache_bytes.
  virtual size_t query_memory_bytes() const = 0;
};

}  // namespace corkscrew

#endif  // CORKSCREW_QUERY_MEMORY_H_
