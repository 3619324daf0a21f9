#ifndef CORKSCREW_EMBED_VECTOR_CUT_H_
#define CORKSCREW_EMBED_VECTOR_CUT_H_

// The last step of an embedding: the first coordinates of a vector, scaled to
// unit length. Models trained for it (Matryoshka, arXiv:2205.13147) lose little
// when most are left away.

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace corkscrew {

// Immutable. Thread-safe.
class VectorCut {
 public:
  // Of `full` coordinates, `wanted` are kept; 0: all. `centre` takes the mean
  // of all coordinates off each first, if any is left away: what the layer norm
  // of nomic-embed-text v1.5 does to the direction of a vector.
  //   InvalidArgument  wanted > full; names the file `name`
  static absl::StatusOr<VectorCut> Create(absl::string_view name, size_t full,
                                          size_t wanted, bool centre);

  size_t full() const { return full_; }
  size_t dim() const { return dim_; }

  // What stands for it in the space of a model: "l2" if all are kept.
  std::string SpaceName() const;

  // Writes the vector made of `row` [full] to `out` [dim]; a zero stays zero.
  // They may be the same place. False if a number is not finite.
  [[nodiscard]] bool Apply(const float* row, float* out) const;

 private:
  VectorCut(size_t full, size_t dim, bool centre)
      : full_(full), dim_(dim), centre_(centre) {}

  size_t full_;
  size_t dim_;
  bool centre_;
};

// Checks prompts that a user gave.
//   InvalidArgument  not UTF-8, or above 64 KiB
absl::Status CheckPrompts(absl::string_view query, absl::string_view document);

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_VECTOR_CUT_H_
