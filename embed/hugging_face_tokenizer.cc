#include "embed/hugging_face_tokenizer.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "embed/gguf_writer.h"
#include "embed/json_text.h"
#include "embed/token_vocabulary.h"
#include "nlohmann/json.hpp"

namespace corkscrew {
namespace {

using Json = nlohmann::json;

constexpr absl::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581

const Json& Child(const Json& object, const char* key) {
  static const Json* const kNull = new Json();
  if (!object.is_object()) return *kNull;
  const auto found = object.find(key);
  return found == object.end() ? *kNull : *found;
}

std::string Text(const Json& object, const char* key) {
  const Json& value = Child(object, key);
  return value.is_string() ? value.get<std::string>() : "";
}

// Converts one tokenizer.json.
class TokenizerConverter {
 public:
  TokenizerConverter(const Json& json, absl::string_view name,
                     absl::string_view pre, GgufWriter* to)
      : json_(json), name_(name), pre_(pre), to_(*to) {}

  absl::Status Convert() {
    const Json& model = Child(json_, "model");
    const std::string type = Text(model, "type");
    if (type == "WordPiece") return WordPiece(model);
    if (type == "Unigram") return Unigram(model);
    const Json& fallback = Child(model, "byte_fallback");
    if (type == "BPE" && fallback.is_boolean() && fallback.get<bool>()) {
      return CharacterBpe(model);
    }
    if (type == "BPE") return ByteBpe(model);
    return absl::UnimplementedError(
        absl::StrCat(name_, ": is a tokenizer of type \"", type,
                     "\", supported are WordPiece, Unigram and BPE of bytes"));
  }

 private:
  absl::Status Error(absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(name_, ": ", what));
  }

