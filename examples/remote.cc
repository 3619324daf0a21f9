// Serves a database over gRPC and uses it through a client: the same calls as
// on the local one.
//
//   remote DIRECTORY
#include <cstdio>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "corkscrew/client.h"
#include "corkscrew/db.h"
#include "corkscrew/server.h"

namespace {

// Works on any Db.
absl::Status FindNearest(corkscrew::Db& db) {
  auto points = db.CreateCollection("points", {.dim = 2});
  if (!points.ok()) return points.status();
  const corkscrew::Record record = {.id = "east", .vector = {1, 0}};
  const corkscrew::PutItem item{corkscrew::RecordView(record)};
  if (auto put = (*points)->Put({&item, 1}); !put.ok()) return put.status();
  auto reply = (*points)->Search(corkscrew::Query::Vector({2, 0}));
  if (!reply.ok()) return reply.status();
  for (const corkscrew::Hit& hit : reply->hits) {
    std::printf("%s %g\n", hit.id.c_str(), hit.score);
  }
  return absl::OkStatus();
}

absl::Status Run(const char* directory) {
  // A token for this example; make one with `openssl rand -hex 32`.
  const char* token = "not-a-secret-0123456789";

  auto db = corkscrew::Db::Open(directory);
  if (!db.ok()) return db.status();
  auto server =
      corkscrew::Serve(**db, {.addresses = {"127.0.0.1:0"}, .token = token});
  if (!server.ok()) return server.status();

  auto remote = corkscrew::Connect((*server)->address(), {.token = token});
  if (!remote.ok()) return remote.status();
  const absl::Status status = FindNearest(**remote);
  (*server)->Drain(absl::Now() + absl::Seconds(5));
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: remote DIRECTORY\n");
    return 2;
  }
  const absl::Status status = Run(argv[1]);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
