#ifndef CORKSCREW_SERVER_H_
#define CORKSCREW_SERVER_H_

// Serves a database over gRPC.

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "corkscrew/db.h"

namespace corkscrew {

struct ServerOptions {
  // "host:port" on a loopback interface; port 0 takes a free one. Another
  // address is InvalidArgument until TLS exists.
  std::string address = "127.0.0.1:0";
  // Token that every call must carry ("authorization: Bearer TOKEN"), 16..256
  // printable ASCII characters without spaces. Required. Only the standard
  // health service answers without it.
  std::string token = {};
  // Longest deadline of a call; one without a deadline gets this one.
  absl::Duration max_deadline = absl::Minutes(5);
};

// A running node. Thread-safe. The destructor drains with a short deadline.
class Server {
 public:
  virtual ~Server() = default;

  virtual int port() const = 0;                    // The real port.
  virtual const std::string& address() const = 0;  // "host:port" to connect to.

  // Health turns NOT_SERVING, new calls are refused, running ones may finish
  // until `deadline`, then they are cancelled. Returns when none is left.
  // Idempotent. Does not close the Db.
  virtual void Drain(absl::Time deadline) = 0;
};

// Serves `db`, which is borrowed and must outlive the server.
//   InvalidArgument  address, or token outside its range
//   Unavailable      the address can not be bound
absl::StatusOr<std::unique_ptr<Server>> Serve(Db& db,
                                              const ServerOptions& options);

}  // namespace corkscrew

#endif  // CORKSCREW_SERVER_H_
