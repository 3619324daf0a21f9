#include "quant/code_format.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/crc32c.h"
#include "base/cursor.h"
#include "base/status_macros.h"
#include "corkscrew/quantizer.h"
#include "quant/packing.h"

namespace corkscrew {
namespace {

constexpr size_t kMaxDim = 65535;

// Whether Encode() can give these, within a factor 2. What passes cannot make a
// score NaN.
bool ArePossible(const QuantizerParams& params, const CodeScalars& scalars) {
  const double norm = scalars.norm;
  const double scale = scalars.scale;
  if (norm == 0) return scale == 0;
  // NaN fails every comparison.
  if (!(norm >= kMinNorm && norm <= kMaxNorm)) return false;
  // The sum D of 2.11 is at least |v|, as no level is below 1, and at most |v|
  // times the length of the levels, which is below sqrt(65535) * 4061 < 2^20.
  const double least = params.mode == QuantizerMode::kIp ? 0 : norm * 0x1p-21;
  return scale >= least && scale <= 2 * norm;
}

// The serialized form. Part of the format.
constexpr absl::string_view kMagic = "CSQC";
constexpr uint8_t kVersion = 1;
constexpr size_t kHeaderBytes = 28;
constexpr size_t kChecksumBytes = sizeof(uint32_t);

template <typename T>
void AppendLittle(T value, std::string* out) {  // base/cursor.h reads it.
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out->append(bytes, sizeof(T));
}

absl::Status CheckBits(int bits) {
  if (bits >= 1 && bits <= 8) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("bits is ", bits, ", want 1 to 8"));
}

absl::Status CheckPackedSize(size_t got, size_t n, int bits) {
  if (got == PackedBytes(n, bits)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("buffer of ", n, " indices of ", bits, " bits has ", got,
                   " bytes, want ", PackedBytes(n, bits)));
}

absl::Status NotACode(absl::string_view why) {
  return absl::DataLossError(absl::StrCat("serialized code: ", why));
}

}  // namespace

absl::StatusOr<QuantizerParams> Resolve(const QuantizerParams& params) {
  if (params.dim < 1 || params.dim > kMaxDim) {
    return absl::InvalidArgumentError(absl::StrCat(
        "quantizer: dim is ", params.dim, ", want 1 to ", kMaxDim));
  }
  const bool mse = params.mode == QuantizerMode::kMse;
  if (!mse && params.mode != QuantizerMode::kIp) {
    return absl::InvalidArgumentError(
        absl::StrCat("quantizer: mode is ", static_cast<int>(params.mode),
                     ", want 1 (mse) or 2 (ip)"));
  }
  const int min_bits = mse ? 1 : 2;
  if (params.bits < min_bits || params.bits > 8) {
    return absl::InvalidArgumentError(
        absl::StrCat("quantizer: bits is ", params.bits, ", want ", min_bits,
                     " to 8 in mode ", mse ? "mse" : "ip"));
  }
  QuantizerParams resolved = params;
  const bool uniform_allowed = mse && params.bits == 8;
  if (params.codebook == 0) resolved.codebook = uniform_allowed ? 2 : 1;
  if (resolved.codebook != 1 && !(resolved.codebook == 2 && uniform_allowed)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "quantizer: codebook is ", params.codebook, ", want 1",
        uniform_allowed ? " or 2" : " (2 is for mode mse with 8 bits)"));
  }
  return resolved;
}

int LevelBits(const QuantizerParams& params) {
  return params.mode == QuantizerMode::kIp ? params.bits - 1 : params.bits;
}

size_t LevelBytes(const QuantizerParams& params) {
  return PackedBytes(params.dim, LevelBits(params));
}

size_t CodeBytes(const QuantizerParams& params) {
  const bool sketch = params.mode == QuantizerMode::kIp;
  return LevelBytes(params) + (sketch ? PackedBytes(params.dim, 1) : 0);
}

absl::Status ValidateCode(const QuantizerParams& params,
                          absl::Span<const uint8_t> code,
                          const CodeScalars& scalars) {
  if (code.size() != CodeBytes(params)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "code has ", code.size(), " bytes, want ", CodeBytes(params)));
  }
  const size_t levels = LevelBytes(params);
  const bool clean =
      UnusedBitsAreZero(code.first(levels), params.dim, LevelBits(params)) &&
      (params.mode != QuantizerMode::kIp ||
       UnusedBitsAreZero(code.subspan(levels), params.dim, 1));
  if (!clean) {
    return absl::InvalidArgumentError(
        absl::StrCat("code of ", params.dim,
                     " coordinates has a bit set after the last one, want 0"));
  }
  if (!ArePossible(params, scalars)) {
    return absl::InvalidArgumentError(
        absl::StrCat("code has norm ", scalars.norm, " and scale ",
                     scalars.scale, ", which no vector has"));
  }
  return absl::OkStatus();
}

size_t PackedIndexBytes(size_t n, int bits) { return PackedBytes(n, bits); }

