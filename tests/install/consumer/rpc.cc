#include "absl/status/status.h"
#include "absl/time/time.h"
#include "corkscrew/client.h"

int main() {
  // Port 1 of loopback: nobody listens there.
  auto db = corkscrew::Connect("127.0.0.1:1", {.token = "0123456789abcdef",
                                               .timeout = absl::Seconds(2)});
  return absl::IsUnavailable(db.status()) ? 0 : 1;
}
