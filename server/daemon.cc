#include "server/daemon.h"

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "corkscrew/db.h"
#include "corkscrew/embedder.h"
#include "corkscrew/server.h"
#include "server/json_log.h"
#include "server/token_file.h"

namespace corkscrew {

absl::Status RunDaemon(const DaemonOptions& options, std::ostream& ready,
                       JsonLog& log, std::function<absl::Time()> now,
                       const std::function<std::string()>& wait_for_stop) {
  ServerOptions server_options;
  server_options.address = options.listen;
  CORKSCREW_ASSIGN_OR_RETURN(server_options.token,
                             ReadTokenFile(options.token_file));
  Options db_options;
  db_options.embedders = ModelDirectories(options.model_path);
  const absl::Time start = now();
  CORKSCREW_ASSIGN_OR_RETURN(const std::unique_ptr<Db> db,
                             Db::Open(options.data, db_options));
  log.Info("opened", {{"data", options.data},
                      {"ms", absl::ToInt64Milliseconds(now() - start)}});
  CORKSCREW_ASSIGN_OR_RETURN(std::unique_ptr<Server> server,
                             Serve(*db, server_options));
  log.Info("ready", {{"address", server->address()}});
  ready << "corkscrewd ready on " << server->address() << std::endl;

  const std::string reason = wait_for_stop();
  log.Info("draining", {{"reason", reason}});
  server->Drain(now() + kDrainTime);
  server.reset();
  const absl::Status closed = db->Close();
  if (closed.ok()) log.Info("stopped");
  return closed;
}

}  // namespace corkscrew
