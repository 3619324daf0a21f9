#ifndef CORKSCREW_DB_PACKED_VECTOR_H_
#define CORKSCREW_DB_PACKED_VECTOR_H_

// Vectors of float32 in about seven eighths of their bytes, without loss
// (docs/storage_format.md, "Bodies"): the exponents of a vector are close to
// each other, so each coordinate says with four bits how far its own is below
// the largest one.

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace corkscrew {

// Writes the packed form of `vector` [dim], any bits, to `out`. Returns false,
// and leaves `out` empty, if it has no fewer bytes than the floats.
[[nodiscard]] bool PackVector(absl::Span<const float> vector, std::string* out);

// Writes what was packed to `vector` [dim], bit for bit. Returns false for
// bytes that PackVector() does not write for a vector of this dim.
[[nodiscard]] bool UnpackVector(absl::string_view bytes,
                                absl::Span<float> vector);

// The dim of a packed vector; 0 for bytes that are none.
size_t PackedDim(absl::string_view bytes);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_PACKED_VECTOR_H_
