// Tokenizes a text of one part, over and over, for tools/verify tokens, which
// counts instructions:
//   tokenizer_cost MODEL PART BYTES
// MODEL is a GGUF file, or a sealed .mll file; 0 bytes load the model alone.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "embed/gguf.h"
#include "embed/manta_embedder.h"
#include "embed/mll_file.h"
#include "embed/model_file.h"
#include "embed/tokenizer.h"

namespace {

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}

int Measure(const corkscrew::Tokenizer& tokenizer, absl::string_view part,
            size_t bytes) {
  std::string text;
  while (text.size() + part.size() <= bytes) absl::StrAppend(&text, part);
  uint64_t steps = 0;
  const size_t tokens =
      bytes == 0
          ? 0
          : tokenizer.Encode(text, size_t{1} << 30, &steps).tokens.size();
  std::printf("%zu bytes, %zu tokens, %llu steps\n", text.size(), tokens,
              static_cast<unsigned long long>(steps));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  size_t bytes = 0;
  if (argc != 4 || !absl::SimpleAtoi(argv[3], &bytes)) {
    std::fprintf(stderr, "usage: tokenizer_cost MODEL PART BYTES\n");
    return 2;
  }
  const absl::string_view path = argv[1];
  if (absl::EndsWith(path, ".mll")) {
    auto content = corkscrew::ReadModelFile(path);
    if (!content.ok()) return Fail(content.status());
    const auto file = corkscrew::MllFile::Parse(*std::move(content), path);
    if (!file.ok()) return Fail(file.status());
    const auto model = corkscrew::MantaEmbedder::Create(**file, {});
    if (!model.ok()) return Fail(model.status());
    return Measure((*model)->tokenizer(), argv[2], bytes);
  }
  const auto file = corkscrew::GgufFile::Open(path);
  if (!file.ok()) return Fail(file.status());
  const auto tokenizer = corkscrew::CreateTokenizer(**file, nullptr);
  if (!tokenizer.ok()) return Fail(tokenizer.status());
  return Measure(**tokenizer, argv[2], bytes);
}
