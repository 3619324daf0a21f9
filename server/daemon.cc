#include "server/daemon.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "corkscrew/db.h"
#include "corkscrew/embedder.h"
#include "corkscrew/server.h"
#include "server/json_log.h"
#include "server/model_path.h"
#include "server/output.h"
#include "server/token_file.h"

namespace corkscrew {
namespace {

// The address in the directory itself; empty if its path is too long for the
// system, which takes about 100 bytes.
std::string OwnSocket(const std::string& data) {
  constexpr size_t kMostBytes = 100;
  std::error_code error;
  const std::string path =
      std::filesystem::absolute(std::filesystem::path(data) / "socket", error)
          .lexically_normal()
          .string();
  return path.size() > kMostBytes ? "" : absl::StrCat("unix:", path);
}

// One line for each change of the state of the database.
void LogState(DbState state, absl::string_view reason, JsonLog& log) {
  if (state == DbState::kWritable) {
    log.Info("writes_resumed");
  } else {
    log.Error("writes_stopped",
              {{"state", StateName(state)}, {"reason", reason}});
  }
}

}  // namespace

absl::Status RunDaemon(const DaemonOptions& options, std::ostream& ready,
                       JsonLog& log, const std::function<absl::Time()>& now,
                       const std::function<std::string()>& wait_for_stop) {
  ServerOptions server_options;
  server_options.addresses = options.listen;
  server_options.backup_directory = options.backup_directory;
  if (!options.token_file.empty()) {
    CORKSCREW_ASSIGN_OR_RETURN(server_options.token,
                               ReadTokenFile(options.token_file));
  }
  Options db_options = options.db;
  db_options.embedders =
      ModelDirectories(options.model_path, SystemEmbedderOptions());
  const absl::Time start = now();
  CORKSCREW_ASSIGN_OR_RETURN(const std::unique_ptr<Db> db,
                             Db::Open(options.data, db_options));
  log.Info("opened", {{"data", options.data},
                      {"ms", absl::ToInt64Milliseconds(now() - start)}});
  CORKSCREW_ASSIGN_OR_RETURN(const DbStats stats, db->Stats());
  if (stats.recovery_dropped_bytes > 0) {
    log.Error("log_tail_dropped",
              {{"recovery_dropped_bytes",
                static_cast<int64_t>(stats.recovery_dropped_bytes)}});
  }
  server_options.on_state = [&log](DbState state, absl::string_view reason) {
    LogState(state, reason, log);
  };
  const std::string own_socket = OwnSocket(options.data);
  if (own_socket.empty()) {
    log.Info("no_own_socket",
             {{"reason", "the path of the directory is long"}});
  } else {
    server_options.addresses.push_back(own_socket);
  }
  CORKSCREW_ASSIGN_OR_RETURN(std::unique_ptr<Server> server,
                             Serve(*db, server_options));
  for (size_t i = 0; i < server->addresses().size(); ++i) {
    const std::string& address = server->addresses()[i];
    log.Info("ready", {{"address", address}});
    if (i >= options.listen.size()) break;
    ready << "corkscrewd ready on " << address << std::endl;
  }

  const std::string reason = wait_for_stop();
  log.Info("draining", {{"reason", reason}});
  server->Drain(now() + kDrainTime);
  server.reset();
  absl::Status closed = db->Close();
  if (closed.ok()) log.Info("stopped");
  return closed;
}

}  // namespace corkscrew
