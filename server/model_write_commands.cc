// corkscrew model convert | sign: new model files.

#include <cstddef>
#include <memory>
#include <ostream>
#include <string>
#include <utility>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/ed25519.h"
#include "base/file_system.h"
#include "base/status_macros.h"
#include "corkscrew/embedder.h"
#include "embed/convert_model.h"
#include "embed/mll_file.h"
#include "embed/mll_package.h"
#include "embed/mll_writer.h"
#include "embed/quantize_row.h"
#include "server/command.h"
#include "server/json_writer.h"
#include "server/model_key.h"
#include "server/table.h"
#include "server/text_display.h"

namespace corkscrew {
namespace {

struct Arguments {
  std::string source;
  std::string out;
  std::string type;
  std::string key;
  std::string key_id;
};

// Writes `bytes`, which are known to be a model, to the new file `path`.
absl::Status WriteModel(const std::string& path, absl::string_view bytes) {
  FileSystem& files = FileSystem::Real();
  if (files.Exists(path)) {
    return absl::AlreadyExistsError(absl::StrCat(
        "file \"", path, "\" exists: name another one or remove it first"));
  }
  return AtomicWriteFile(files, path, {bytes});
}

void Report(const std::string& path, size_t bytes, const std::string& space,
            CommandContext& context) {
  if (context.json) {
    JsonWriter json;
    json.BeginObject();
    json.Key("path").String(path);
    json.Key("bytes").Integer(bytes);
    json.Key("space").String(space);
    json.EndObject();
    context.console.out << json.text() << '\n';
    return;
  }
  context.console.out << "wrote " << Printable(path) << ", "
                      << HumanBytes(static_cast<double>(bytes)) << ", space "
                      << space << '\n';
}

absl::StatusOr<ExitCode> Convert(const Arguments& arguments,
                                 CommandContext& context) {
  ConvertOptions options;
  if (absl::EndsWith(arguments.out, ".mll")) {
    options.container = ModelContainer::kMll;
  } else if (!absl::EndsWith(arguments.out, ".gguf")) {
    return absl::InvalidArgumentError(
        absl::StrCat("file \"", arguments.out,
                     "\": want a name that ends in .gguf or .mll"));
  }
  if (!arguments.type.empty()) {
    CORKSCREW_ASSIGN_OR_RETURN(options.type,
                               QuantizedTypeCalled(arguments.type));
  }
  CORKSCREW_ASSIGN_OR_RETURN(std::string bytes,
                             ConvertModel(arguments.source, options));
  CORKSCREW_ASSIGN_OR_RETURN(const std::shared_ptr<const Embedder> embedder,
                             LoadEmbedderFromBytes(bytes, arguments.out));
  CORKSCREW_RETURN_IF_ERROR(WriteModel(arguments.out, bytes));
  Report(arguments.out, bytes.size(), embedder->space(), context);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Sign(const Arguments& arguments,
                              CommandContext& context) {
  CORKSCREW_ASSIGN_OR_RETURN(const std::string seed,
                             ReadPrivateKey(arguments.key));
  CORKSCREW_ASSIGN_OR_RETURN(std::string bytes,
                             ReadModelOrPackage(arguments.source));
  CORKSCREW_ASSIGN_OR_RETURN(
      const std::shared_ptr<const MllFile> file,
      MllFile::Parse(std::move(bytes), arguments.source));
  const std::string public_key = Ed25519PublicKey(seed);
  const std::string public_hex = absl::BytesToHexString(public_key);
  CORKSCREW_ASSIGN_OR_RETURN(
      const std::string signed_bytes,
      SignMll(*file, arguments.key_id.empty() ? public_hex : arguments.key_id,
              seed));
  CORKSCREW_RETURN_IF_ERROR(WriteModel(arguments.out, signed_bytes));
  if (context.json) {
    JsonWriter json;
    json.BeginObject();
    json.Key("path").String(arguments.out);
    json.Key("bytes").Integer(signed_bytes.size());
    json.Key("public_key").String(public_hex);
    json.EndObject();
    context.console.out << json.text() << '\n';
  } else {
    context.console.out << "wrote " << Printable(arguments.out)
                        << ", signed; public key " << public_hex << '\n';
  }
  return ExitCode::kOk;
}

void AddPaths(CLI::App& verb, Arguments& arguments, const char* source) {
  verb.add_option("SOURCE", arguments.source, source)
      ->type_name("")
      ->required();
  verb.add_option("OUT", arguments.out, "The new file; must not exist")
      ->type_name("")
      ->required();
}

}  // namespace

void AddModelWriteCommands(CLI::App& model, CommandContext& context) {
  const auto convert = std::make_shared<Arguments>();
  CLI::App& convert_verb = *model.add_subcommand(
      "convert", "Write a model as a GGUF or a sealed .mll file");
  AddPaths(convert_verb, *convert,
           "GGUF or .mll file, or a folder with config.json, tokenizer.json "
           "and model.safetensors");
  convert_verb
      .add_option("--type", convert->type,
                  "Type of the matrices: f32, f16, bf16, q8_0, q5_1, q5_0, "
                  "q4_1 or q4_0; default: as they are")
      ->type_name("TYPE");
  AddJson(convert_verb, context);
  convert_verb.footer(
      "The end of OUT says which: .gguf or .mll. Without --type the space "
      "stays "
      "the same.\n"
      "Example: corkscrew model convert all-MiniLM-L6-v2/ minilm.gguf --type "
      "q8_0");
  convert_verb.callback([&context, convert] {
    context.run = [&context, convert] { return Convert(*convert, context); };
  });

  const auto sign = std::make_shared<Arguments>();
  CLI::App& sign_verb =
      *model.add_subcommand("sign", "Sign a .mll file with an Ed25519 key");
  AddPaths(sign_verb, *sign, "A .mll file");
  sign_verb
      .add_option("--key", sign->key,
                  "Private key, mode 600: PEM, or 64 hexadecimal digits")
      ->type_name("FILE")
      ->required();
  sign_verb
      .add_option("--key-id", sign->key_id,
                  "Whose key it is; default: the public key")
      ->type_name("TEXT");
  AddJson(sign_verb, context);
  sign_verb.footer(
      "openssl genpkey -algorithm ed25519 -out key.pem makes a key,\n"
      "openssl pkey -in key.pem -pubout -out key.pub what model verify --key "
      "wants.");
  sign_verb.callback([&context, sign] {
    context.run = [&context, sign] { return Sign(*sign, context); };
  });
}

}  // namespace corkscrew
