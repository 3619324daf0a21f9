#include "embed/token_vocabulary.h"

#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "corkscrew/embedder.h"
#include "embed/gguf.h"
#include "embed/token_trie.h"
#include "embed/tokenizer.h"
#include "embed/unicode_text.h"

namespace corkscrew {

absl::Status MalformedModel(const GgufFile& file, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(file.name(), ": ", what));
}

absl::StatusOr<bool> BoolOr(const GgufFile& file, absl::string_view key,
                            bool otherwise) {
  if (!file.Has(key)) return otherwise;
  return file.Bool(key);
}

absl::Status CheckTokens(const GgufFile& file,
                         const std::vector<absl::string_view>& tokens) {
  if (tokens.size() > kMaxVocabularySize) {
    return MalformedModel(
        file, absl::StrCat("has ", tokens.size(), " tokens, want at most ",
                           kMaxVocabularySize));
  }
  size_t bytes = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (!IsValidUtf8(tokens[i])) {
      return MalformedModel(file,
                            absl::StrCat("token ", i, " is not valid UTF-8"));
    }
    bytes += tokens[i].size();
  }
  if (bytes > kMaxVocabularyBytes) {
    return MalformedModel(
        file, absl::StrCat("has ", bytes, " bytes of tokens, want at most ",
                           kMaxVocabularyBytes));
  }
  return absl::OkStatus();
}

absl::StatusOr<TokenVocabulary> TokenVocabulary::Read(const GgufFile& file,
                                                      bool with_scores) {
  TokenVocabulary v;
  CORKSCREW_ASSIGN_OR_RETURN(
      v.tokens, RequiredKey(file.Strings("tokenizer.ggml.tokens")));
  CORKSCREW_RETURN_IF_ERROR(CheckTokens(file, v.tokens));
  for (size_t i = 0; i < v.tokens.size(); ++i) {
    if (v.tokens[i].size() > kMaxTokenBytes) {
      return MalformedModel(
          file, absl::StrCat("token ", i, " has ", v.tokens[i].size(),
                             " bytes, want at most ", kMaxTokenBytes));
    }
  }
  v.types.resize(v.tokens.size(), TokenType::kNormal);
  if (file.Has("tokenizer.ggml.token_type")) {
    CORKSCREW_ASSIGN_OR_RETURN(const std::vector<int64_t> types,
                               file.Ints("tokenizer.ggml.token_type"));
    if (types.size() != v.tokens.size()) {
      return MalformedModel(
          file, absl::StrCat("has ", types.size(), " token types for ",
                             v.tokens.size(), " tokens"));
    }
    for (size_t i = 0; i < types.size(); ++i) {
      // llama.cpp writes 0 for "undefined".
      if (types[i] < 0 || types[i] > 6) {
        return MalformedModel(file, absl::StrCat("token ", i, " has type ",
                                                 types[i], ", want 1 to 6"));
      }
      if (types[i] > 0) v.types[i] = static_cast<TokenType>(types[i]);
    }
  }
  if (!with_scores) return v;
  CORKSCREW_ASSIGN_OR_RETURN(v.scores,
                             RequiredKey(file.Floats("tokenizer.ggml.scores")));
  if (v.scores.size() != v.tokens.size()) {
    return MalformedModel(file,
                          absl::StrCat("has ", v.scores.size(), " scores for ",
                                       v.tokens.size(), " tokens"));
  }
  for (size_t i = 0; i < v.scores.size(); ++i) {
    if (!std::isfinite(v.scores[i])) {
      return MalformedModel(file, absl::StrCat("token ", i, " has score ",
                                               v.scores[i], ", want a number"));
    }
  }
  return v;
}

absl::StatusOr<std::optional<int32_t>> TokenVocabulary::Id(
    const GgufFile& file, absl::string_view key) const {
  if (!file.Has(key)) return std::optional<int32_t>();
  CORKSCREW_ASSIGN_OR_RETURN(const uint64_t id, file.Uint(key));
  if (id >= tokens.size()) {
    return MalformedModel(
        file, absl::StrCat("key \"", key, "\" is ", id, ", but there are only ",
                           tokens.size(), " tokens"));
  }
  return std::optional<int32_t>(static_cast<int32_t>(id));
}

