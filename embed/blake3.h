#ifndef CORKSCREW_EMBED_BLAKE3_H_
#define CORKSCREW_EMBED_BLAKE3_H_

// BLAKE3 (github BLAKE3-team/BLAKE3-specs), the unkeyed hash of 32 bytes, in
// portable code: `.mll` files have digests of this kind.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"

namespace corkscrew {

using Blake3Digest = std::array<uint8_t, 32>;

Blake3Digest Blake3(absl::string_view bytes);

// BLAKE3 of bytes that come in pieces. Single-threaded.
class Blake3Stream {
 public:
  Blake3Stream();
  void Update(absl::string_view bytes);
  // The digest of all bytes so far; more may follow.
  Blake3Digest Finish() const;

 private:
  using Words = std::array<uint32_t, 8>;

  void StartChunk();
  void CompressBlock();
  void EndChunk();

  // Chaining values of whole subtrees, the largest first: one for each bit set
  // in `chunk_`.
  std::vector<Words> stack_;
  uint64_t chunk_ = 0;  // Number of the chunk being read.
  Words value_;         // Its chaining value.
  std::array<uint8_t, 64> block_;
  size_t block_size_ = 0;
  size_t blocks_ = 0;  // Of the chunk, compressed.
};

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_BLAKE3_H_
