#include "server/model_key.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/file_system.h"
#include "base/status_macros.h"
#include "server/token_file.h"

namespace corkscrew {
namespace {

constexpr size_t kMaxKeyFile = 4096;
constexpr size_t kKeyBytes = 32;
// RFC 8410: what stands before the key in both forms.
constexpr absl::string_view kPublicDer(
    "\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", 12);
constexpr absl::string_view kPrivateDer(
    "\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20", 16);

}  // namespace

absl::StatusOr<std::string> ParseKey(absl::string_view text,
                                     absl::string_view path,
                                     absl::string_view label,
                                     absl::string_view der) {
  const absl::string_view trimmed = absl::StripAsciiWhitespace(text);
  if (trimmed.size() == 2 * kKeyBytes &&
      std::all_of(trimmed.begin(), trimmed.end(), [](char c) {
        return absl::ascii_isxdigit(static_cast<unsigned char>(c));
      })) {
    return absl::HexStringToBytes(trimmed);
  }
  std::string base64;
  bool inside = false;
  for (const absl::string_view line : absl::StrSplit(trimmed, '\n')) {
    const absl::string_view clean = absl::StripAsciiWhitespace(line);
    if (absl::StartsWith(clean, "-----")) {
      inside = clean == absl::StrCat("-----BEGIN ", label, "-----");
    } else if (inside) {
      absl::StrAppend(&base64, clean);
    }
  }
  std::string bytes;
  absl::string_view key;
  if (absl::Base64Unescape(base64, &bytes)) key = bytes;
  if (!absl::ConsumePrefix(&key, der) || key.size() != kKeyBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": is no Ed25519 ", label,
                     ": want PEM or 64 hexadecimal digits"));
  }
  return std::string(key);
}

absl::StatusOr<std::string> ReadPublicKey(absl::string_view path) {
  CORKSCREW_ASSIGN_OR_RETURN(
      const std::string text,
      FileSystem::Real().Read(std::string(path), kMaxKeyFile));
  return ParseKey(text, path, "PUBLIC KEY", kPublicDer);
}

absl::StatusOr<std::string> ReadPrivateKey(absl::string_view path) {
  // The same rules as for tokens: not readable by others.
  CORKSCREW_ASSIGN_OR_RETURN(const std::string text, ReadTokenFile(path));
  return ParseKey(text, path, "PRIVATE KEY", kPrivateDer);
}

}  // namespace corkscrew
