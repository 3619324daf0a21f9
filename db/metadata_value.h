#ifndef CORKSCREW_DB_METADATA_VALUE_H_
#define CORKSCREW_DB_METADATA_VALUE_H_

// One metadata value as bytes, for the growing block: filters read it where it
// lies. Integers and doubles are 8 bytes little-endian, a bool is one byte, a
// string its bytes, a list a u32 count and then per string a u32 size and its
// bytes.

#include <string>

#include "absl/strings/string_view.h"
#include "corkscrew/metadata.h"
#include "db/filter.h"

namespace corkscrew {

// Appends the type (the index in Value, u8) and the bytes of `value`. Equal
// values of a type have equal bytes: -0 is written as 0.
void AppendTypedValue(const Value& value, std::string* out);
// What that wrote.
ValueView ReadTypedValue(absl::string_view bytes);

}  // namespace corkscrew

#endif  // CORKSCREW_DB_METADATA_VALUE_H_
