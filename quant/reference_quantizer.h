#ifndef CORKSCREW_QUANT_REFERENCE_QUANTIZER_H_
#define CORKSCREW_QUANT_REFERENCE_QUANTIZER_H_

// For tests only: the TQ specification (docs/quantizer.md) written down a
// second time, step by step, without regard for speed and without any code of
// the library except its codebook tables.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "corkscrew/quantizer.h"
#include "quant/codebook.h"

namespace corkscrew::reference {

// Section 2.3.
struct Generator {
  uint64_t state;
  uint64_t Next();
  uint64_t Bounded(uint64_t n);
};

// Section 2.4. `tag` [8] characters.
uint64_t Derive(uint64_t seed, const std::string& tag, uint64_t dim,
                uint64_t round);

// Section 2.5.
std::vector<int32_t> Permutation(uint64_t seed, const std::string& tag,
                                 size_t dim, uint64_t round);
std::vector<int32_t> Signs(uint64_t seed, const std::string& tag, size_t dim,
                           uint64_t round);

// Section 2.6.
std::vector<size_t> Blocks(size_t dim);
size_t Rounds(size_t dim);

// Section 2.8.
double Dot8(const std::vector<float>& x, const std::vector<float>& y);

// Section 2.10: bit by bit.
std::vector<uint8_t> Pack(const std::vector<uint8_t>& values, int bits);
std::vector<uint8_t> Unpack(const std::vector<uint8_t>& bytes, size_t n,
                            int bits);

// Every intermediate value of an encoding.
struct Record {
  double norm64 = 0;  // Before null vectors become 0.
  std::vector<int32_t> fixed;
  std::vector<std::vector<int32_t>> rounds;  // After each round.
  std::vector<uint8_t> codes;                // Unpacked.
  std::vector<uint8_t> sketch;               // Unpacked; mode kIp only.
  std::vector<uint8_t> bytes;                // The canonical code.
  int64_t dot = 0;                           // D
  int64_t squares = 0;                       // SS, mode kIp only.
  int64_t magnitudes = 0;                    // L1, mode kIp only.
  CodeScalars scalars;
};

struct Query {
  double norm = 0;
  int64_t largest = 0;         // m
  int64_t sketch_largest = 0;  // m2
  std::vector<int32_t> grid, sketch_grid;
  float dot_unit = 0, cosine_unit = 0, sketch_unit = 0;  // sq, sqc, sq2
};

struct Scores {
  int64_t sum = 0, sketch_sum = 0;  // A, A2
  float m1 = 0;
  float dot = 0, cosine = 0, l2 = 0;
};

enum class DecodeKind { kUnbiased, kLeastSquares, kPlain };

class Quantizer {
 public:
  explicit Quantizer(const QuantizerParams& params);

  // False for a rejected vector.
  bool Encode(const std::vector<float>& x, Record* record) const;
  // `grid` is 127 (class S8) or 31 (class S6).
  Query Prepare(const std::vector<float>& q, int grid) const;
  Scores Score(const Query& query, const Record& record) const;
  // Code against code, mode kMse.
  float ScoreCodes(const Record& x, const Record& y, int64_t* sum) const;
  // Mode kIp has one kind.
  std::vector<float> Decode(const Record& record, DecodeKind kind) const;

  std::vector<int32_t> thresholds() const;
  std::vector<int32_t> levels() const;
  uint8_t Index(int32_t v) const;

  // Section 2.7: one round of the rotation or of that of the sketch, and the
  // inverse of all rounds.
  std::vector<int32_t> Round(std::vector<int32_t> v, bool sketch,
                             size_t round) const;
  std::vector<int32_t> Inverse(std::vector<int32_t> v, bool sketch) const;

 private:
  QuantizerParams params_;
  int level_bits_;
  Codebook codebook_;
};

}  // namespace corkscrew::reference

#endif  // CORKSCREW_QUANT_REFERENCE_QUANTIZER_H_
