// Finds texts by meaning with a local model, then as they were before a change.
//
//   text_search MODEL_DIRECTORY DIRECTORY
#include <cstdio>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "corkscrew/collection.h"
#include "corkscrew/db.h"
#include "corkscrew/embedder.h"

namespace {

using corkscrew::Collection;
using corkscrew::Query;

absl::Status Put(Collection& notes, const std::string& id,
                 const std::string& text, const std::string& topic) {
  const corkscrew::Metadata metadata = {{"topic", topic}};
  corkscrew::PutItem item{corkscrew::RecordView(id)};
  item.record.text = text;
  item.record.metadata = &metadata;
  return notes.Put({&item, 1}).status();
}

absl::Status PrintBest(const Collection& notes, const char* title,
                       Query query) {
  query.k = 1;
  auto reply = notes.Search(query);
  if (!reply.ok()) return reply.status();
  for (const corkscrew::Hit& hit : reply->hits) {
    std::printf("%s: %s\n", title, hit.text.c_str());
  }
  return absl::OkStatus();
}

absl::Status Run(const char* models, const char* directory) {
  corkscrew::Options options;
  options.embedders = corkscrew::ModelDirectories({models});
  auto db = corkscrew::Db::Open(directory, options);
  if (!db.ok()) return db.status();
  auto notes =
      (*db)->CreateCollection("notes", {.model = "corkscrew-default-1"});
  if (!notes.ok()) return notes.status();

  for (const auto& [id, text, topic] :
       {std::tuple{"a", "The cat sleeps on the warm windowsill.", "home"},
        std::tuple{"b", "Interest rates rose by half a percent.", "money"},
        std::tuple{"c", "Plant the tomatoes after the last frost.",
                   "garden"}}) {
    if (auto put = Put(**notes, id, text, topic); !put.ok()) return put;
  }
  auto before = (*notes)->Info();
  if (!before.ok()) return before.status();
  if (auto put = Put(**notes, "a", "The dog guards the door.", "home");
      !put.ok()) {
    return put;
  }

  if (auto print = PrintBest(**notes, "a pet", Query::Text("a pet"));
      !print.ok()) {
    return print;
  }
  Query earlier = Query::Text("a pet");
  earlier.at = corkscrew::Moment::At(before->lamport);
  if (auto print = PrintBest(**notes, "a pet, before", earlier); !print.ok()) {
    return print;
  }
  Query filtered = Query::Text("a pet");
  filtered.filter = corkscrew::Filter::Eq("topic", std::string("garden"));
  return PrintBest(**notes, "a pet, in the garden", filtered);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: text_search MODEL_DIRECTORY DIRECTORY\n");
    return 2;
  }
  const absl::Status status = Run(argv[1], argv[2]);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
