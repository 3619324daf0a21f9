// corkscrew encode: canonical quantizer records of the vectors in a .npy file.

#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <istream>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "corkscrew/collection.h"
#include "corkscrew/quantizer.h"
#include "server/command.h"
#include "server/json_writer.h"
#include "server/npy_reader.h"
#include "server/progress.h"
#include "server/table.h"

namespace corkscrew {
namespace {

struct Arguments {
  QuantizerParams params;
  std::string mode = "mse";
  std::string input;
  std::string output;
};

void AppendLittle(float value, std::string& bytes) {
  const auto bits = std::bit_cast<uint32_t>(value);
  for (int shift = 0; shift < 32; shift += 8) {
    bytes.push_back(static_cast<char>((bits >> shift) & 0xFF));
  }
}

// Writes one canonical record per row (TQ specification 2.11, 2.12): the code
// (with mode ip its sketch too), norm32, then scale32 or gamma32.
absl::Status EncodeRows(const Quantizer& quantizer, NpyReader& reader,
                        std::ostream& out, Progress& progress) {
  const NpyHeader& header = reader.header();
  std::vector<float> row(header.dim);
  std::vector<uint8_t> code(quantizer.code_bytes());
  std::string record;
  for (uint64_t i = 0; i < header.rows; ++i) {
    CORKSCREW_RETURN_IF_ERROR(reader.ReadRow(absl::MakeSpan(row)));
    CodeScalars scalars;
    const absl::Status encoded =
        quantizer.Encode(row, absl::MakeSpan(code), &scalars);
    if (!encoded.ok()) {
      return absl::Status(encoded.code(),
                          absl::StrCat("row ", i, ": ", encoded.message()));
    }
    record.assign(code.begin(), code.end());
    AppendLittle(scalars.norm, record);
    AppendLittle(scalars.scale, record);
    out.write(record.data(), static_cast<std::streamsize>(record.size()));
    progress.Update(i + 1, (i + 1) * header.dim * header.value_bytes);
  }
  return absl::OkStatus();
}

absl::StatusOr<ExitCode> Encode(const Arguments& arguments,
                                CommandContext& context) {
  std::unique_ptr<std::istream> owner;
  CORKSCREW_ASSIGN_OR_RETURN(std::istream * in,
                             OpenInput(arguments.input, context, owner));
  CORKSCREW_ASSIGN_OR_RETURN(NpyReader reader, NpyReader::Open(*in));
  QuantizerParams params = arguments.params;
  params.dim = reader.header().dim;
  params.mode =
      arguments.mode == "ip" ? QuantizerMode::kIp : QuantizerMode::kMse;
  CORKSCREW_ASSIGN_OR_RETURN(const Quantizer quantizer,
                             Quantizer::Create(params));

  // Written beside and renamed: OUT is either whole or not there.
  const std::string partial = absl::StrCat(arguments.output, ".partial");
  errno = 0;
  std::ofstream out(partial, std::ios::binary | std::ios::trunc);
  if (!out.is_open()) {
    return absl::ErrnoToStatus(errno != 0 ? errno : EIO,
                               absl::StrCat("file \"", partial, "\""));
  }
  absl::Cleanup remove = [&partial] { std::remove(partial.c_str()); };
  // A hostile header may claim any number of rows; the total is only shown.
  Progress progress(
      context.console, "encode", "vectors",
      reader.header().rows * reader.header().dim * reader.header().value_bytes,
      context.system.now);
  CORKSCREW_RETURN_IF_ERROR(EncodeRows(quantizer, reader, out, progress));
  out.close();
  if (out.fail() ||
      std::rename(partial.c_str(), arguments.output.c_str()) != 0) {
    return absl::ErrnoToStatus(
        errno != 0 ? errno : EIO,
        absl::StrCat("writing file \"", arguments.output, "\""));
  }
  std::move(remove).Cancel();
  progress.Finish(reader.header().rows);
  const size_t record_bytes = quantizer.code_bytes() + 2 * sizeof(float);
  if (context.json) {
    JsonWriter json;
    json.BeginObject().Key("vectors").Integer(reader.header().rows);
    json.Key("dim").Integer(reader.header().dim);
    json.Key("record_bytes").Integer(record_bytes).EndObject();
    context.console.out << json.text() << '\n';
  } else {
    context.console.out << HumanCount(reader.header().rows) << " records of "
                        << record_bytes << " bytes in " << arguments.output
                        << '\n';
  }
  return ExitCode::kOk;
}

}  // namespace

void AddEncodeCommand(CLI::App& app, CommandContext& context) {
  const auto arguments = std::make_shared<Arguments>();
  QuantizerParams& params = arguments->params;
  params.seed = kDefaultSeed;
  CLI::App& verb = *app.add_subcommand(
      "encode", "Quantize the vectors of a .npy file to canonical records");
  verb.add_option("--bits", params.bits, "Bits per coordinate, 1-8")
      ->type_name("B")
      ->capture_default_str()
      ->check(CLI::Range(1, 8).description(""));
  verb.add_option("--seed", params.seed, "Seed of the rotation, decimal")
      ->type_name("S")
      ->capture_default_str()
      ->check(Decimal());
  verb.add_option("--mode", arguments->mode, "mse or ip")
      ->type_name("MODE")
      ->capture_default_str()
      ->check(CLI::IsMember({"mse", "ip"}).description(""));
  verb.add_option("--codebook", params.codebook,
                  "1 Lloyd-Max or 2 uniform; default 2 for 8 bits mse, else 1")
      ->type_name("C")
      ->check(CLI::Range(1, 2).description(""));
  verb.add_option("IN.npy", arguments->input,
                  "float32 or float64, C order, shape (n, dim) or (dim,)")
      ->type_name("")
      ->required();
  verb.add_option("OUT.bin", arguments->output,
                  "The records, one after another: code, norm, scale")
      ->type_name("")
      ->required();
  AddJson(verb, context);
  verb.footer(
      "Example: corkscrew encode --bits 4 --seed 1 vectors.npy codes.bin");
  verb.callback([&context, arguments] {
    context.run = [&context, arguments] { return Encode(*arguments, context); };
  });
}

}  // namespace corkscrew
