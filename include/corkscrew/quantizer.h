#ifndef CORKSCREW_QUANTIZER_H_
#define CORKSCREW_QUANTIZER_H_

// TurboQuant: seeded, deterministic vector quantization without training.
//
// Implements the TQ specification, version 1 (docs/quantizer.md): a randomized
// Hadamard rotation in integers, Lloyd-Max codebooks as integer tables and an
// unbiased rescale scalar. Sources: Zandieh et al., arXiv:2504.19874
// (TurboQuant); Gao and Long, arXiv:2405.12497 (RaBitQ) and Vargaftik et al.,
// arXiv:2108.08842 (EDEN) for the rescale. Codes and scores are equal, bit for
// bit, on every compiler and CPU.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "corkscrew/metric.h"

namespace corkscrew {

// Part of the format: do not change the values.
enum class QuantizerMode : uint8_t {
  kMse = 1,  // All bits in the code; the search default.
  kIp = 2,   // One bit per coordinate goes to a sketch of the residual.
};

struct QuantizerParams {
  size_t dim = 0;  // Coordinates, 1..65535. Required.
  QuantizerMode mode = QuantizerMode::kMse;
  int bits = 4;      // 1..8; kIp 2..8.
  int codebook = 0;  // 1 Lloyd-Max, 2 uniform (kMse with 8 bits only);
                     // 0 takes 2 for kMse with 8 bits and 1 otherwise.
  uint64_t seed = 0;

  friend bool operator==(const QuantizerParams&,
                         const QuantizerParams&) = default;
};

// The two scalars of a code (spec 2.11). Both 0 for a null vector.
struct CodeScalars {
  float norm = 0;   // norm32: the length of the vector.
  float scale = 0;  // kMse: scale32. kIp: gamma32.
};

// Which vector stands for a code of mode kMse (docs/quantizer.md, 2.16). kIp
// has one of its own.
enum class Reconstruction {
  kLeastSquares,  // The nearest to the vector that was encoded.
  kUnbiased,      // Right on average: for dot products.
  kPlain,         // That of the TurboQuant paper.
};

class Quantizer;

// A query in the form the kernels read (spec 2.13, class S8: int8 grid), or a
// code in its place. Immutable, movable. Belongs to the Quantizer that made it.
class PreparedQuery {
 public:
  PreparedQuery(PreparedQuery&&) noexcept;
  PreparedQuery& operator=(PreparedQuery&&) noexcept;
  ~PreparedQuery();

  double norm() const;  // Length of the query; norm32 of a code.

  struct Rep;
  const Rep& rep() const { return *rep_; }

 private:
  friend class Quantizer;
  explicit PreparedQuery(std::unique_ptr<const Rep> rep);
  std::unique_ptr<const Rep> rep_;
};

// Encodes vectors and scores codes against queries. Immutable after Create():
// thread-safe.
class Quantizer {
 public:
  // O(dim). InvalidArgument if a parameter is outside its range.
  static absl::StatusOr<Quantizer> Create(const QuantizerParams& params);

  Quantizer(Quantizer&&) noexcept;
  Quantizer& operator=(Quantizer&&) noexcept;
  ~Quantizer();

  const QuantizerParams& params() const;  // With the codebook resolved.
  size_t code_bytes() const;  // Bytes of one canonical code (spec 2.10): mse
                              // ceil(dim*bits/8); ip codes, then sketch.

  // Writes the canonical code of `vector` [dim] to `code` [code_bytes()].
  // O(dim log dim). A zero vector is legal and scores 0 under dot and cosine.
  // If `squared_norm` is not null it becomes dot8 (2.8) of the vector with
  // itself, which is summed on the way.
  //   InvalidArgument  wrong size, NaN, infinity, or a length above 2^60
  absl::Status Encode(absl::Span<const float> vector, absl::Span<uint8_t> code,
                      CodeScalars* scalars,
                      double* squared_norm = nullptr) const;

