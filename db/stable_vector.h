#ifndef CORKSCREW_DB_STABLE_VECTOR_H_
#define CORKSCREW_DB_STABLE_VECTOR_H_

// Sequences that grow at the end and never move: what one writer appended may
// be read by others without a lock, once they have learned from it (an acquire
// load of a count that the writer stored with release) that it is there.

#include <array>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace corkscrew {

// Cuts a growing range into chunks: the first holds 2^kFirstLog2 positions,
// each next one twice as many, up to 2^kLastLog2, which all others hold. So a
// small range wastes little and a large one has few chunks.
template <int kFirstLog2, int kLastLog2>
struct ChunkMap {
  static constexpr uint64_t kFirst = uint64_t{1} << kFirstLog2;
  static constexpr uint64_t kLast = uint64_t{1} << kLastLog2;

  struct Place {
    size_t chunk;
    size_t offset;  // In the chunk.
  };
  static Place Find(uint64_t position) {
    // Shifted by kFirst, chunk c starts at 2^(kFirstLog2 + c) while doubling.
    const uint64_t shifted = position + kFirst;
    if (shifted < kLast) {
      const int log2 = std::bit_width(shifted) - 1;
      assert(log2 >= kFirstLog2);
      return {static_cast<size_t>(log2 - kFirstLog2),
              static_cast<size_t>(shifted - (uint64_t{1} << log2))};
    }
    return {static_cast<size_t>((shifted >> kLastLog2) +
                                (kLastLog2 - kFirstLog2 - 1)),
            static_cast<size_t>(shifted & (kLast - 1))};
  }
  static size_t Size(size_t chunk) {
    return chunk < kLastLog2 - kFirstLog2 ? kFirst << chunk : kLast;
  }
};

// A vector of this kind. The writer calls push_back(), size(), capacity(); any
// thread may call operator[] for elements it has learned of.
template <typename T>
class StableVector {
 public:
  void push_back(T value) {
    const typename Map::Place place = Map::Find(size_);
    assert(place.chunk < chunks_.size());
    if (place.offset == 0) {
      chunks_[place.chunk] = std::make_unique<T[]>(Map::Size(place.chunk));
      capacity_ += Map::Size(place.chunk);
    }
    chunks_[place.chunk][place.offset] = std::move(value);
    ++size_;
  }

  const T& operator[](size_t i) const {
    const typename Map::Place place = Map::Find(i);
    return chunks_[place.chunk][place.offset];
  }
  T& operator[](size_t i) {
    const typename Map::Place place = Map::Find(i);
    return chunks_[place.chunk][place.offset];
  }

  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }

 private:
  // Doubles without end: 36 chunks hold 2^40 elements.
  using Map = ChunkMap<4, 62>;

  std::array<std::unique_ptr<T[]>, 36> chunks_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace corkscrew

#endif  // CORKSCREW_DB_STABLE_VECTOR_H_