  // Puts `token` at `id`, growing the vocabulary.
  absl::Status Put(const std::string& token, const Json& id, TokenType type) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= kMaxVocabularySize) {
      return Error(absl::StrCat("token \"", absl::CHexEscape(token),
                                "\" has no id below ", kMaxVocabularySize));
    }
    const auto index = id.get<size_t>();
    if (index >= tokens_.size()) {
      tokens_.resize(index + 1);
      types_.resize(index + 1, -1);
    }
    tokens_[index] = token;
    types_[index] = static_cast<int32_t>(type);
    ids_[token] = static_cast<uint32_t>(index);
    return absl::OkStatus();
  }

  absl::Status PutVocabulary(const Json& vocabulary) {
    if (!vocabulary.is_object() || vocabulary.empty()) {
      return Error("key \"model.vocab\": want an object of tokens");
    }
    for (const auto& [token, id] : vocabulary.items()) {
      CORKSCREW_RETURN_IF_ERROR(Put(token, id, TokenType::kNormal));
    }
    return absl::OkStatus();
  }

  absl::Status PutAdded() {
    const Json& added = Child(json_, "added_tokens");
    for (const Json& token : added) {
      const Json& special = Child(token, "special");
      const bool control = special.is_boolean() && special.get<bool>();
      CORKSCREW_RETURN_IF_ERROR(
          Put(Text(token, "content"), Child(token, "id"),
              control ? TokenType::kControl : TokenType::kUserDefined));
    }
    return absl::OkStatus();
  }

  absl::Status CheckWhole() const {
    for (size_t i = 0; i < tokens_.size(); ++i) {
      if (types_[i] < 0) {
        return Error(
            absl::StrCat("no token has the id ", i, " of ", tokens_.size()));
      }
    }
    return absl::OkStatus();
  }

  // The tokens before and after a text, "" for none.
  absl::StatusOr<std::pair<std::string, std::string>> Ends() const {
    const Json& post = Child(json_, "post_processor");
    const Json* found = nullptr;
    const auto look = [&](const Json& processor) {
      const std::string type = Text(processor, "type");
      if (type == "TemplateProcessing" || type == "BertProcessing" ||
          type == "RobertaProcessing") {
        found = &processor;
      }
    };
    look(post);
    for (const Json& processor : Child(post, "processors")) look(processor);
    std::pair<std::string, std::string> ends;
    if (found == nullptr) return ends;
    if (Text(*found, "type") != "TemplateProcessing") {
      const Json& first = Child(*found, "cls");
      const Json& last = Child(*found, "sep");
      if (!first.is_array() || first.empty() || !first[0].is_string() ||
          !last.is_array() || last.empty() || !last[0].is_string()) {
        return Error("key \"post_processor\": want tokens \"cls\" and \"sep\"");
      }
      return std::pair(first[0].get<std::string>(), last[0].get<std::string>());
    }
    bool behind = false;
    for (const Json& part : Child(*found, "single")) {
      if (part.is_object() && part.contains("Sequence")) {
        behind = true;
        continue;
      }
      const std::string token = Text(Child(part, "SpecialToken"), "id");
      std::string& end = behind ? ends.second : ends.first;
      if (token.empty() || !end.empty()) {
        return absl::UnimplementedError(
            absl::StrCat(name_, ": key \"post_processor\": supported is at ",
                         "most one special token on each side of a text"));
      }
      end = token;
    }
    return ends;
  }

  absl::Status PutId(absl::string_view key, const std::string& token) {
    const auto found = ids_.find(token);
    if (found == ids_.end()) {
      return Error(absl::StrCat("token \"", absl::CHexEscape(token),
                                "\" is not in the vocabulary"));
    }
    to_.Uint(absl::StrCat("tokenizer.ggml.", key), found->second);
    return absl::OkStatus();
  }

  void PutTokens(absl::string_view model, absl::string_view pre) {
    to_.String("tokenizer.ggml.model", model);
    to_.String("tokenizer.ggml.pre", pre);
    to_.Strings("tokenizer.ggml.tokens", tokens_);
    to_.Ints("tokenizer.ggml.token_type", types_);
  }

  // Keys of beginning and end for all but WordPiece.
  absl::Status PutEnds() {
    CORKSCREW_ASSIGN_OR_RETURN(const auto ends, Ends());
    to_.Bool("tokenizer.ggml.add_bos_token", !ends.first.empty());
    to_.Bool("tokenizer.ggml.add_eos_token", !ends.second.empty());
    if (!ends.first.empty()) {
      CORKSCREW_RETURN_IF_ERROR(PutId("bos_token_id", ends.first));
    }
    if (!ends.second.empty()) {
      CORKSCREW_RETURN_IF_ERROR(PutId("eos_token_id", ends.second));
    }
    return absl::OkStatus();
  }

  absl::Status WordPiece(const Json& model);
  absl::Status Unigram(const Json& model);
  absl::Status ReadUnigramNormalizer();
  absl::Status ByteBpe(const Json& model);
  absl::Status CharacterBpe(const Json& model);
  // The merges of `model`, each of two symbols.
  absl::StatusOr<std::vector<std::pair<std::string, std::string>>> Merges(
      const Json& model) const;

  const Json& json_;
  const absl::string_view name_;
  const absl::string_view pre_;
  GgufWriter& to_;
  std::vector<std::string> tokens_;
  std::vector<int32_t> types_;  // -1: no token yet.
  std::map<std::string, uint32_t> ids_;
};

