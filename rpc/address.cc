#include "rpc/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace corkscrew {
namespace {

// Whether `host` is the text of an address on a loopback interface.
bool IsLoopback(const std::string& host) {
  in_addr v4 = {};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) {
    return (ntohl(v4.s_addr) >> 24) == 127;
  }
  in6_addr v6 = {};
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 &&
         IN6_IS_ADDR_LOOPBACK(&v6);
}

}  // namespace

std::string LoopbackAddress::ToString() const {
  return absl::StrContains(host, ':') ? absl::StrCat("[", host, "]:", port)
                                      : absl::StrCat(host, ":", port);
}

absl::StatusOr<LoopbackAddress> ParseLoopbackAddress(
    absl::string_view address) {
  const size_t colon = address.rfind(':');
  LoopbackAddress parsed;
  uint32_t port = 0;
  if (colon == absl::string_view::npos ||
      !absl::SimpleAtoi(address.substr(colon + 1), &port) || port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("address \"", address,
                     "\": want host:port with a port "
                     "of 0..65535, such as 127.0.0.1:7601"));
  }
  parsed.port = static_cast<uint16_t>(port);
  absl::string_view host = address.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (absl::StrContains(host, ':')) {
    return absl::InvalidArgumentError(
        absl::StrCat("address \"", address,
                     "\": write an IPv6 address in brackets, such as "
                     "[::1]:7601"));
  }
  parsed.host =
      host == "localhost" ? std::string("127.0.0.1") : std::string(host);
  if (!IsLoopback(parsed.host)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "address \"", address,
        "\": not on a loopback interface. Connections are not encrypted yet, "
        "so a token would cross the network in the clear; use 127.0.0.1, "
        "[::1] or localhost, and reach another machine through a tunnel"));
  }
  return parsed;
}

absl::StatusOr<std::optional<std::string>> ParseUnixAddress(
    absl::string_view address) {
  absl::string_view path = address;
  if (!absl::ConsumePrefix(&path, "unix:")) return std::nullopt;
  constexpr size_t kMostBytes = sizeof(sockaddr_un::sun_path) - 1;
  if (path.empty() || path.size() > kMostBytes ||
      path.find_first_of(absl::string_view("\n\0", 2)) != path.npos) {
    return absl::InvalidArgumentError(absl::StrCat(
        "address \"", address, "\": want unix:PATH with a path of 1..",
        kMostBytes, " bytes without line breaks"));
  }
  return std::string(path);
}

}  // namespace corkscrew
