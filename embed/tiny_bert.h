#ifndef CORKSCREW_EMBED_TINY_BERT_H_
#define CORKSCREW_EMBED_TINY_BERT_H_

// For tests only: a BERT model of a few kilobytes with random weights, whose
// parts can be changed before it is written.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "embed/gguf.h"

namespace corkscrew::testing {

// A valid file unless a test breaks it. Single-threaded.
struct TinyBert {
  struct Tensor {
    std::vector<uint64_t> shape;  // Innermost dimension first.
    std::vector<float> values;
    // Only F32 and, for matrices, F16 and Q8_0 (values are rounded).
    GgmlType type = GgmlType::kF32;
  };

  TinyBert();  // 2 blocks, 32 coordinates, 2 heads, 9 positions.

  // The bytes of the GGUF file.
  std::string Build() const;

  std::map<std::string, std::string> strings;
  std::map<std::string, uint32_t> uints;
  std::map<std::string, float> floats;
  std::map<std::string, bool> bools;
  std::vector<std::string> tokens;
  std::map<std::string, Tensor> tensors;
  bool reverse_tensors = false;  // Write them in descending order of name.
};

}  // namespace corkscrew::testing

#endif  // CORKSCREW_EMBED_TINY_BERT_H_
