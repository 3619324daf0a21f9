// Keeps three points in a database and finds the nearest one.
//
//   hello DIRECTORY
#include <cstdio>
#include <vector>

#include "absl/status/status.h"
#include "corkscrew/db.h"

namespace {

absl::Status Run(const char* directory) {
  auto db = corkscrew::Db::Open(directory);
  if (!db.ok()) return db.status();
  auto points = (*db)->CreateCollection(
      "points", {.dim = 2, .metric = corkscrew::Metric::kL2});
  if (!points.ok()) return points.status();

  const std::vector<corkscrew::Record> records = {
      {.id = "home", .vector = {0, 0}},
      {.id = "shop", .vector = {3, 4}},
      {.id = "school", .vector = {-6, 8}}};
  std::vector<corkscrew::PutItem> items;
  for (const corkscrew::Record& record : records) {
    items.push_back({corkscrew::RecordView(record)});
  }
  // All three or none: durable and searchable when this returns.
  if (auto put = (*points)->Put(items); !put.ok()) return put.status();

  corkscrew::Query query = corkscrew::Query::Vector({2, 2});
  query.k = 2;
  auto reply = (*points)->Search(query);
  if (!reply.ok()) return reply.status();
  for (const corkscrew::Hit& hit : reply->hits) {
    std::printf("%s %g\n", hit.id.c_str(), hit.score);
  }
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: hello DIRECTORY\n");
    return 2;
  }
  const absl::Status status = Run(argv[1]);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
