#ifndef CORKSCREW_RPC_PROBE_H_
#define CORKSCREW_RPC_PROBE_H_

// Asks a node from outside whether it serves. A process can look alive and not
// accept connections any more: in gRPC 1.51 an error of accept(), such as too
// many open files, ends the listener for good (CVE-2023-4785).

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace corkscrew {

// Opens a new connection to the node at `address` (loopback) and asks its
// health service, which needs no token.
//   InvalidArgument  malformed address
//   Unavailable      no connection, or the node does not serve
//   DeadlineExceeded
absl::Status ProbeNode(absl::string_view address, absl::Time deadline);

}  // namespace corkscrew

#endif  // CORKSCREW_RPC_PROBE_H_