  struct BatchOptions {
    size_t threads = 1;  // At most; the calling thread is one of them. The
                         // result does not depend on it.
    absl::Span<double> squared_norms = {};  // [n] as in Encode(), or empty.
  };
  // Encodes `vectors` [n, dim] to `codes` [n, code_bytes()] and `scalars` [n].
  // The error names the first bad row; the outputs are then unspecified.
  //   InvalidArgument  as Encode(); a buffer of another size
  absl::Status EncodeBatch(absl::Span<const float> vectors,
                           absl::Span<uint8_t> codes,
                           absl::Span<CodeScalars> scalars) const;
  absl::Status EncodeBatch(absl::Span<const float> vectors,
                           absl::Span<uint8_t> codes,
                           absl::Span<CodeScalars> scalars,
                           const BatchOptions& options) const;

  // Checks a code that comes from outside: size, unused bits 0, scalars that
  // Encode() can give. Scores of a code that passes are never NaN.
  absl::Status Validate(absl::Span<const uint8_t> code,
                        const CodeScalars& scalars) const;

  // Writes the reconstruction of a valid code to `vector` [dim].
  void Decode(absl::Span<const uint8_t> code, const CodeScalars& scalars,
              absl::Span<float> vector,
              Reconstruction kind = Reconstruction::kLeastSquares) const;

  // Returns the query form of `query` [dim]. Errors as Encode().
  absl::StatusOr<PreparedQuery> Prepare(absl::Span<const float> query) const;

  // Returns the form in which Score() compares a valid code with other codes
  // ("code against code", spec 2.14): kDot gives (float(A) * scale_x) *
  // scale_y; kCosine and kL2 follow as for a query of length norm32. Mode kMse
  // only (checked in debug builds).
  PreparedQuery PrepareCode(absl::Span<const uint8_t> code,
                            const CodeScalars& scalars) const;

  // Writes the score (spec 2.14) of `query` and code i to scores[i], for
  // canonical rows `codes` [n, code_bytes()] with `scalars` [n]. Allocates
  // nothing. kIp has no kCosine: the specification defines none. Sizes and that
  // are checked in debug builds only.
  void Score(const PreparedQuery& query, Metric metric,
             absl::Span<const uint8_t> codes,
             absl::Span<const CodeScalars> scalars,
             absl::Span<float> scores) const;

 private:
  struct Rep;
  explicit Quantizer(std::unique_ptr<const Rep> rep);
  std::unique_ptr<const Rep> rep_;
};

// Bytes of `n` indices of `bits` bits, 1..8: ceil(n * bits / 8).
size_t PackedIndexBytes(size_t n, int bits);

// Writes `indices` [n], each below 1 << bits, to `packed` [PackedIndexBytes(n,
// bits)] as codes are stored (spec 2.10).
//   InvalidArgument  bits outside 1..8, a buffer of another size, an index that
//                    is too large
absl::Status PackIndices(absl::Span<const uint8_t> indices, int bits,
                         absl::Span<uint8_t> packed);

// The inverse of PackIndices().
//   InvalidArgument  bits outside 1..8, a buffer of another size, a bit set
//                    after the last index
absl::Status UnpackIndices(absl::Span<const uint8_t> packed, int bits,
                           absl::Span<uint8_t> indices);

// Returns a self-describing form of a valid code of `quantizer`, to be stored
// or sent: the parameters, the scalars, the code, a checksum
// (docs/quantizer.md, 1.4). 32 bytes more than the code.
std::string SerializeCode(const Quantizer& quantizer,
                          absl::Span<const uint8_t> code,
                          const CodeScalars& scalars);

// What SerializeCode() wrote.
struct ParsedCode {
  QuantizerParams params;  // Compare with Quantizer::params().
  CodeScalars scalars;
  absl::Span<const uint8_t> code;  // In the bytes that were parsed.
};

// Reads the form of SerializeCode() from untrusted bytes. The code is valid for
// a Quantizer with its parameters. O(bytes), whatever they say.
//   DataLoss       cut off, altered, or not a code
//   Unimplemented  a later version of the form
absl::StatusOr<ParsedCode> ParseCode(absl::string_view bytes);

}  // namespace corkscrew

#endif  // CORKSCREW_QUANTIZER_H_