TokenTrie TokenVocabulary::UserDefined() const {
  std::vector<std::pair<absl::string_view, int32_t>> found;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (types[i] == TokenType::kUserDefined) {
      found.emplace_back(tokens[i], static_cast<int32_t>(i));
    }
  }
  return TokenTrie(std::move(found));
}

bool TokenVocabulary::CrossesWords() const {
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (types[i] == TokenType::kControl ||
        types[i] == TokenType::kUserDefined) {
      continue;
    }
    absl::string_view rest = tokens[i];
    while (absl::ConsumePrefix(&rest, kSpaceMark)) {
    }
    if (absl::StrContains(rest, kSpaceMark)) return true;
  }
  return false;
}

void TokenVocabulary::Describe(TokenizerContent* content) const {
  content->strings = {tokens.begin(), tokens.end()};
  std::string bytes;
  for (const TokenType type : types) bytes.push_back(static_cast<char>(type));
  content->strings.push_back(std::move(bytes));
  if (scores.empty()) return;
  bytes.assign(scores.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), scores.data(), bytes.size());
  content->strings.push_back(std::move(bytes));
}

absl::StatusOr<SpecialTokens> SpecialTokens::Read(
    const GgufFile& file, const TokenVocabulary& vocabulary, bool add_first,
    bool add_last) {
  SpecialTokens specials;
  const auto find =
      [&](absl::string_view wanted, bool otherwise, absl::string_view key,
          absl::string_view other) -> absl::StatusOr<std::optional<int32_t>> {
    CORKSCREW_ASSIGN_OR_RETURN(const bool add, BoolOr(file, wanted, otherwise));
    if (!add) return std::optional<int32_t>();
    CORKSCREW_ASSIGN_OR_RETURN(std::optional<int32_t> id,
                               vocabulary.Id(file, key));
    if (!id) {
      CORKSCREW_ASSIGN_OR_RETURN(id, vocabulary.Id(file, other));
    }
    if (!id) {
      return MalformedModel(
          file, absl::StrCat("wants a token around each text (", wanted,
                             "), but has neither key \"", key, "\" nor \"",
                             other, "\""));
    }
    return id;
  };
  CORKSCREW_ASSIGN_OR_RETURN(
      specials.first,
      find("tokenizer.ggml.add_bos_token", add_first,
           "tokenizer.ggml.bos_token_id", "tokenizer.ggml.cls_token_id"));
  CORKSCREW_ASSIGN_OR_RETURN(
      specials.last,
      find("tokenizer.ggml.add_eos_token", add_last,
           "tokenizer.ggml.eos_token_id", "tokenizer.ggml.seperator_token_id"));
  return specials;
}

void SpecialTokens::Describe(TokenizerContent* content) const {
  if (first) {
    content->parameters.emplace_back("classify_id",
                                     static_cast<uint64_t>(*first));
  }
  if (last) {
    content->parameters.emplace_back("separator_id",
                                     static_cast<uint64_t>(*last));
  }
}

TokenSink::TokenSink(const SpecialTokens& specials, size_t max_tokens)
    : specials_(specials), most_(max_tokens - (specials.last ? 1 : 0)) {
  assert(max_tokens > 0 && max_tokens >= specials.size());
  if (specials.first) result_.tokens.push_back(*specials.first);
}

bool TokenSink::Add(int32_t id) {
  if (result_.tokens.size() >= most_) {
    result_.truncated = true;
    return false;
  }
  result_.tokens.push_back(id);
  return true;
}

TokenizedText TokenSink::Finish() && {
  if (specials_.last) result_.tokens.push_back(*specials_.last);
  return std::move(result_);
}

void ForEachFragment(
    absl::string_view text, const TokenTrie& user_defined, uint64_t* steps,
    absl::FunctionRef<bool(absl::string_view, int32_t)> visit) {
  size_t begin = 0;
  for (size_t i = 0; !user_defined.empty() && i < text.size();) {
    const TokenTrie::Match match =
        user_defined.FindLongest(text.substr(i), steps);
    if (match.id < 0) {
      ++i;
      continue;
    }
    if (begin < i && !visit(text.substr(begin, i - begin), -1)) return;
    if (!visit(text.substr(i, match.bytes), match.id)) return;
    i += match.bytes;
    begin = i;
  }
  if (begin < text.size()) visit(text.substr(begin), -1);
}

}  // namespace corkscrew
