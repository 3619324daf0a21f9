#ifndef CORKSCREW_OPEN_OR_CONNECT_H_
#define CORKSCREW_OPEN_OR_CONNECT_H_

// One database, several processes: whoever comes second just works. Link
// corkscrewdb::rpc, then corkscrewdb::corkscrewdb.

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "corkscrew/client.h"
#include "corkscrew/db.h"

namespace corkscrew {

// Opens the database in directory `path`, or connects to the node of the same
// user that holds it: over its unix socket, else over TCP with `client.token`.
// While another process holds the directory without serving it, waits for it at
// most options.lock_timeout (0: client.timeout), and takes whichever comes
// first. With options.read_only opens it, beside whoever holds it.
//
// The result is closed like any other Db. A node's own models count then, not
// options.embedders.
//
//   FailedPrecondition  the directory stayed with a process that serves it
//                       nowhere, or only where this one can not connect; names
//                       its pid
//   or an error of Db::Open() or Connect()
absl::StatusOr<std::unique_ptr<Db>> OpenOrConnect(
    absl::string_view path, const Options& options = {},
    const ClientOptions& client = {});

}  // namespace corkscrew

#endif  // CORKSCREW_OPEN_OR_CONNECT_H_