absl::Status TokenizerConverter::WordPiece(const Json& model) {
  const std::string prefix = Text(model, "continuing_subword_prefix");
  const Json& most = Child(model, "max_input_chars_per_word");
  if (prefix != "##" || (most.is_number() && most != 100)) {
    return absl::UnimplementedError(absl::StrCat(
        name_,
        ": supported is WordPiece with \"##\" before continuations and "
        "words of at most 100 characters"));
  }
  const Json& normalizer = Child(json_, "normalizer");
  if (Text(normalizer, "type") != "BertNormalizer") {
    return absl::UnimplementedError(absl::StrCat(
        name_, ": key \"normalizer\" is of type \"", Text(normalizer, "type"),
        "\", supported is \"BertNormalizer\""));
  }
  CORKSCREW_RETURN_IF_ERROR(PutVocabulary(Child(model, "vocab")));
  CORKSCREW_RETURN_IF_ERROR(PutAdded());
  CORKSCREW_RETURN_IF_ERROR(CheckWhole());
  CORKSCREW_ASSIGN_OR_RETURN(const auto ends, Ends());
  if (ends.first.empty() || ends.second.empty()) {
    return Error("key \"post_processor\": want a token on each side of a text");
  }
  CORKSCREW_RETURN_IF_ERROR(PutId("cls_token_id", ends.first));
  CORKSCREW_RETURN_IF_ERROR(PutId("seperator_token_id", ends.second));
  CORKSCREW_RETURN_IF_ERROR(
      PutId("unknown_token_id", Text(model, "unk_token")));
  // Word starts are marked instead of continuations.
  for (std::string& token : tokens_) {
    if (absl::StartsWith(token, "[") && absl::EndsWith(token, "]") &&
        token.size() > 1) {
      continue;
    }
    token = absl::StartsWith(token, "##") && token.size() > 2
                ? token.substr(2)
                : absl::StrCat(kSpaceMark, token);
  }
  const Json& lowercase = Child(normalizer, "lowercase");
  const Json& strip = Child(normalizer, "strip_accents");
  const bool lower = !lowercase.is_boolean() || lowercase.get<bool>();
  to_.Bool("tokenizer.ggml.normalizer.lowercase", lower);
  to_.Bool("tokenizer.ggml.normalizer.strip_accents",
           strip.is_boolean() ? strip.get<bool>() : lower);
  PutTokens("bert", "bert");
  return absl::OkStatus();
}

absl::Status TokenizerConverter::ReadUnigramNormalizer() {
  std::string charsmap;
  const auto look = [&](const Json& normalizer) {
    if (Text(normalizer, "type") != "Precompiled") return true;
    std::string bytes;
    if (!absl::Base64Unescape(Text(normalizer, "precompiled_charsmap"),
                              &bytes)) {
      return false;
    }
    charsmap = std::move(bytes);
    return true;
  };
  const Json& normalizer = Child(json_, "normalizer");
  bool read = look(normalizer);
  for (const Json& inner : Child(normalizer, "normalizers")) {
    read = read && look(inner);
  }
  if (!read) return Error("key \"precompiled_charsmap\" is no Base64");
  if (!charsmap.empty()) {
    to_.Bytes("tokenizer.ggml.precompiled_charsmap", charsmap);
  }
  return absl::OkStatus();
}

absl::Status TokenizerConverter::Unigram(const Json& model) {
  const Json& vocabulary = Child(model, "vocab");
  std::vector<float> scores;
  for (const Json& entry : vocabulary) {
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() ||
        !entry[1].is_number()) {
      return Error(absl::StrCat("entry ", tokens_.size(),
                                " of \"model.vocab\": want [token, score]"));
    }
    const Json id = tokens_.size();
    CORKSCREW_RETURN_IF_ERROR(
        Put(entry[0].get<std::string>(), id, TokenType::kNormal));
    scores.push_back(entry[1].get<float>());
  }
  CORKSCREW_RETURN_IF_ERROR(PutAdded());
  CORKSCREW_RETURN_IF_ERROR(CheckWhole());
  scores.resize(tokens_.size());
  const Json& unknown = Child(model, "unk_id");
  if (!unknown.is_number_unsigned() ||
      unknown.get<uint64_t>() >= tokens_.size()) {
    return Error("key \"model.unk_id\" is no token");
  }
  const auto unknown_id = unknown.get<uint32_t>();
  types_[unknown_id] = static_cast<int32_t>(TokenType::kUnknown);
  to_.Uint("tokenizer.ggml.unknown_token_id", unknown_id);
  CORKSCREW_RETURN_IF_ERROR(ReadUnigramNormalizer());
  CORKSCREW_RETURN_IF_ERROR(PutEnds());
  to_.Bool("tokenizer.ggml.add_space_prefix", true);
  to_.Bool("tokenizer.ggml.remove_extra_whitespaces", true);
  to_.Floats("tokenizer.ggml.scores", scores);
  PutTokens("t5", "default");
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::pair<std::string, std::string>>>
TokenizerConverter::Merges(const Json& model) const {
  std::vector<std::pair<std::string, std::string>> merges;
  for (const Json& merge : Child(model, "merges")) {
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
        merge[1].is_string()) {
      merges.emplace_back(merge[0].get<std::string>(),
                          merge[1].get<std::string>());
      continue;
    }
    const std::string text = merge.is_string() ? merge.get<std::string>() : "";
    const size_t space = text.find(' ');
    if (space == std::string::npos) {
      return Error(absl::StrCat("entry ", merges.size(),
                                " of \"model.merges\": want two symbols"));
    }
    merges.emplace_back(text.substr(0, space), text.substr(space + 1));
  }
  return merges;
}

