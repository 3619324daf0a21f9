#ifndef CORKSCREW_SERVER_V1_WRITER_H_
#define CORKSCREW_SERVER_V1_WRITER_H_

// For tests only: writes the files that server/v1_reader.h reads. Its
// checksums are computed bit by bit, from the definition.

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/json_writer.h"
#include "server/v1_reader.h"

namespace corkscrew::testing {

template <typename T>
void AppendLittle(T value, std::string& out) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

inline void AppendV1String(absl::string_view value, std::string& out) {
  AppendLittle(static_cast<uint32_t>(value.size()), out);
  out.append(value.data(), value.size());
}

// Divides by the polynomial of CRC-32 (IEEE 802.3), bits reflected.
inline void AppendV1Checksum(size_t start, std::string& out) {
  uint32_t remainder = 0xFFFFFFFF;
  for (size_t i = start; i < out.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      const uint32_t in = (static_cast<uint8_t>(out[i]) >> bit) & 1;
      const bool carry = ((remainder ^ in) & 1) != 0;
      remainder >>= 1;
      if (carry) remainder ^= 0xEDB88320;
    }
  }
  AppendLittle(~remainder, out);
}

inline void AppendV1Fields(const V1Version& version, std::string& out) {
  AppendV1String(
      absl::string_view(reinterpret_cast<const char*>(version.vector.data()),
                        version.vector.size() * sizeof(float)),
      out);
  AppendV1String(version.text, out);
  if (version.metadata.empty()) {
    AppendV1String("null", out);
    return;
  }
  JsonWriter json;
  json.BeginObject();
  for (const auto& [key, value] : version.metadata) {
    json.Key(key).String(std::get<std::string>(value));
  }
  AppendV1String(json.EndObject().text(), out);
}

// One record of a log.
inline std::string V1LogRecord(const V1Version& version,
                               absl::string_view collection) {
  std::string out;
  AppendLittle(uint16_t{0x4357}, out);
  AppendLittle(uint8_t{1}, out);
  AppendLittle(static_cast<uint8_t>(version.tombstone ? 2 : 1), out);
  AppendLittle(version.lamport, out);
  AppendV1String(version.actor, out);
  AppendLittle(version.wall_ns, out);
  AppendV1String(collection, out);
  AppendV1String(version.id, out);
  AppendV1Fields(version, out);
  AppendV1Checksum(0, out);
  return out;
}

// A snapshot of all these versions.
inline std::string V1Snapshot(absl::Span<const V1Version> versions,
                              absl::string_view collection) {
  std::map<std::string, std::vector<const V1Version*>> by_id;
  for (const V1Version& version : versions) {
    by_id[version.id].push_back(&version);
  }
  std::string out;
  AppendLittle(uint32_t{0x43534442}, out);
  AppendLittle(uint8_t{1}, out);
  AppendV1String(collection, out);
  AppendLittle(int32_t{2}, out);
  AppendLittle(int64_t{-7}, out);
  AppendLittle(uint32_t{3}, out);
  AppendLittle(uint64_t{99}, out);
  AppendLittle(int64_t{1}, out);
  AppendLittle(static_cast<uint32_t>(by_id.size()), out);
  for (const auto& [id, of_id] : by_id) {
    AppendV1String(id, out);
    AppendLittle(static_cast<uint32_t>(of_id.size()), out);
    for (const V1Version* version : of_id) {
      AppendV1Fields(*version, out);
      AppendLittle(version->lamport, out);
      AppendV1String(version->actor, out);
      AppendLittle(version->wall_ns, out);
      AppendLittle(static_cast<uint8_t>(version->tombstone), out);
    }
  }
  AppendV1Checksum(0, out);
  return out;
}

inline std::string V1Manifest(absl::Span<const std::string> collections) {
  JsonWriter json;
  json.BeginObject().Key("format_version").Integer(1);
  json.Key("collections").BeginObject();
  for (const std::string& name : collections) {
    json.Key(name).BeginObject().Key("bit_width").Integer(2).EndObject();
  }
  json.EndObject();
  return json.EndObject().TakeText();
}

}  // namespace corkscrew::testing

#endif  // CORKSCREW_SERVER_V1_WRITER_H_
