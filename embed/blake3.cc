#include "embed/blake3.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/strings/string_view.h"

namespace corkscrew {
namespace {

using Words = std::array<uint32_t, 8>;
using Block = std::array<uint8_t, 64>;

constexpr size_t kBlock = 64;
constexpr size_t kChunkBlocks = 16;

constexpr Words kInitial = {0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
                            0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19};

// Flags (specification, table 3).
constexpr uint32_t kChunkStart = 1;
constexpr uint32_t kChunkEnd = 2;
constexpr uint32_t kParent = 4;
constexpr uint32_t kRoot = 8;

void Mix(std::array<uint32_t, 16>* state, size_t a, size_t b, size_t c,
         size_t d, uint32_t x, uint32_t y) {
  std::array<uint32_t, 16>& s = *state;
  s[a] = s[a] + s[b] + x;
  s[d] = std::rotr(s[d] ^ s[a], 16);
  s[c] = s[c] + s[d];
  s[b] = std::rotr(s[b] ^ s[c], 12);
  s[a] = s[a] + s[b] + y;
  s[d] = std::rotr(s[d] ^ s[a], 8);
  s[c] = s[c] + s[d];
  s[b] = std::rotr(s[b] ^ s[c], 7);
}

// The compression function, of which the first half of the output is wanted.
Words Compress(const Words& value, const Block& block, uint64_t counter,
               uint32_t size, uint32_t flags) {
  constexpr size_t kPermutation[16] = {2, 6,  3,  10, 7, 0,  4,  13,
                                       1, 11, 12, 5,  9, 14, 15, 8};
  std::array<uint32_t, 16> m;
  std::memcpy(m.data(), block.data(), block.size());
  std::array<uint32_t, 16> s;
  std::copy(value.begin(), value.end(), s.begin());
  std::copy(kInitial.begin(), kInitial.begin() + 4, s.begin() + 8);
  s[12] = static_cast<uint32_t>(counter);
  s[13] = static_cast<uint32_t>(counter >> 32);
  s[14] = size;
  s[15] = flags;
  for (int round = 0; round < 7; ++round) {
    Mix(&s, 0, 4, 8, 12, m[0], m[1]);
    Mix(&s, 1, 5, 9, 13, m[2], m[3]);
    Mix(&s, 2, 6, 10, 14, m[4], m[5]);
    Mix(&s, 3, 7, 11, 15, m[6], m[7]);
    Mix(&s, 0, 5, 10, 15, m[8], m[9]);
    Mix(&s, 1, 6, 11, 12, m[10], m[11]);
    Mix(&s, 2, 7, 8, 13, m[12], m[13]);
    Mix(&s, 3, 4, 9, 14, m[14], m[15]);
    std::array<uint32_t, 16> permuted;
    for (size_t i = 0; i < 16; ++i) permuted[i] = m[kPermutation[i]];
    m = permuted;
  }
  Words out;
  for (size_t i = 0; i < 8; ++i) out[i] = s[i] ^ s[i + 8];
  return out;
}

Words Join(const Words& left, const Words& right, uint32_t flags) {
  Block block;
  std::memcpy(block.data(), left.data(), 32);
  std::memcpy(block.data() + 32, right.data(), 32);
  return Compress(kInitial, block, 0, kBlock, kParent | flags);
}

}  // namespace

Blake3Stream::Blake3Stream() { StartChunk(); }

void Blake3Stream::StartChunk() {
  value_ = kInitial;
  block_.fill(0);
  block_size_ = 0;
  blocks_ = 0;
}

void Blake3Stream::CompressBlock() {
  value_ =
      Compress(value_, block_, chunk_, kBlock, blocks_ == 0 ? kChunkStart : 0);
  ++blocks_;
  block_.fill(0);
  block_size_ = 0;
}

void Blake3Stream::EndChunk() {
  Words value =
      Compress(value_, block_, chunk_, static_cast<uint32_t>(block_size_),
               kChunkEnd | (blocks_ == 0 ? kChunkStart : 0));
  ++chunk_;
  // Two subtrees of equal size become one, as carries of a binary counter.
  for (uint64_t n = chunk_; (n & 1) == 0; n >>= 1) {
    value = Join(stack_.back(), value, 0);
    stack_.pop_back();
  }
  stack_.push_back(value);
}

void Blake3Stream::Update(absl::string_view bytes) {
  while (!bytes.empty()) {
    // The last block of a chunk waits: it might be the last of all.
    if (block_size_ == kBlock) {
      if (blocks_ + 1 == kChunkBlocks) {
        EndChunk();
        StartChunk();
      } else {
        CompressBlock();
      }
    }
    const size_t n = std::min(bytes.size(), kBlock - block_size_);
    std::memcpy(block_.data() + block_size_, bytes.data(), n);
    block_size_ += n;
    bytes.remove_prefix(n);
  }
}

Blake3Digest Blake3Stream::Finish() const {
  Words value =
      Compress(value_, block_, chunk_, static_cast<uint32_t>(block_size_),
               kChunkEnd | (blocks_ == 0 ? kChunkStart : 0) |
                   (stack_.empty() ? kRoot : 0));
  for (size_t i = stack_.size(); i > 0; --i) {
    value = Join(stack_[i - 1], value, i == 1 ? kRoot : 0);
  }
  Blake3Digest digest;
  std::memcpy(digest.data(), value.data(), digest.size());
  return digest;
}

Blake3Digest Blake3(absl::string_view bytes) {
  Blake3Stream stream;
  stream.Update(bytes);
  return stream.Finish();
}

}  // namespace corkscrew
