#include <vector>

#include "corkscrew/db.h"

int main() {
  auto db = corkscrew::Db::Open("data");
  if (!db.ok()) return 1;
  auto points = (*db)->CreateCollection("points", {.dim = 2});
  if (!points.ok()) return 1;
  const std::vector<float> vector = {1, 2};
  corkscrew::PutItem item{corkscrew::RecordView("a")};
  item.record.vector = vector;
  if (!(*points)->Put({&item, 1}).ok()) return 1;
  auto reply = (*points)->Search(corkscrew::Query::Vector({1, 1}));
  return reply.ok() && reply->hits.size() == 1 ? 0 : 1;
}
