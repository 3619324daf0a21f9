#ifndef CORKSCREW_SERVER_DAEMON_H_
#define CORKSCREW_SERVER_DAEMON_H_

// The node: a database directory served over gRPC until it is told to stop.

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "corkscrew/db.h"
#include "server/json_log.h"

namespace corkscrew {

struct DaemonOptions {
  std::string data = {};  // Directory; created if missing.
  // ServerOptions::addresses, at least one. The node also listens on the socket
  // file "socket" in the directory, for OpenOrConnect().
  std::vector<std::string> listen = {};
  // What every call over TCP must carry. Needed with a TCP address only.
  std::string token_file = {};
  std::string backup_directory = {};  // ServerOptions::backup_directory
  std::string model_dir = {};         // Where models are looked for first.
  std::vector<std::string> model_path = {};  // All directories of models.
  Options db = {};  // Its embedders are those of model_path.
};

// Longest time that running calls get to finish, and that the whole stop takes:
// service managers kill after 90 s, container runtimes after 10 to 30.
inline constexpr absl::Duration kDrainTime = absl::Seconds(20);

// Serves until `wait_for_stop` returns, then drains and closes.
// `wait_for_stop` is called once, when calls are answered; it returns why to
// stop ("SIGTERM"). Prints a line "corkscrewd ready on ADDRESS" for each of
// `listen` to `ready` then. Logs when the database takes writes no more, and
// when it does again.
//   or an error of ReadTokenFile(), Db::Open(), Serve() or Db::Close()
absl::Status RunDaemon(const DaemonOptions& options, std::ostream& ready,
                       JsonLog& log, const std::function<absl::Time()>& now,
                       const std::function<std::string()>& wait_for_stop);

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_DAEMON_H_
