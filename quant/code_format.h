#ifndef CORKSCREW_QUANT_CODE_FORMAT_H_
#define CORKSCREW_QUANT_CODE_FORMAT_H_

// What codes can be: their parameters, their size, their scalars.

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "corkscrew/quantizer.h"

namespace corkscrew {

inline constexpr double kMaxNorm = 0x1p60;
inline constexpr double kMinNorm = 0x1p-60;  // Shorter vectors are null.

// Returns `params` with the codebook that 0 stands for.
//   InvalidArgument  a parameter is outside its range
absl::StatusOr<QuantizerParams> Resolve(const QuantizerParams& params);

// Bits per coordinate without the sketch of mode kIp.
int LevelBits(const QuantizerParams& params);

// Bytes of a code of resolved parameters, and of its levels.
size_t LevelBytes(const QuantizerParams& params);
size_t CodeBytes(const QuantizerParams& params);

// As Quantizer::Validate().
absl::Status ValidateCode(const QuantizerParams& params,
                          absl::Span<const uint8_t> code,
                          const CodeScalars& scalars);

}  // namespace corkscrew

#endif  // CORKSCREW_QUANT_CODE_FORMAT_H_