absl::Status PackIndices(absl::Span<const uint8_t> indices, int bits,
                         absl::Span<uint8_t> packed) {
  CORKSCREW_RETURN_IF_ERROR(CheckBits(bits));
  CORKSCREW_RETURN_IF_ERROR(
      CheckPackedSize(packed.size(), indices.size(), bits));
  for (size_t i = 0; i < indices.size(); ++i) {
    if (indices[i] >> bits != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("index ", i, " is ", int{indices[i]}, ", want below ",
                       1 << bits, " for ", bits, " bits"));
    }
  }
  PackBits(indices, bits, packed);
  return absl::OkStatus();
}

absl::Status UnpackIndices(absl::Span<const uint8_t> packed, int bits,
                           absl::Span<uint8_t> indices) {
  CORKSCREW_RETURN_IF_ERROR(CheckBits(bits));
  CORKSCREW_RETURN_IF_ERROR(
      CheckPackedSize(packed.size(), indices.size(), bits));
  if (!UnusedBitsAreZero(packed, indices.size(), bits)) {
    return absl::InvalidArgumentError(
        absl::StrCat("packed form of ", indices.size(),
                     " indices has a bit set after the last one, want 0"));
  }
  UnpackBits(packed, bits, indices);
  return absl::OkStatus();
}

std::string SerializeCode(const Quantizer& quantizer,
                          absl::Span<const uint8_t> code,
                          const CodeScalars& scalars) {
  const QuantizerParams& params = quantizer.params();
  std::string out(kMagic);
  out.reserve(kHeaderBytes + code.size() + kChecksumBytes);
  AppendLittle(kVersion, &out);
  AppendLittle(static_cast<uint8_t>(params.mode), &out);
  AppendLittle(static_cast<uint8_t>(params.bits), &out);
  AppendLittle(static_cast<uint8_t>(params.codebook), &out);
  AppendLittle(static_cast<uint32_t>(params.dim), &out);
  AppendLittle(params.seed, &out);
  AppendLittle(scalars.norm, &out);
  AppendLittle(scalars.scale, &out);
  out.append(reinterpret_cast<const char*>(code.data()), code.size());
  AppendLittle(Crc32c(out), &out);
  return out;
}

absl::StatusOr<ParsedCode> ParseCode(absl::string_view bytes) {
  Cursor cursor(bytes);
  absl::string_view magic;
  uint8_t version = 0;
  if (!cursor.ReadBytes(kMagic.size(), &magic) || magic != kMagic ||
      !cursor.ReadLittle(&version)) {
    return NotACode("does not start with CSQC and a version");
  }
  if (version != kVersion) {
    return absl::UnimplementedError(absl::StrCat(
        "serialized code: version ", int{version}, ", want ", int{kVersion}));
  }
  uint8_t mode = 0;
  uint8_t bits = 0;
  uint8_t codebook = 0;
  uint32_t dim = 0;
  ParsedCode parsed;
  if (!cursor.ReadLittle(&mode) || !cursor.ReadLittle(&bits) ||
      !cursor.ReadLittle(&codebook) || !cursor.ReadLittle(&dim) ||
      !cursor.ReadLittle(&parsed.params.seed) ||
      !cursor.ReadLittle(&parsed.scalars.norm) ||
      !cursor.ReadLittle(&parsed.scalars.scale)) {
    return NotACode(absl::StrCat("has ", bytes.size(), " bytes, want ",
                                 kHeaderBytes, " for the header alone"));
  }
  parsed.params.dim = dim;
  parsed.params.mode = static_cast<QuantizerMode>(mode);
  parsed.params.bits = bits;
  parsed.params.codebook = codebook;
  const absl::StatusOr<QuantizerParams> resolved = Resolve(parsed.params);
  if (!resolved.ok()) return NotACode(resolved.status().message());
  if (codebook == 0) return NotACode("codebook is 0");
  const size_t code_bytes = CodeBytes(parsed.params);
  if (bytes.size() != kHeaderBytes + code_bytes + kChecksumBytes) {
    return NotACode(absl::StrCat("has ", bytes.size(), " bytes, want ",
                                 kHeaderBytes + code_bytes + kChecksumBytes));
  }
  absl::string_view code;
  uint32_t checksum = 0;
  if (!cursor.ReadBytes(code_bytes, &code) || !cursor.ReadLittle(&checksum)) {
    return NotACode("cut off");
  }
  const uint32_t want = Crc32c(bytes.substr(0, kHeaderBytes + code_bytes));
  if (checksum != want) {
    return NotACode(absl::StrCat("checksum is ", absl::Hex(checksum),
                                 ", the content has ", absl::Hex(want)));
  }
  parsed.code = {reinterpret_cast<const uint8_t*>(code.data()), code.size()};
  const absl::Status valid =
      ValidateCode(parsed.params, parsed.code, parsed.scalars);
  if (!valid.ok()) return NotACode(valid.message());
  return parsed;
}

}  // namespace corkscrew
