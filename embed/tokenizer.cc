#include "embed/tokenizer.h"

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "embed/byte_bpe.h"
#include "embed/gguf.h"
#include "embed/sentencepiece_bpe.h"
#include "embed/token_vocabulary.h"
#include "embed/unigram.h"
#include "embed/wordpiece.h"

namespace corkscrew {

absl::StatusOr<std::unique_ptr<const Tokenizer>> CreateTokenizer(
    const GgufFile& file, TokenizerContent* content, bool ends_with_eos) {
  CORKSCREW_ASSIGN_OR_RETURN(const absl::string_view model,
                             RequiredKey(file.String("tokenizer.ggml.model")));
  if (model == "bert") {
    CORKSCREW_ASSIGN_OR_RETURN(auto tokenizer,
                               WordPieceTokenizer::Create(file));
    if (content != nullptr) tokenizer->Describe(file, content);
    return tokenizer;
  }
  if (model == "llama") return SentencePieceBpeTokenizer::Create(file, content);
  if (model == "t5") return UnigramTokenizer::Create(file, content);
  if (model == "gpt2") {
    return ByteBpeTokenizer::Create(file, content, ends_with_eos);
  }
  return absl::UnimplementedError(absl::StrCat(
      file.name(), ": key \"tokenizer.ggml.model\" is \"", model,
      "\", supported are \"bert\" (WordPiece), \"llama\" (SentencePiece BPE), "
      "\"t5\" (Unigram) and \"gpt2\" (byte-level BPE)"));
}

}  // namespace corkscrew
