#ifndef CORKSCREW_RPC_STATUS_H_
#define CORKSCREW_RPC_STATUS_H_

// Status of the library <-> status of a call, with the details of google.rpc.
// Codes have the same numbers on both sides.

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/status.h"

namespace corkscrew {

// Who defines the reasons in ErrorInfo. A status that carries it was decided by
// a handler of a node, not by the transport.
inline constexpr absl::string_view kErrorDomain = "corkscrewdb";

// Returns InvalidArgument "FIELD: DESCRIPTION", whose details name the field of
// the request by its path ("items[3].record").
absl::Status FieldViolation(absl::string_view field,
                            absl::string_view description);

// Returns `status` with a reason for programs (docs/rpc.md lists them) instead
// of the one that follows from its code. `status` must not be OK.
absl::Status WithReason(absl::Status status, absl::string_view reason);

// Where an error happened, for its details. Borrows.
struct ErrorPlace {
  absl::string_view method;      // "/corkscrew.v1.Records/Put"
  absl::string_view collection;  // Empty if none is concerned.
};

// Returns `status` for the wire: its message (cut at kMaxStatusMessageBytes)
// and as details ErrorInfo, BadRequest if a field is known, and RetryInfo for
// codes that pass by waiting.
grpc::Status ToGrpcStatus(const absl::Status& status, const ErrorPlace& place);

// Returns code and message of `status`; the details have been used up.
absl::Status FromGrpcStatus(const grpc::Status& status);

// Whether a handler of a node decided this status. If not, the transport did,
// and the call may have been executed.
bool DecidedByNode(const grpc::Status& status);

// The outcome of one item of a call.
void ToProto(const absl::Status& status, google::rpc::Status* proto);
absl::Status FromProto(const google::rpc::Status& proto);

}  // namespace corkscrew

#endif  // CORKSCREW_RPC_STATUS_H_
