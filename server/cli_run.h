#ifndef CORKSCREW_SERVER_CLI_RUN_H_
#define CORKSCREW_SERVER_CLI_RUN_H_

// For tests only: runs the tool and keeps what it printed.

#include <istream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "server/cli.h"
#include "server/command.h"
#include "server/console.h"

namespace corkscrew::testing {

class CliRunTest : public ::testing::Test {
 protected:
  explicit CliRunTest(CommandSystem system) : system_(std::move(system)) {}

  // Returns the exit code.
  int Run(const std::vector<std::string>& arguments,
          const std::string& input = "") {
    std::istringstream in(input);
    return RunWith(in, arguments);
  }
  int RunWith(std::istream& in, const std::vector<std::string>& arguments) {
    std::ostringstream out;
    std::ostringstream err;
    Console console{in, out, err};
    const int code = RunCli(arguments, console, system_);
    out_ = out.str();
    err_ = err.str();
    return code;
  }

  CommandSystem system_;
  std::string out_;  // Of the last run.
  std::string err_;
};

}  // namespace corkscrew::testing

#endif  // CORKSCREW_SERVER_CLI_RUN_H_
