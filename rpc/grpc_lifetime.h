#ifndef CORKSCREW_RPC_GRPC_LIFETIME_H_
#define CORKSCREW_RPC_GRPC_LIFETIME_H_

#include <grpc/grpc.h>

namespace corkscrew {

// Starts gRPC once and for the life of the process. Otherwise gRPC 1.51 shuts
// down with the last object of a program, and the next one made waits up to ten
// seconds for what is left of connections. Thread-safe.
inline void StartGrpcForGood() {
  static const bool started = [] {
    grpc_init();
    return true;
  }();
  static_cast<void>(started);
}

}  // namespace corkscrew

#endif  // CORKSCREW_RPC_GRPC_LIFETIME_H_
