#include "server/target.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace corkscrew {

bool IsNodeAddress(absl::string_view target) {
  if (absl::StartsWith(target, "unix:")) return true;
  const size_t colon = target.rfind(':');
  if (colon == absl::string_view::npos || colon == 0) return false;
  const absl::string_view port = target.substr(colon + 1);
  return target.find('/') == absl::string_view::npos && !port.empty() &&
         port.size() <= 5 &&
         std::all_of(port.begin(), port.end(), absl::ascii_isdigit);
}

}  // namespace corkscrew
