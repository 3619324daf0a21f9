#ifndef CORKSCREW_DB_METADATA_COLUMN_WORDS_H_
#define CORKSCREW_DB_METADATA_COLUMN_WORDS_H_

// From 64 value numbers of a metadata column to the word of those that a filter
// wants. Plain loops over 64, which compilers turn into vectors.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace corkscrew {

// Which numbers are wanted, by number; those that are not in it are not.
class NumberTable {
 public:
  explicit NumberTable(uint32_t values)
      // A number of one byte needs no check, others end at the last place.
      : wanted_(std::max<size_t>(256, size_t{values} + 2)) {}

  void Set(uint32_t number) { wanted_[number] = 1; }
  // Numbers in [begin, end).
  void Set(uint32_t begin, uint32_t end) {
    std::fill(wanted_.begin() + begin, wanted_.begin() + end, uint8_t{1});
  }

  // 1 or 0.
  uint8_t operator[](uint8_t number) const { return wanted_[number]; }
  uint8_t operator[](uint16_t number) const {
    return (*this)[uint32_t{number}];
  }
  uint8_t operator[](uint32_t number) const {
    return wanted_[std::min<size_t>(number, wanted_.size() - 1)];
  }

 private:
  std::vector<uint8_t> wanted_;
};

// Bit i is byte i, which is 0 or 1.
inline uint64_t PackBits(const std::array<uint8_t, 64>& bytes) {
  uint64_t word = 0;
  for (size_t i = 0; i < 8; ++i) {
    uint64_t eight;
    std::memcpy(&eight, &bytes[8 * i], sizeof(eight));
    // Byte j comes to bit 56 + j, and no two products meet.
    word |= (eight * 0x0102040810204080) >> 56 << (8 * i);
  }
  return word;
}

// Word of the numbers in [begin, begin + count) of `bytes`, 64 little-endian
// integers of type T at any address.
template <typename T>
uint64_t WordInRange(const char* bytes, T begin, T count) {
  std::array<T, 64> numbers;
  std::memcpy(numbers.data(), bytes, sizeof(numbers));
  std::array<uint8_t, 64> in;
  for (size_t i = 0; i < 64; ++i) {
    in[i] = static_cast<T>(numbers[i] - begin) < count;
  }
  return PackBits(in);
}

// Word of the numbers that are in the table.
template <typename T>
uint64_t WordInTable(const char* bytes, const NumberTable& table) {
  uint64_t word = 0;
  for (size_t i = 0; i < 64; i += 8) {
    std::array<T, 8> numbers;
    std::memcpy(numbers.data(), bytes + i * sizeof(T), sizeof(numbers));
    uint64_t eight = 0;
    for (size_t j = 0; j < 8; ++j) eight |= uint64_t{table[numbers[j]]} << j;
    word |= eight << i;
  }
  return word;
}

// Writes the words of the first `slots` numbers of `bytes`; `word_of` makes one
// of 64 numbers. Nothing behind the last number is read.
template <typename T, typename WordOf64>
void FillWords(const char* bytes, size_t slots, uint64_t* words,
               const WordOf64& word_of) {
  const size_t whole = slots / 64;
  for (size_t w = 0; w < whole; ++w) {
    words[w] = word_of(bytes + w * 64 * sizeof(T));
  }
  const size_t left = slots % 64;
  if (left == 0) return;
  std::array<T, 64> numbers = {};
  std::memcpy(numbers.data(), bytes + whole * 64 * sizeof(T), left * sizeof(T));
  words[whole] = word_of(reinterpret_cast<const char*>(numbers.data())) &
                 ((uint64_t{1} << left) - 1);
}

}  // namespace corkscrew

#endif  // CORKSCREW_DB_METADATA_COLUMN_WORDS_H_
