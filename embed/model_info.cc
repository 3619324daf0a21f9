#include "embed/model_info.h"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
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
#include "corkscrew/embedder.h"
#include "embed/architecture.h"
#include "embed/architecture_set.h"
#include "embed/blake3.h"
#include "embed/builtin_embedder.h"
#include "embed/ggml_types.h"
#include "embed/gguf.h"
#include "embed/gguf_in_mll.h"
#include "embed/manta_embedder.h"
#include "embed/mll_contents.h"
#include "embed/mll_file.h"
#include "embed/model_embedder.h"
#include "embed/model_parameters.h"
#include "embed/model_tensors.h"
#include "embed/tokenizer.h"

namespace corkscrew {
namespace {

// That of sealed `.mll` files, which is code.
constexpr absl::string_view kMantaArchitecture = "manta";

bool IsMll(absl::string_view bytes) {
  return absl::StartsWith(bytes, absl::string_view("MLL\0", 4));
}

std::string NameOf(MllType type) {
  constexpr absl::string_view kNames[] = {"?",   "I8",  "I16", "I32", "I64",
                                          "U8",  "U16", "U32", "U64", "F16",
                                          "F32", "F64", "Q4",  "Q8"};
  return std::string(kNames[static_cast<size_t>(type) % std::size(kNames)]);
}

std::string NameOf(Pooling pooling) {
  switch (pooling) {
    case Pooling::kMean:
      return "mean";
    case Pooling::kCls:
      return "cls";
    case Pooling::kLast:
      break;
  }
  return "last";
}

// Adds up tensors by type.
class KindCounter {
 public:
  void Add(const std::string& type, uint64_t parameters, uint64_t bytes) {
    TensorKind& kind = kinds_[type];
    kind.type = type;
    ++kind.tensors;
    kind.parameters += parameters;
    kind.bytes += bytes;
  }
  void Finish(ModelInfo* info) && {
    for (auto& [type, kind] : kinds_) {
      info->parameters += kind.parameters;
      info->kinds.push_back(std::move(kind));
    }
  }

