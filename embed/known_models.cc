#include "embed/known_models.h"

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "embed/gguf.h"

namespace corkscrew {
namespace {

struct Row {
  absl::string_view name;  // Part of the model's, in lower case with hyphens.
  absl::string_view also;  // Another part; empty: none.
  KnownModel model;
};

constexpr absl::string_view kPassages =
    "Represent this sentence for searching relevant passages: ";

// As the model cards of their authors have them. The first row that fits.
constexpr Row kRows[] = {
    {"e5-mistral", "", {}},
    {"e5-", "instruct", {}},
    {"e5-", "", {"query: ", "passage: "}},
    {"arctic-embed", "v2", {"query: ", ""}},
    {"arctic-embed", "", {kPassages, ""}},
    {"mxbai-embed", "", {kPassages, ""}},
    {"bge-", "en-v1.5", {kPassages, ""}},
    {"nomic-embed-text",
     "v1.5",
     {"search_query: ", "search_document: ", /*centre_before_cut=*/true}},
    {"nomic-embed-text", "", {"search_query: ", "search_document: "}},
    {"modernbert-embed", "", {"search_query: ", "search_document: "}},
    {"embeddinggemma",
     "",
     {"task: search result | query: ", "title: none | text: "}},
    {"qwen3-embedding",
     "",
     {"Instruct: Given a web search query, retrieve relevant passages that "
      "answer the query\nQuery:",
      ""}},
};

}  // namespace

KnownModel KnownModelOf(const GgufFile& file) {
  for (const absl::string_view key : {"general.basename", "general.name"}) {
    const absl::StatusOr<absl::string_view> value = file.String(key);
    if (!value.ok()) continue;
    const std::string name = absl::StrReplaceAll(absl::AsciiStrToLower(*value),
                                                 {{" ", "-"}, {"_", "-"}});
    for (const Row& row : kRows) {
      if (absl::StrContains(name, row.name) &&
          absl::StrContains(name, row.also)) {
        return row.model;
      }
    }
  }
  return {};
}

}  // namespace corkscrew
