// corkscrew: the command line tool.

#include <sys/ioctl.h>
#include <unistd.h>

#include <iostream>
#include <string>
#include <vector>

#include "server/cli.h"
#include "server/console.h"

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  // Input comes one line at a time; a prompt never has to appear before it.
  std::cin.tie(nullptr);
  corkscrew::Console console{std::cin, std::cout, std::cerr};
  console.err_is_terminal = isatty(STDERR_FILENO) != 0;
  winsize window;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col >= 40) {
    console.columns = window.ws_col;
  }
  return corkscrew::RunCli(std::vector<std::string>(argv + 1, argv + argc),
                           console, corkscrew::RealSystem());
}
