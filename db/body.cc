#include "db/body.h"

#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/crc32c.h"
#include "base/cursor.h"
#include "corkscrew/limits.h"
#include "db/encode.h"
#include "db/packed_vector.h"
#include "quant/rescore.h"

namespace corkscrew {
namespace {

static_assert(std::endian::native == std::endian::little,
              "vectors are stored as they are in memory");

constexpr size_t kMaxVectorBytes = kMaxDim * sizeof(float) + 16;

// Of a value beside vector, metadata and text: what is before them, and the
// checksum.
constexpr size_t kOverhead = 2 + 8 + 8 + 3 * 4 + 4;

}  // namespace

void EncodeBody(absl::string_view key, const Body& body, std::string* value) {
  value->clear();
  value->reserve(kOverhead + body.vector.size() + body.metadata.size() +
                 body.text.size());
  AppendBig(static_cast<uint8_t>(body.kind), value);
  AppendBig(static_cast<uint8_t>(body.form), value);
  AppendBig(static_cast<uint64_t>(body.wall_ms), value);
  AppendBig(body.expires_ms, value);
  AppendBig(static_cast<uint32_t>(body.vector.size()), value);
  AppendBig(static_cast<uint32_t>(body.metadata.size()), value);
  AppendBig(static_cast<uint32_t>(body.text.size()), value);
  AppendBytes(body.vector, value);
  AppendBytes(body.metadata, value);
  AppendBytes(body.text, value);
  AppendBig(ExtendCrc32c(Crc32c(key), *value), value);
}

std::string EncodeBodyToString(absl::string_view key, const Body& body) {
  std::string value;
  EncodeBody(key, body, &value);
  return value;
}

absl::StatusOr<Body> DecodeBody(absl::string_view key,
                                absl::string_view value) {
  uint32_t crc;
  if (value.size() < sizeof(crc)) {
    return absl::DataLossError("body is cut short");
  }
  const size_t size = value.size() - sizeof(crc);
  Cursor tail(value.substr(size));
  if (!tail.ReadBig(&crc) ||
      crc != ExtendCrc32c(Crc32c(key), value.substr(0, size))) {
    return absl::DataLossError("body does not match its checksum");
  }
  Cursor cursor(value.substr(0, size));
  Body body;
  uint8_t kind, form;
  uint64_t wall_ms;
  uint32_t vector_size, metadata_size, text_size;
  if (!cursor.ReadBig(&kind) || kind < 1 ||
      kind > static_cast<uint8_t>(OpKind::kPurge) || !cursor.ReadBig(&form) ||
      form > static_cast<uint8_t>(VectorForm::kPacked) ||
      !cursor.ReadBig(&wall_ms) || !cursor.ReadBig(&body.expires_ms) ||
      !cursor.ReadBig(&vector_size) || vector_size > kMaxVectorBytes ||
      !cursor.ReadBig(&metadata_size) || metadata_size > kMaxMetadataBytes ||
      !cursor.ReadBig(&text_size) || text_size > kMaxTextBytes ||
      !cursor.ReadBytes(vector_size, &body.vector) ||
      !cursor.ReadBytes(metadata_size, &body.metadata) ||
      !cursor.ReadBytes(text_size, &body.text) || !cursor.done()) {
    return absl::DataLossError("body is malformed");
  }
  body.kind = static_cast<OpKind>(kind);
  body.form = static_cast<VectorForm>(form);
  body.wall_ms = static_cast<int64_t>(wall_ms);
  const bool empty = vector_size + metadata_size + text_size == 0;
  if ((body.form == VectorForm::kNone) != (vector_size == 0) ||
      (body.kind != OpKind::kPut) != empty) {
    return absl::DataLossError("body is malformed");
  }
  return body;
}

std::string FloatsToBytes(absl::Span<const float> vector) {
  return std::string(reinterpret_cast<const char*>(vector.data()),
                     vector.size() * sizeof(float));
}

bool BytesToFloats(absl::string_view bytes, absl::Span<float> vector) {
  if (bytes.size() != vector.size() * sizeof(float)) return false;
  std::memcpy(vector.data(), bytes.data(), bytes.size());
  return true;
}

std::string FloatsToBFloat16Bytes(absl::Span<const float> vector,
                                  absl::Span<float> rounded) {
  std::vector<uint16_t> row(vector.size());
  RoundToBFloat16(vector, absl::MakeSpan(row));
  for (size_t i = 0; i < row.size(); ++i) {
    rounded[i] = std::bit_cast<float>(uint32_t{row[i]} << 16);
  }
  return std::string(reinterpret_cast<const char*>(row.data()),
                     row.size() * sizeof(uint16_t));
}

Sha256Digest VectorHash(VectorForm form, absl::string_view bytes) {
  if (form != VectorForm::kPacked) return Sha256(bytes);
  std::vector<float> vector(PackedDim(bytes));
  // Of what was not packed no hash is right.
  if (!UnpackVector(bytes, absl::MakeSpan(vector))) return {};
  return Sha256({reinterpret_cast<const char*>(vector.data()),
                 vector.size() * sizeof(float)});
}

bool ReadOriginal(const Body& body, absl::Span<float> vector) {
  if (body.form == VectorForm::kPacked) {
    return UnpackVector(body.vector, vector);
  }
  if (body.form == VectorForm::kFloat32) {
    return BytesToFloats(body.vector, vector);
  }
  if (body.form != VectorForm::kBFloat16 ||
      body.vector.size() != vector.size() * sizeof(uint16_t)) {
    return false;
  }
  for (size_t i = 0; i < vector.size(); ++i) {
    uint16_t upper;
    std::memcpy(&upper, body.vector.data() + i * sizeof(upper), sizeof(upper));
    vector[i] = std::bit_cast<float>(uint32_t{upper} << 16);
  }
  return true;
}

std::string CodeToBytes(absl::Span<const uint8_t> code, CodeScalars scalars) {
  std::string out(reinterpret_cast<const char*>(code.data()), code.size());
  out.append(reinterpret_cast<const char*>(&scalars.norm), sizeof(float));
  out.append(reinterpret_cast<const char*>(&scalars.scale), sizeof(float));
  return out;
}

bool BytesToCode(absl::string_view bytes, absl::Span<uint8_t> code,
                 CodeScalars* scalars) {
  if (bytes.size() != code.size() + 2 * sizeof(float)) return false;
  std::memcpy(code.data(), bytes.data(), code.size());
  std::memcpy(&scalars->norm, bytes.data() + code.size(), sizeof(float));
  std::memcpy(&scalars->scale, bytes.data() + code.size() + sizeof(float),
              sizeof(float));
  return true;
}

}  // namespace corkscrew
