// corkscrewd: serves a database directory over gRPC.

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "server/daemon.h"
#include "server/daemon_command.h"
#include "server/json_log.h"
#include "server/model_path.h"

namespace {

// The signals that stop. Blocked in all threads and taken by sigwait(), so that
// no code runs in a signal handler.
sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

std::string WaitForStop() {
  const sigset_t signals = StopSignals();
  int signal = 0;
  sigwait(&signals, &signal);
  std::thread([signals] {
    int second = 0;
    sigwait(&signals, &second);
    _exit(EXIT_FAILURE);
  }).detach();
  return signal == SIGTERM ? "SIGTERM" : "SIGINT";
}

// A connection is a file descriptor, and the default limit of 1,024 is soon
// reached; Debian's gRPC 1.51 stops listening for ever when it is
// (CVE-2023-4785).
void RaiseFileLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const corkscrew::DaemonCommand command = corkscrew::ReadDaemonCommand(
      std::vector<std::string>(argv + 1, argv + argc),
      [](const std::string& name) -> std::optional<std::string> {
        const char* const value = std::getenv(name.c_str());
        if (value == nullptr) return std::nullopt;
        return value;
      },
      std::cout, std::cerr);
  if (command.exit_code.has_value()) return *command.exit_code;
  corkscrew::DaemonOptions options = command.options;

  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  umask(077);
  RaiseFileLimit();
  // Its plain lines would stand between the JSON lines.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);

  options.model_path = corkscrew::SystemModelPath(options.model_dir);
  corkscrew::JsonLog log(std::cerr, absl::Now);
  const absl::Status status =
      corkscrew::RunDaemon(options, std::cout, log, absl::Now, WaitForStop);
  if (!status.ok()) {
    std::cerr << "corkscrewd: " << status.message() << std::endl;
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
