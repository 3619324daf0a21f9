#include "embed/mll_package.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/cursor.h"
#include "base/file_system.h"
#include "base/status_macros.h"
#include "corkscrew/embedder.h"
#include "corkscrew/model_package.h"
#include "embed/json_text.h"
#include "embed/mll_contents.h"
#include "embed/mll_file.h"
#include "embed/mll_writer.h"
#include "embed/model_file.h"
#include "nlohmann/json.hpp"

namespace corkscrew {
namespace {

using Json = nlohmann::json;

// A file and what is in it.
struct Opened {
  std::shared_ptr<const MllFile> file;
  MllContents contents;
};

absl::StatusOr<Opened> Open(const std::string& bytes, absl::string_view name,
                            absl::string_view role) {
  Opened opened;
  CORKSCREW_ASSIGN_OR_RETURN(opened.file,
                             MllFile::Parse(bytes, absl::StrCat(name, role)));
  CORKSCREW_ASSIGN_OR_RETURN(opened.contents, MllContents::Read(*opened.file));
  return opened;
}

absl::Status Error(const Opened& opened, absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat(opened.file->name(), ": ", what));
}

// The JSON object in section `tag`; empty if there is none.
absl::StatusOr<Json> ReadJson(const Opened& opened, absl::string_view tag) {
  const MllSection* section = opened.file->Find(tag);
  if (section == nullptr) return Json::object();
  Json json = ParseJson(section->body);
  if (!json.is_object()) {
    return Error(opened,
                 absl::StrCat("section \"", tag, "\" is no JSON object"));
  }
  return json;
}

std::string String(absl::string_view text) { return std::string(text); }

// Metadata as the object that a sealed file has; "a.b" is b in the object a.
Json ManifestOf(const MllContents& contents) {
  Json manifest = Json::object();
  for (const auto& [key, value] : contents.metadata) {
    Json json;
    if (const auto* flag = std::get_if<bool>(&value)) json = *flag;
    if (const auto* number = std::get_if<int64_t>(&value)) json = *number;
    if (const auto* number = std::get_if<double>(&value)) json = *number;
    if (const auto* text = std::get_if<absl::string_view>(&value)) {
      json = String(*text);
    }
    const size_t dot = key.find('.');
    if (dot == absl::string_view::npos) {
      manifest[String(key)] = std::move(json);
      continue;
    }
    Json& inner = manifest[String(key.substr(0, dot))];
    if (!inner.is_object()) inner = Json::object();
    inner[String(key.substr(dot + 1))] = std::move(json);
  }
  return manifest;
}

absl::StatusOr<Json> TokenizerOf(const Opened& opened) {
  const MllSection* section = opened.file->Find("XTOK");
  if (section == nullptr) return Error(opened, "has no section \"XTOK\"");
  const std::vector<absl::string_view>& strings = opened.contents.strings;
  Cursor cursor(section->body);
  bool read = true;
  const auto number = [&] {
    uint32_t value = 0;
    read = read && cursor.ReadLittle(&value);
    return value;
  };
  const auto string = [&]() -> std::string {
    const uint32_t index = number();
    read = read && index < strings.size();
    return read ? String(strings[index]) : "";
  };
  const uint64_t tokens = number();
  const uint64_t merges = number();
  Json json = {{"pad_token", string()}};
  json["unknown_token"] = string();
  json["bos_token"] = string();
  json["eos_token"] = string();
  if (!read || cursor.remaining() != 4 * tokens + 8 * merges) {
    return Error(opened,
                 absl::StrCat("section \"XTOK\" of ", tokens, " tokens and ",
                              merges, " merges has another size"));
  }
  json["tokens"] = Json::array();
  json["merges"] = Json::array();
  for (uint64_t i = 0; i < tokens; ++i) json["tokens"].push_back(string());
  for (uint64_t i = 0; i < merges; ++i) {
    std::string left = string();
    json["merges"].push_back({{"left", std::move(left)}, {"right", string()}});
  }
  if (!read) {
    return Error(opened, "section \"XTOK\" names a string that is not there");
  }
  return json;
}

}  // namespace

