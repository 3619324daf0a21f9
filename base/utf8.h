#ifndef CORKSCREW_BASE_UTF8_H_
#define CORKSCREW_BASE_UTF8_H_

#include "absl/strings/string_view.h"

namespace corkscrew {

// Whether `bytes` is well-formed UTF-8 (The Unicode Standard 15, table 3-7): no
// overlong forms, no surrogates, nothing above U+10FFFF. U+0000 is valid.
bool IsValidUtf8(absl::string_view bytes);

}  // namespace corkscrew

#endif  // CORKSCREW_BASE_UTF8_H_
