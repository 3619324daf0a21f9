#include "server/version_text.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace corkscrew {
namespace {

bool IsHex(absl::string_view text, size_t digits) {
  return text.size() == digits &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isxdigit(static_cast<unsigned char>(c));
         });
}

bool IsDecimal(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c));
  });
}

}  // namespace

std::string VersionText(const Version& version) {
  return absl::StrCat(version.lamport, ".", version.seq, ".",
                      version.replica.ToString(), ".",
                      absl::Hex(version.incarnation, absl::kZeroPad16));
}

absl::StatusOr<Version> ParseVersion(absl::string_view text) {
  if (text == "none") return Version{};
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '.');
  Version version;
  if (parts.size() != 4 || !IsDecimal(parts[0]) || !IsDecimal(parts[1]) ||
      !absl::SimpleAtoi(parts[0], &version.lamport) ||
      !absl::SimpleAtoi(parts[1], &version.seq) || !IsHex(parts[2], 32) ||
      !IsHex(parts[3], 16) ||
      !absl::SimpleHexAtoi(parts[3], &version.incarnation)) {
    return absl::InvalidArgumentError(
        absl::StrCat("version \"", absl::CHexEscape(text),
                     "\": want none, or what get --json calls version"));
  }
  const std::string replica = absl::HexStringToBytes(parts[2]);
  std::copy(replica.begin(), replica.end(), version.replica.bytes.begin());
  return version;
}

}  // namespace corkscrew
