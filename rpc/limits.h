#ifndef CORKSCREW_RPC_LIMITS_H_
#define CORKSCREW_RPC_LIMITS_H_

// Limits of the wire, beside those of the data (corkscrew/limits.h). All are
// stated in docs/rpc.md.

#include <cstddef>

#include "absl/time/time.h"
#include "corkscrew/limits.h"

namespace corkscrew {

// Largest message in either direction: a Put of kMaxPutBytes and its framing.
inline constexpr size_t kMaxMessageBytes = size_t{20} << 20;
static_assert(kMaxMessageBytes > kMaxPutBytes);

// Largest content of a reply. Pages are cut to it; other calls that have more
// to say fail with ResourceExhausted.
inline constexpr size_t kMaxReplyBytes = size_t{16} << 20;

// Headers of a request, all together.
inline constexpr size_t kMaxHeaderBytes = 8 * 1024;

// Message of a status; a longer one is cut. With its details it must pass the
// 8 KiB of headers that other clients accept.
inline constexpr size_t kMaxStatusMessageBytes = 1536;

// Calls in progress per connection, and threads of a node for all of them. A
// call that finds no thread fails with ResourceExhausted.
inline constexpr int kMaxConcurrentStreams = 128;
inline constexpr int kMaxServerThreads = 256;

// Memory of a node for messages on their way.
inline constexpr size_t kTransportMemoryBytes = size_t{512} << 20;

// Connections.
inline constexpr absl::Duration kMaxConnectionIdle = absl::Minutes(5);
inline constexpr absl::Duration kMaxConnectionAge = absl::Minutes(30);
inline constexpr absl::Duration kKeepaliveTime = absl::Seconds(60);
inline constexpr absl::Duration kKeepaliveTimeout = absl::Seconds(20);
inline constexpr absl::Duration kMinPingInterval = absl::Seconds(30);
inline constexpr int kMaxPingStrikes = 2;

// Longest time of a call that saves the database, which has a deadline of its
// own. Its connection may grow older than others for it.
inline constexpr absl::Duration kMaxBackupTime = absl::Hours(1);

// How often a node looks whether its database takes writes.
inline constexpr absl::Duration kReadinessInterval = absl::Seconds(5);

// A bearer token.
inline constexpr size_t kMinTokenBytes = 16;
inline constexpr size_t kMaxTokenBytes = 256;

}  // namespace corkscrew

#endif  // CORKSCREW_RPC_LIMITS_H_