absl::Status TokenizerConverter::ByteBpe(const Json& model) {
  if (pre_.empty()) {
    return absl::UnimplementedError(absl::StrCat(
        name_, ": is BPE of bytes, which models of this type do not have"));
  }
  CORKSCREW_RETURN_IF_ERROR(PutVocabulary(Child(model, "vocab")));
  CORKSCREW_RETURN_IF_ERROR(PutAdded());
  CORKSCREW_RETURN_IF_ERROR(CheckWhole());
  CORKSCREW_ASSIGN_OR_RETURN(const auto pairs, Merges(model));
  std::vector<std::string> merges;
  merges.reserve(pairs.size());
  for (const auto& [left, right] : pairs) {
    merges.push_back(absl::StrCat(left, " ", right));
  }
  CORKSCREW_RETURN_IF_ERROR(PutEnds());
  to_.Strings("tokenizer.ggml.merges", merges);
  PutTokens("gpt2", pre_);
  return absl::OkStatus();
}

// SentencePiece BPE, written with merges instead of scores: the pair whose
// token has the best score is merged first, so that the score of a token is
// the place of the first merge that makes it.
absl::Status TokenizerConverter::CharacterBpe(const Json& model) {
  const Json& normalizer = Child(json_, "normalizer");
  if (Text(normalizer, "type") != "Replace" ||
      Text(Child(normalizer, "pattern"), "String") != " " ||
      Text(normalizer, "content") != kSpaceMark) {
    return absl::UnimplementedError(absl::StrCat(
        name_,
        ": is BPE of characters, supported with a \"normalizer\" that "
        "replaces \" \" by U+2581 and does nothing else"));
  }
  CORKSCREW_RETURN_IF_ERROR(PutVocabulary(Child(model, "vocab")));
  CORKSCREW_RETURN_IF_ERROR(PutAdded());
  CORKSCREW_RETURN_IF_ERROR(CheckWhole());
  const auto unknown = ids_.find(Text(model, "unk_token"));
  if (unknown == ids_.end())
    return Error("key \"model.unk_token\" is no token");
  types_[unknown->second] = static_cast<int32_t>(TokenType::kUnknown);
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const std::string& token = tokens_[i];
    if (token.size() == 6 && absl::StartsWith(token, "<0x") &&
        token[5] == '>') {
      types_[i] = static_cast<int32_t>(TokenType::kByte);
    }
  }
  CORKSCREW_ASSIGN_OR_RETURN(const auto merges, Merges(model));
  // Characters alone are never the better choice.
  std::vector<float> scores(tokens_.size(),
                            -static_cast<float>(merges.size()) - 1);
  std::vector<bool> scored(tokens_.size());
  for (size_t i = 0; i < merges.size(); ++i) {
    const auto made = ids_.find(merges[i].first + merges[i].second);
    if (made == ids_.end()) {
      return Error(
          absl::StrCat("entry ", i, " of \"model.merges\" makes no token"));
    }
    if (scored[made->second]) continue;
    scored[made->second] = true;
    scores[made->second] = -static_cast<float>(i);
  }
  to_.Uint("tokenizer.ggml.unknown_token_id", unknown->second);
  CORKSCREW_RETURN_IF_ERROR(PutEnds());
  to_.Bool("tokenizer.ggml.add_space_prefix", false);
  to_.Floats("tokenizer.ggml.scores", scores);
  PutTokens("llama", "default");
  return absl::OkStatus();
}

}  // namespace

absl::Status ConvertTokenizer(absl::string_view json, absl::string_view name,
                              absl::string_view pre, GgufWriter* to) {
  const Json parsed = ParseJson(json);
  if (!parsed.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": is no JSON object"));
  }
  return TokenizerConverter(parsed, name, pre, to).Convert();
}

}  // namespace corkscrew
