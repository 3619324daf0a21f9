// Fuzzes the reader of serialized codes. What it accepts has one form, and can
// be decoded and scored.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/crc32c.h"
#include "corkscrew/metric.h"
#include "corkscrew/quantizer.h"

namespace corkscrew {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

void Check(absl::string_view bytes) {
  const auto parsed = ParseCode(bytes);
  if (!parsed.ok() || parsed->params.dim > 1000) return;
  const auto quantizer = Quantizer::Create(parsed->params);
  Require(quantizer.ok());
  Require(SerializeCode(*quantizer, parsed->code, parsed->scalars) == bytes);
  std::vector<float> vector(parsed->params.dim);
  quantizer->Decode(parsed->code, parsed->scalars, absl::MakeSpan(vector));
  const auto query =
      quantizer->Prepare(std::vector<float>(vector.size(), 1.0f));
  Require(query.ok());
  float score = 0;
  quantizer->Score(*query, Metric::kL2, parsed->code, {&parsed->scalars, 1},
                   {&score, 1});
  Require(!std::isnan(score));
}

}  // namespace
}  // namespace corkscrew

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  corkscrew::Check(bytes);
  // A fuzzer does not find checksums.
  const uint32_t checksum = corkscrew::Crc32c(bytes);
  char little[sizeof(checksum)];
  std::memcpy(little, &checksum, sizeof(checksum));
  corkscrew::Check(bytes.append(little, sizeof(checksum)));
  return 0;
}
