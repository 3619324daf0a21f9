#ifndef CORKSCREW_METADATA_H_
#define CORKSCREW_METADATA_H_

// Typed metadata of a record.

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace corkscrew {

// A metadata value. Numbers keep their type: an int64 is never stored as a
// double. Doubles are finite; strings are valid UTF-8.
using Value =
    std::variant<bool, int64_t, double, std::string, std::vector<std::string>>;

// Key -> value, ordered by key bytes. Limits: kMaxMetadataKeys keys and
// kMaxMetadataBytes encoded bytes (limits.h); keys are non-empty valid UTF-8.
using Metadata = std::map<std::string, Value>;

}  // namespace corkscrew

#endif  // CORKSCREW_METADATA_H_
