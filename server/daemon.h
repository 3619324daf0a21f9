#ifndef CORKSCREW_SERVER_DAEMON_H_
#define CORKSCREW_SERVER_DAEMON_H_

// The node: a database directory served over gRPC until it is told to stop.

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/json_log.h"

namespace corkscrew {

struct DaemonOptions {
  std::string data = {};        // Directory; created if missing.
  std::string listen = {};      // host:port; port 0 takes a free one.
  std::string token_file = {};  // What every call must carry.
  std::vector<std::string> model_path = {};  // Directories of models.
};

// Longest time that running calls get to finish, and that the whole stop takes:
// service managers kill after 90 s, container runtimes after 10 to 30.
inline constexpr absl::Duration kDrainTime = absl::Seconds(20);

// Serves until `wait_for_stop` returns, then drains and closes.
// `wait_for_stop` is called once, when calls are answered; it returns why to
// stop ("SIGTERM"). Prints "corkscrewd ready on HOST:PORT" to `ready` then.
//   or an error of ReadTokenFile(), Db::Open(), Serve() or Db::Close()
absl::Status RunDaemon(const DaemonOptions& options, std::ostream& ready,
                       JsonLog& log, std::function<absl::Time()> now,
                       const std::function<std::string()>& wait_for_stop);

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_DAEMON_H_
