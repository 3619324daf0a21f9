#ifndef CORKSCREW_SERVER_CLI_H_
#define CORKSCREW_SERVER_CLI_H_

// The command line tool `corkscrew` as a function.

#include <string>
#include <vector>

#include "server/command.h"
#include "server/console.h"

namespace corkscrew {

// Runs one invocation with `arguments` (without the program's name) and returns
// its exit code. Nothing else of the process is touched.
int RunCli(const std::vector<std::string>& arguments, Console& console,
           const CommandSystem& system);

// The real world: OpenTarget(), LoadEmbedder(), ModelPath() beside this
// executable, the system clock.
CommandSystem RealSystem();

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_CLI_H_
