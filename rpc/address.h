#ifndef CORKSCREW_RPC_ADDRESS_H_
#define CORKSCREW_RPC_ADDRESS_H_

// Addresses of nodes. Only loopback ones until connections are encrypted: a
// token must not cross a network in the clear.

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace corkscrew {

struct LoopbackAddress {
  std::string host = {};  // A numeric address: "127.0.0.1" or "::1".
  uint16_t port = 0;

  // "127.0.0.1:80", "[::1]:80"
  std::string ToString() const;
};

// Parses "host:port", where host is an address of 127.0.0.0/8, [::1], or
// localhost (which means 127.0.0.1).
//   InvalidArgument  malformed, or not on a loopback interface
absl::StatusOr<LoopbackAddress> ParseLoopbackAddress(absl::string_view address);

// The path of "unix:PATH", or nullopt if `address` is of another kind.
//   InvalidArgument  no path, one too long for a socket, or a line break in it
absl::StatusOr<std::optional<std::string>> ParseUnixAddress(
    absl::string_view address);

}  // namespace corkscrew

#endif  // CORKSCREW_RPC_ADDRESS_H_
