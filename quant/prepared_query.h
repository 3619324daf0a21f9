#ifndef CORKSCREW_QUANT_PREPARED_QUERY_H_
#define CORKSCREW_QUANT_PREPARED_QUERY_H_

// What a PreparedQuery holds (docs/quantizer.md, 2.13). For quant/ and its
// tests.

#include "corkscrew/quantizer.h"
#include "quant/code_sums.h"

namespace corkscrew {

struct PreparedQuery::Rep {
  double norm = 0;        // 0 for a null query.
  float norm2 = 0;        // RN32(norm * norm)
  float dot_unit = 0;     // sq: one unit of the integer sum, for dot.
  float cosine_unit = 0;  // sqc: the same for cosine.
  float sketch_unit = 0;  // sq2, mode kIp only.
  QueryIntegers integers;
  QueryIntegers sketch;  // Mode kIp only.
};

}  // namespace corkscrew

#endif  // CORKSCREW_QUANT_PREPARED_QUERY_H_
