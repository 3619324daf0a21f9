#ifndef CORKSCREW_SERVER_H_
#define CORKSCREW_SERVER_H_

// Serves a database over gRPC.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "corkscrew/db.h"

namespace corkscrew {

struct ServerOptions {
  // Where to listen, one or more:
  // - "host:port" on a loopback interface; port 0 takes a free one. Another
  //   address is InvalidArgument until TLS exists.
  // - "unix:PATH": a socket that only this user can connect to (mode 0600), so
  //   that calls need no token. A socket that a dead process left is replaced.
  std::vector<std::string> addresses = {"127.0.0.1:0"};
  // Token that every call over TCP must carry ("authorization: Bearer TOKEN"),
  // 16..256 printable ASCII characters without spaces. Required with a TCP
  // address. Only the standard health service answers without it.
  std::string token = {};
  // Directory below which clients may have snapshots, backups and stores of
  // logs made, each under a name of one component; links in it are not
  // followed. Empty: they may not.
  std::string backup_directory = {};
  // Longest deadline of a call; one without a deadline gets this one. Snapshots
  // and what else fills a directory may take an hour.
  absl::Duration max_deadline = absl::Minutes(5);
  // Called by a thread of the server, within seconds, when the state of the
  // database changes, and at first if it is not writable: with the state and
  // why (DbStats::state_reason).
  std::function<void(DbState state, absl::string_view reason)> on_state =
      nullptr;
};

// A running node. Thread-safe. The destructor drains with a short deadline.
class Server {
 public:
  virtual ~Server() = default;

  // Of the first TCP address, the real one; 0 if there is none.
  virtual int port() const = 0;
  // What Connect() takes: in the order of ServerOptions::addresses, ports and
  // paths resolved.
  virtual const std::vector<std::string>& addresses() const = 0;
  const std::string& address() const { return addresses().front(); }

  // Health turns NOT_SERVING, new calls are refused, running ones may finish
  // until `deadline`, then they are cancelled. Returns when none is left.
  // Idempotent. Does not close the Db.
  virtual void Drain(absl::Time deadline) = 0;
};

// Serves `db`, which is borrowed and must outlive the server.
//   InvalidArgument     an address, or token outside its range
//   FailedPrecondition  a file that is not a socket is at the path of one
//   Unavailable         an address can not be bound
absl::StatusOr<std::unique_ptr<Server>> Serve(Db& db,
                                              const ServerOptions& options);

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_H_
