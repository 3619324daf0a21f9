#ifndef CORKSCREW_BASE_HASH_H_
#define CORKSCREW_BASE_HASH_H_

// The hashes of the format that do not come from elsewhere.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/strings/string_view.h"

namespace corkscrew {

using Sha256Digest = std::array<uint8_t, 32>;

// Returns the SHA-256 of `bytes` (FIPS 180-4).
Sha256Digest Sha256(absl::string_view bytes);

// Whether two digests are equal, in a time that does not depend on where they
// differ: for digests of secrets.
bool EqualInConstantTime(const Sha256Digest& a, const Sha256Digest& b);

// SHA-256 of bytes that come in pieces. Single-threaded.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(const Sha256Stream&) = delete;
  Sha256Stream& operator=(const Sha256Stream&) = delete;

  void Update(absl::string_view bytes);
  // Returns the digest of all updates. Must be the last call.
  Sha256Digest Finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

// Fills `out` [size] from the operating system's random source. Returns false
// if there is none.
[[nodiscard]] bool SystemRandom(uint8_t* out, size_t size);

}  // namespace corkscrew

#endif  // CORKSCREW_BASE_HASH_H_