 private:
  std::map<std::string, TensorKind> kinds_;
};

absl::Status DescribeGguf(const GgufFile& file, const EmbedderOptions& options,
                          ModelInfo* info,
                          std::shared_ptr<const Embedder>* embedder) {
  CORKSCREW_ASSIGN_OR_RETURN(const std::shared_ptr<const ModelEmbedder> model,
                             ModelEmbedder::Create(file, options));
  CORKSCREW_ASSIGN_OR_RETURN(const absl::string_view architecture,
                             file.String("general.architecture"));
  CORKSCREW_ASSIGN_OR_RETURN(
      const std::shared_ptr<const ArchitectureSet> architectures,
      ArchitectureSet::Read(options.architecture_directories));
  CORKSCREW_ASSIGN_OR_RETURN(const Architecture* graph,
                             architectures->Find(architecture));
  CORKSCREW_ASSIGN_OR_RETURN(const ModelParameters parameters,
                             ModelParameters::Read(file, *graph));
  TokenizerContent tokenizer;
  CORKSCREW_RETURN_IF_ERROR(
      CreateTokenizer(file, &tokenizer, graph->ends_with_eos).status());
  info->architecture = std::string(architecture);
  info->architecture_source = graph->source;
  if (const auto name = file.String("general.name"); name.ok()) {
    info->name = std::string(*name);
  }
  KindCounter kinds;
  for (const GgufTensor& tensor : file.tensors()) {
    kinds.Add(NameOf(tensor.type), tensor.row_values() * tensor.rows(),
              tensor.data.size());
  }
  std::move(kinds).Finish(info);
  info->layers = parameters.layers;
  info->context_length = parameters.context;
  info->tokenizer = tokenizer.name;
  info->vocabulary = model->tokenizer().vocabulary_size();
  info->pooling = NameOf(parameters.pooling);
  info->query_prompt = model->prompt(TextKind::kQuery);
  info->document_prompt = model->prompt(TextKind::kDocument);
  info->warnings.assign(model->warnings().begin(), model->warnings().end());
  *embedder = model;
  return absl::OkStatus();
}

absl::Status DescribeManta(const MllFile& file, const EmbedderOptions& options,
                           ModelInfo* info,
                           std::shared_ptr<const Embedder>* embedder) {
  CORKSCREW_ASSIGN_OR_RETURN(const std::shared_ptr<const MantaEmbedder> model,
                             MantaEmbedder::Create(file, options));
  CORKSCREW_ASSIGN_OR_RETURN(const MllContents contents,
                             MllContents::Read(file));
  info->architecture = std::string(kMantaArchitecture);
  info->name = std::string(contents.name);
  KindCounter kinds;
  for (const MllTensor& tensor : contents.tensors) {
    kinds.Add(NameOf(tensor.type), tensor.elements, tensor.data.size());
  }
  std::move(kinds).Finish(info);
  info->context_length = model->max_tokens();
  info->tokenizer = "mll-bpe";
  info->vocabulary = model->tokenizer().vocabulary_size();
  info->pooling = "mean_of_units";
  info->query_prompt = options.query_prompt.value_or("");
  info->document_prompt = options.document_prompt.value_or("");
  *embedder = model;
  return absl::OkStatus();
}

absl::Status DescribeMll(const MllFile& file, const EmbedderOptions& options,
                         ModelInfo* info,
                         std::shared_ptr<const Embedder>* embedder) {
  CORKSCREW_ASSIGN_OR_RETURN(const Blake3Digest hash, file.ContentHash());
  info->content_hash = absl::BytesToHexString(
      {reinterpret_cast<const char*>(hash.data()), hash.size()});
  info->is_signed = file.Find("SGNM") != nullptr;
  if (!HoldsGguf(file)) return DescribeManta(file, options, info, embedder);
  CORKSCREW_ASSIGN_OR_RETURN(const std::shared_ptr<const GgufFile> gguf,
                             GgufOfMll(file));
  return DescribeGguf(*gguf, options, info, embedder);
}

// What is malformed is damage to who asks whether a file is whole.
absl::Status AsDamage(const absl::Status& status) {
  return absl::IsInvalidArgument(status) ? absl::DataLossError(status.message())
                                         : status;
}

absl::Status CheckTensors(const GgufFile& file) {
  for (const GgufTensor& tensor : file.tensors()) {
    const std::string what =
        absl::StrCat(file.name(), ": tensor \"", tensor.name, "\"");
    if (!CanDequantize(tensor.type)) {
      return absl::UnimplementedError(
          absl::StrCat(what, " has type ", NameOf(tensor.type),
                       ", which can not be checked"));
    }
    if (!AllFinite(tensor)) {
      return absl::DataLossError(
          absl::StrCat(what, " has values that are NaN or infinite"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckTensors(const MllFile& file) {
  CORKSCREW_ASSIGN_OR_RETURN(const MllContents contents,
                             MllContents::Read(file));
  for (const MllTensor& tensor : contents.tensors) {
    if (tensor.type != MllType::kF32 && tensor.type != MllType::kF16) continue;
    GgufTensor as;
    as.type = tensor.type == MllType::kF32 ? GgmlType::kF32 : GgmlType::kF16;
    as.data = tensor.data;
    if (!AllFinite(as)) {
      return absl::DataLossError(
          absl::StrCat(file.name(), ": tensor \"", tensor.name,
                       "\" has values that are NaN or infinite"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ModelInfo> DescribeModel(
    const std::string& bytes, absl::string_view name,
    const EmbedderOptions& options, std::shared_ptr<const Embedder>* embedder) {
  ModelInfo info;
  info.bytes = bytes.size();
  if (IsMll(bytes)) {
    info.format = ".mll";
    CORKSCREW_ASSIGN_OR_RETURN(const std::shared_ptr<const MllFile> file,
                               MllFile::Parse(bytes, name));
    CORKSCREW_RETURN_IF_ERROR(DescribeMll(*file, options, &info, embedder));
  } else if (absl::StartsWith(bytes, "GGUF")) {
    info.format = "GGUF";
    CORKSCREW_ASSIGN_OR_RETURN(const std::shared_ptr<const GgufFile> file,
                               GgufFile::Parse(bytes, name));
    CORKSCREW_RETURN_IF_ERROR(DescribeGguf(*file, options, &info, embedder));
  } else {
    // A format that was added knows nothing but its embedder.
    info.format = "other";
    CORKSCREW_ASSIGN_OR_RETURN(*embedder,
                               LoadEmbedderFromBytes(bytes, name, options));
  }
  info.dim = (*embedder)->dim();
  info.max_tokens = (*embedder)->max_tokens();
  info.space = (*embedder)->space();
  return info;
}

ModelInfo DescribeBuiltinModel() {
  const std::shared_ptr<const Embedder> embedder = BuiltinEmbedder();
  ModelInfo info;
  info.format = "built in";
  info.architecture = "hashes of words";
  info.name = std::string(kBuiltinModel);
  info.dim = embedder->dim();
  info.max_tokens = embedder->max_tokens();
  info.pooling = "sum";
  info.space = embedder->space();
  info.warnings.emplace_back(
      "it knows nothing of meaning: for databases of the original "
      "CorkScrewDB, and for tests");
  return info;
}

absl::StatusOr<std::string> ArchitectureNameOf(const std::string& bytes,
                                               absl::string_view name) {
  std::shared_ptr<const GgufFile> gguf;
  if (IsMll(bytes)) {
    CORKSCREW_ASSIGN_OR_RETURN(const std::shared_ptr<const MllFile> file,
                               MllFile::Parse(bytes, name));
    if (!HoldsGguf(*file)) return std::string(kMantaArchitecture);
    CORKSCREW_ASSIGN_OR_RETURN(gguf, GgufOfMll(*file));
  } else if (absl::StartsWith(bytes, "GGUF")) {
    CORKSCREW_ASSIGN_OR_RETURN(gguf, GgufFile::Parse(bytes, name));
  } else {
    return absl::UnimplementedError(absl::StrCat(
        name, ": is neither GGUF nor .mll, which name their architectures"));
  }
  CORKSCREW_ASSIGN_OR_RETURN(const absl::string_view architecture,
                             gguf->String("general.architecture"));
  return std::string(architecture);
}

absl::Status CheckModel(const std::string& bytes, absl::string_view name,
                        absl::string_view public_key) {
  if (!IsMll(bytes)) {
    if (!public_key.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, ": is no .mll file: only these are signed"));
    }
    const auto file = GgufFile::Parse(bytes, name);
    CORKSCREW_RETURN_IF_ERROR(AsDamage(file.status()));
    return CheckTensors(**file);
  }
  const auto file = MllFile::Parse(bytes, name);
  CORKSCREW_RETURN_IF_ERROR(AsDamage(file.status()));
  if (!public_key.empty()) {
    CORKSCREW_RETURN_IF_ERROR(AsDamage((*file)->VerifySignature(public_key)));
  }
  CORKSCREW_RETURN_IF_ERROR(AsDamage(CheckTensors(**file)));
  if (!HoldsGguf(**file)) return absl::OkStatus();
  const auto gguf = GgufOfMll(**file);
  CORKSCREW_RETURN_IF_ERROR(AsDamage(gguf.status()));
  return CheckTensors(**gguf);
}

}  // namespace corkscrew