absl::StatusOr<std::string> SealPackage(const ModelPackage& package,
                                        absl::string_view name) {
  CORKSCREW_ASSIGN_OR_RETURN(const Opened graph, Open(package.graph, name, ""));
  CORKSCREW_ASSIGN_OR_RETURN(
      const Opened embedding,
      Open(package.embedding, name, " (its .embedding.mll)"));
  CORKSCREW_ASSIGN_OR_RETURN(
      const Opened tokenizer,
      Open(package.tokenizer, name, " (its .tokenizer.mll)"));
  CORKSCREW_ASSIGN_OR_RETURN(
      const Opened weights, Open(package.weights, name, " (its .weights.mll)"));
  if (graph.file->profile() != MllProfile::kSealed ||
      graph.file->Find("XMTA") == nullptr) {
    return absl::UnimplementedError(absl::StrCat(
        graph.file->name(), ": is no model: has no section \"XMTA\""));
  }
  CORKSCREW_ASSIGN_OR_RETURN(Json model, ReadJson(graph, "XMTA"));
  CORKSCREW_ASSIGN_OR_RETURN(const Json numbers, ReadJson(weights, "XWGT"));
  CORKSCREW_ASSIGN_OR_RETURN(Json tokens, TokenizerOf(tokenizer));
  model["json_files"] = {{"embedding_manifest", ManifestOf(embedding.contents)},
                         {"tokenizer", std::move(tokens)}};
  for (const char* key : {"logical_tensor_dtypes", "tensor_scales"}) {
    if (numbers.contains(key)) model[key] = numbers[key];
  }

  std::vector<MllPart> parts = PartsOf(*graph.file);
  // A signature of the first file says nothing about the others.
  std::erase_if(parts, [](const MllPart& part) { return part.tag == "SGNM"; });
  MllStrings strings(graph.contents.strings);
  std::vector<MllTensorPart> tensors;
  for (const MllTensor& tensor : weights.contents.tensors) {
    tensors.push_back({.name = strings.Add(tensor.name),
                       .type = tensor.type,
                       .shape = tensor.shape,
                       .data = tensor.data});
  }
  FindPart(&parts, "TNSR")->body = MllTensorBody(tensors);
  FindPart(&parts, "STRG")->body = strings.Body();
  FindPart(&parts, "XMTA")->body = model.dump(-1, ' ', /*ensure_ascii=*/false,
                                              Json::error_handler_t::replace);
  return WriteMll(MllProfile::kSealed, std::move(parts));
}

absl::StatusOr<std::shared_ptr<const Embedder>> LoadEmbedderFromPackage(
    const ModelPackage& package, absl::string_view name,
    const EmbedderOptions& options) {
  CORKSCREW_ASSIGN_OR_RETURN(std::string bytes, SealPackage(package, name));
  return LoadEmbedderFromBytes(std::move(bytes), name, options);
}

absl::StatusOr<std::string> ReadModelOrPackage(absl::string_view path) {
  CORKSCREW_ASSIGN_OR_RETURN(std::string bytes, ReadModelFile(path));
  absl::string_view stem = path;
  FileSystem& files = FileSystem::Real();
  if (!absl::StartsWith(bytes, absl::string_view("MLL\0", 4)) ||
      !absl::ConsumeSuffix(&stem, ".mll") ||
      !files.Exists(absl::StrCat(stem, ".weights.mll"))) {
    return bytes;
  }
  {
    CORKSCREW_ASSIGN_OR_RETURN(const Opened graph, Open(bytes, path, ""));
    // A sealed file beside the files it was made of.
    if (!graph.contents.tensors.empty()) return bytes;
  }
  ModelPackage package;
  package.graph = std::move(bytes);
  CORKSCREW_ASSIGN_OR_RETURN(
      package.embedding, ReadModelFile(absl::StrCat(stem, ".embedding.mll")));
  CORKSCREW_ASSIGN_OR_RETURN(
      package.tokenizer, ReadModelFile(absl::StrCat(stem, ".tokenizer.mll")));
  CORKSCREW_ASSIGN_OR_RETURN(package.weights,
                             ReadModelFile(absl::StrCat(stem, ".weights.mll")));
  return SealPackage(package, path);
}

}  // namespace corkscrew
