#ifndef CORKSCREW_SERVER_CONSOLE_H_
#define CORKSCREW_SERVER_CONSOLE_H_

// Where a command reads and writes. A test gives string streams.

#include <cstddef>
#include <istream>
#include <ostream>

namespace corkscrew {

struct Console {
  std::istream& in;
  std::ostream& out;             // Results, and nothing else.
  std::ostream& err;             // Progress, warnings, errors.
  bool err_is_terminal = false;  // Progress is redrawn in place.
  size_t columns = 100;          // Width of tables and snippets.
};

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_CONSOLE_H_
