#ifndef CORKSCREW_QUANT_PREPARED_QUERY_H_
#define CORKSCREW_QUANT_PREPARED_QUERY_H_

// What a PreparedQuery holds (docs/quantizer.md, 2.13). For quant/ and its
// tests.

#include "corkscrew/quantizer.h"
#include "quant/code_sums.h"
#include "quant/score_formulas.h"

namespace corkscrew {

struct PreparedQuery::Rep {
  double norm = 0;  // 0 for a null query.
  ScoreUnits units;
  QueryIntegers integers;
  QueryIntegers sketch;  // Mode kIp only.
};

}  // namespace corkscrew

#endif  // CORKSCREW_QUANT_PREPARED_QUERY_H_
