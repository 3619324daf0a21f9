#ifndef CORKSCREW_CLIENT_H_
#define CORKSCREW_CLIENT_H_

// A database on a node, reached over gRPC.

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "corkscrew/db.h"

namespace corkscrew {

struct ClientOptions {
  std::string token = {};  // Bearer token of the node; not for "unix:PATH".
  // Time limit of a call without CallOptions::deadline; snapshots and what else
  // fills a directory get an hour.
  absl::Duration timeout = absl::Seconds(30);
};

// Connects to the node at `target` ("host:port", or "unix:PATH" on the same
// machine, as the same user) and checks the token.
//   InvalidArgument  malformed, or not on a loopback interface: a token must
//                    not cross a network until connections are encrypted
// The result has the outcomes of a local Db, and also
//   Unavailable       the node can not be reached; the call may be retried.
//                     A write that ends so, or with DeadlineExceeded or
//                     Cancelled, may have been applied: retry it with the same
//                     request id.
//   Unauthenticated   no or wrong token
//   ResourceExhausted a request above 20 MiB, or a reply above 16 MiB; pages
//                     of List() and History() are cut short instead
// Closing it closes the connection, not the node.
absl::StatusOr<std::unique_ptr<Db>> Connect(absl::string_view target,
                                            const ClientOptions& options);

}  // namespace corkscrew

#endif  // CORKSCREW_CLIENT_H_
