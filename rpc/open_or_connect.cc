#include "corkscrew/open_or_connect.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/lock_holder.h"
#include "corkscrew/client.h"
#include "corkscrew/db.h"

namespace corkscrew {
namespace {

// The addresses in the error of a directory that a node holds, unix sockets
// first; none for any other error.
std::vector<std::string> AddressesIn(const absl::Status& status) {
  const auto payload = status.GetPayload(kLockHolderPayload);
  if (!payload.has_value()) return {};
  std::vector<std::string> addresses =
      absl::StrSplit(std::string(*payload), '\n', absl::SkipEmpty());
  std::stable_partition(
      addresses.begin(), addresses.end(),
      [](const std::string& a) { return absl::StartsWith(a, "unix:"); });
  return addresses;
}

// Connects to the first of `addresses` that answers.
absl::StatusOr<std::unique_ptr<Db>> ConnectToAny(
    const std::vector<std::string>& addresses, const ClientOptions& client) {
  absl::Status status = absl::UnavailableError("no address");
  for (const std::string& address : addresses) {
    absl::StatusOr<std::unique_ptr<Db>> db = Connect(address, client);
    if (db.ok()) return db;
    status = db.status();
  }
  return status;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Db>> OpenOrConnect(absl::string_view path,
                                                  const Options& options,
                                                  const ClientOptions& client) {
  if (options.read_only) return Db::Open(path, options);
  constexpr absl::Duration kFirstPause = absl::Milliseconds(2);
  constexpr absl::Duration kLongestPause = absl::Milliseconds(100);
  const absl::Time deadline =
      absl::Now() + (options.lock_timeout > absl::ZeroDuration()
                         ? options.lock_timeout
                         : client.timeout);
  absl::Duration pause = kFirstPause;
  while (true) {
    Options patient = options;
    patient.lock_timeout =
        std::max(absl::ZeroDuration(), deadline - absl::Now());
    absl::StatusOr<std::unique_ptr<Db>> local = Db::Open(path, patient);
    const std::vector<std::string> addresses = AddressesIn(local.status());
    if (local.ok() || addresses.empty()) return local;
    absl::StatusOr<std::unique_ptr<Db>> remote =
        ConnectToAny(addresses, client);
    if (remote.ok()) {
      // The node of this directory, and not another one that came to its
      // address, unless it has stopped meanwhile.
      Options impatient = options;
      impatient.lock_timeout = absl::ZeroDuration();
      local = Db::Open(path, impatient);
      if (local.ok()) return local;
      if (AddressesIn(local.status()) == addresses) return remote;
    } else if (!absl::IsUnavailable(remote.status()) ||
               absl::Now() + pause >= deadline) {
      return absl::FailedPreconditionError(
          absl::StrCat(local.status().message(),
                       ". Connecting failed: ", remote.status().message()));
    }
    // It is about to start or to stop.
    absl::SleepFor(pause);
    pause = std::min(2 * pause, kLongestPause);
  }
}

}  // namespace corkscrew
