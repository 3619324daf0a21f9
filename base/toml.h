#ifndef CORKSCREW_BASE_TOML_H_
#define CORKSCREW_BASE_TOML_H_

// toml++ for files that may be anything: include this in place of its header,
// in .cc files only.
//
// Problems come back as values. Assertions of toml++ 3.3 are switched off, and
// so is its promise to the compiler that they hold: "[=" at the start of a line
// breaks one, and is handled well by the lines behind it.

#pragma push_macro("NDEBUG")
#undef NDEBUG  // With it, TOML_ASSERT is an assumption of the optimizer.
#define TOML_ASSERT(expr) static_cast<void>(0)
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include "toml++/toml.h"
#pragma pop_macro("NDEBUG")

#endif  // CORKSCREW_BASE_TOML_H_
