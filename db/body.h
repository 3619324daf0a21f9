#ifndef CORKSCREW_DB_BODY_H_
#define CORKSCREW_DB_BODY_H_

// Bodies of versions: the values of the body family (docs/storage_format.md,
// "Bodies"). Each carries a CRC-32C over its key and itself.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/hash.h"
#include "corkscrew/quantizer.h"
#include "db/op.h"

namespace corkscrew {

// How the vector of a body is stored. Part of the format.
enum class VectorForm : uint8_t {
  kNone = 0,
  kFloat32 = 1,  // The original: little-endian floats. Where they can not be
                 // packed.
  kBFloat16 =
      2,        // The original, rounded: little-endian upper halves of floats.
  kCode = 3,    // Canonical code, then norm and scale as little-endian floats.
  kPacked = 4,  // The original, as PackVector() makes it.
};

// Borrows its parts.
struct Body {
  OpKind kind = OpKind::kPut;
  VectorForm form = VectorForm::kNone;
  int64_t wall_ms = 0;
  uint64_t expires_ms = 0;
  absl::string_view vector = {};    // Bytes in `form`.
  absl::string_view metadata = {};  // Canonical encoding; empty: tombstone.
  absl::string_view text = {};
};

// Sets `*value` to the value of the row `key`.
void EncodeBody(absl::string_view key, const Body& body, std::string* value);
// The same, for tests and tools.
std::string EncodeBodyToString(absl::string_view key, const Body& body);

// Reads the value of the row `key`; the result borrows `value`.
//   DataLoss  the checksum or the form is wrong
absl::StatusOr<Body> DecodeBody(absl::string_view key, absl::string_view value);

// Bytes of a vector as stored, and back. The readers return false if the size
// is not the one of `dim` or `code_bytes`.
std::string FloatsToBytes(absl::Span<const float> vector);
[[nodiscard]] bool BytesToFloats(absl::string_view bytes,
                                 absl::Span<float> vector);
// Rounds `vector` [dim] to bfloat16, nearest even: returns the bytes to store,
// and writes their values to `rounded` [dim].
std::string FloatsToBFloat16Bytes(absl::Span<const float> vector,
                                  absl::Span<float> rounded);
// H(vector) of the content hash: of the bytes as stored, but of the floats
// where they are packed, so that the hash does not depend on how a vector is
// stored.
Sha256Digest VectorHash(VectorForm form, absl::string_view bytes);
// Reads the original of a body; false if it has none of that size.
[[nodiscard]] bool ReadOriginal(const Body& body, absl::Span<float> vector);
std::string CodeToBytes(absl::Span<const uint8_t> code, CodeScalars scalars);
[[nodiscard]] bool BytesToCode(absl::string_view bytes,
                               absl::Span<uint8_t> code, CodeScalars* scalars);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_BODY_H_
