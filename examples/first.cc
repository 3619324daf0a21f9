// The smallest program that stores a text and finds it by meaning. Errors end
// it; text_search.cc shows how to handle them.
//
//   first MODEL_DIRECTORY DIRECTORY
#include <iostream>

#include "corkscrew/db.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const char* models = argv[1];
  const char* directory = argv[2];

  corkscrew::Options options;
  options.embedders = corkscrew::ModelDirectories({models});
  auto db = corkscrew::Db::Open(directory, options).value();
  auto notes =
      db->CreateCollection("notes", {.model = "corkscrew-default-1"}).value();
  corkscrew::PutItem item{corkscrew::RecordView("n1")};
  item.record.text = "The cat sat on the mat";
  notes->Put({&item, 1}).value();  // Durable and searchable when it returns.
  auto reply = notes->Search(corkscrew::Query::Text("a pet indoors")).value();
  for (const auto& hit : reply.hits) {
    std::cout << hit.score << " " << hit.text << "\n";
  }
}
