// corkscrewd: serves a database directory over gRPC.

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "server/daemon.h"
#include "server/json_log.h"
#include "server/model_path.h"

namespace {

constexpr char kFooter[] =
    R"(Every option can also be set by the variable named beside it; the option wins.
Serves loopback addresses, until TLS exists, and unix sockets, which only its user
can connect to and need no token; always the socket DIR/socket, for processes
that find the directory held. Prints a line per --listen on standard output when
it answers: corkscrewd ready on ADDRESS. Logs JSON lines on standard error. SIGTERM or SIGINT: running calls finish, then exit code 0; a
second signal stops at once.

Exit codes: 0 stopped by a signal, 1 error, 2 the command line is wrong.

Example:
  (umask 077; head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' > token)
  corkscrewd --data notes.db --listen 127.0.0.1:7700 --token-file token)";

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
  corkscrew::DaemonOptions options;
  std::string model_dir;
  CLI::App app("corkscrewd: serves a CorkScrewDB database over gRPC.");
  app.set_version_flag("--version", "corkscrewd " CORKSCREW_VERSION);
  app.footer(kFooter);
  app.add_option("--data", options.data,
                 "Directory of the database; created if missing")
      ->envname("CORKSCREWD_DATA")
      ->type_name("DIR")
      ->required();
  app.add_option("--listen", options.listen,
                 "Loopback address HOST:PORT, port 0 takes a free one; or "
                 "unix:PATH. May be given several times")
      ->envname("CORKSCREWD_LISTEN")
      ->type_name("ADDRESS")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->default_str("127.0.0.1:7700");
  app.add_option("--token-file", options.token_file,
                 "File with the token that every call over TCP must carry, "
                 "mode 600; required with a TCP address")
      ->envname("CORKSCREWD_TOKEN_FILE")
      ->type_name("FILE");
  app.add_option("--model-dir", model_dir,
                 "Where to look for models first; then CORKSCREW_MODEL_DIR and "
                 "the installed ones")
      ->envname("CORKSCREWD_MODEL_DIR")
      ->type_name("DIR");
  try {
    app.parse(argc, argv);
    if (options.listen.empty()) options.listen = {"127.0.0.1:7700"};
    const bool tcp = std::any_of(options.listen.begin(), options.listen.end(),
                                 [](const std::string& address) {
                                   return address.rfind("unix:", 0) != 0;
                                 });
    if (tcp && options.token_file.empty()) {
      throw CLI::RequiredError("--token-file");
    }
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }

  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  umask(077);
  RaiseFileLimit();
  // Its plain lines would stand between the JSON lines.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);

  options.model_path = corkscrew::SystemModelPath(model_dir);
  corkscrew::JsonLog log(std::cerr, absl::Now);
  const absl::Status status =
      corkscrew::RunDaemon(options, std::cout, log, absl::Now, WaitForStop);
  if (!status.ok()) {
    std::cerr << "corkscrewd: " << status.message() << std::endl;
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
