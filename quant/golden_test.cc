// The golden vectors of the TQ specification (docs/quantizer.md, 2.19): the
// reference of these tests and the library must both give every value in them.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/testing.h"
#include "corkscrew/metric.h"
#include "corkscrew/quantizer.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "quant/codebook.h"
#include "quant/packing.h"
#include "quant/reference_quantizer.h"
#include "quant/rescore.h"
#include "quant/rotation.h"
#include "quant/splitmix.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::StatusIs;
using ::nlohmann::json;
using ::testing::_;

const json& Golden() {
  static const json* const golden = [] {
    std::ifstream file(CORKSCREW_SOURCE_DIR "/tests/testdata/tq/golden.json");
    return new json(json::parse(file));
  }();
  return *golden;
}

uint64_t U64(const json& value) {
  if (value.is_number()) return value.get<uint64_t>();
  return std::strtoull(value.get<std::string>().c_str(), nullptr, 16);
}

double F64(const json& value) {
  return std::strtod(value.get<std::string>().c_str(), nullptr);
}

float F32(const json& value) {
  return std::strtof(value.get<std::string>().c_str(), nullptr);
}

std::string Hex(absl::Span<const uint8_t> bytes) {
  return absl::BytesToHexString(absl::string_view(
      reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

// IEEE CRC-32 of the little-endian bytes of `values`, in hexadecimal.
template <typename T>
std::string Crc(const std::vector<T>& values) {
  uint32_t crc = ~uint32_t{0};
  for (const T value : values) {
    uint8_t bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    for (const uint8_t byte : bytes) {
      crc ^= byte;
      for (int i = 0; i < 8; ++i) {
        crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320 : 0);
      }
    }
  }
  return absl::StrCat(absl::Hex(~crc, absl::kZeroPad8));
}

template <typename T>
std::vector<T> Head(const std::vector<T>& values, const json& first) {
  EXPECT_LE(first.size(), values.size());
  return {values.begin(), values.begin() + first.size()};
}

// The input kinds of section 2.19; all are exact in float.
std::vector<float> Input(const json& input, size_t dim) {
  const std::string kind = input["kind"];
  std::vector<float> x(dim, 0.0f);
  if (kind == "ih4" || kind == "decay") {
    SplitMix64 random(U64(input["seed"]));
    for (size_t i = 0; i < dim; ++i) {
      const uint64_t word = random.Next();
      int64_t sum = -131070;
      for (int part = 0; part < 64; part += 16) {
        sum += static_cast<int64_t>((word >> part) & 0xFFFF);
      }
      int exponent = -16;
      if (input.contains("exp")) exponent += input["exp"].get<int>();
      if (kind == "decay") {
        const size_t step = input["step"];
        exponent -= static_cast<int>(std::min<size_t>(i / step, 40));
      }
      x[i] = std::ldexp(static_cast<float>(sum), exponent);
    }
  } else if (kind == "ramp") {
    for (size_t i = 0; i < dim; ++i) {
      x[i] = (static_cast<float>(7 * i % 23) - 11.0f) / 2;
    }
  } else if (kind == "const") {
    x.assign(dim, input["value"].get<float>());
  } else if (kind == "onehot") {
    x[input["index"].get<size_t>()] = input["value"].get<float>();
  } else if (kind == "values") {
    x = input["values"].get<std::vector<float>>();
  } else if (kind != "zeros") {
    ADD_FAILURE() << "unknown input kind " << kind;
  }
  return x;
}

QuantizerParams Params(const json& cell) {
  return {
      .dim = cell["dim"],
      .mode = cell["mode"] == "ip" ? QuantizerMode::kIp : QuantizerMode::kMse,
      .bits = cell["bits"],
      .codebook = cell["codebook"],
      .seed = U64(cell["seed"])};
}

std::string Name(const json& cell) {
  return absl::StrCat(
      "dim ", cell["dim"].get<int>(), ", ", cell["mode"].get<std::string>(),
      ", bits ", cell["bits"].get<int>(), ", codebook ",
      cell["codebook"].get<int>(), ", seed ", cell["seed"].get<std::string>());
}

TEST(GoldenBasicsTest, RandomNumbersAreTheGoldenOnes) {
  const json& basics = Golden()["basics"];
  for (const auto& [seed, outputs] : basics["splitmix64"].items()) {
    SplitMix64 random(std::strtoull(seed.c_str(), nullptr, 0));
    reference::Generator plain{std::strtoull(seed.c_str(), nullptr, 0)};
    for (const json& output : outputs) {
      EXPECT_EQ(random.Next(), U64(output)) << "seed " << seed;
      EXPECT_EQ(plain.Next(), U64(output)) << "seed " << seed;
    }
  }
  for (const json& row : basics["bounded"]) {
    SplitMix64 random(U64(row["seed"]));
    reference::Generator plain{U64(row["seed"])};
    for (const json& value : row["first"]) {
      EXPECT_EQ(random.Bounded(row["n"]), value.get<uint32_t>()) << row["n"];
      EXPECT_EQ(plain.Bounded(row["n"]), value.get<uint64_t>()) << row["n"];
    }
  }
}

TEST(GoldenBasicsTest, DerivedSeedsAreTheGoldenOnes) {
  for (const json& row : Golden()["basics"]["derive"]) {
    const std::string tag = row["tag"];
    uint64_t tag_word;
    ASSERT_EQ(tag.size(), sizeof(tag_word));
    std::memcpy(&tag_word, tag.data(), sizeof(tag_word));
    EXPECT_EQ(DeriveSeed(U64(row["seed"]), SeedTag{tag_word}, row["dim"],
                         row["round"]),
              U64(row["value"]));
    EXPECT_EQ(
        reference::Derive(U64(row["seed"]), tag, row["dim"], row["round"]),
        U64(row["value"]));
  }
}

TEST(GoldenBasicsTest, PermutationsSignsAndBlocksAreTheGoldenOnes) {
  const json& basics = Golden()["basics"];
  for (const json& row : basics["perm"]) {
    const auto p = reference::Permutation(U64(row["seed"]), row["tag"],
                                          row["dim"], row["round"]);
    EXPECT_EQ(Head(p, row["first"]), row["first"].get<std::vector<int32_t>>());
    EXPECT_EQ(Crc(p), row["crc32"]);
  }
  for (const json& row : basics["signs"]) {
    const auto s = reference::Signs(U64(row["seed"]), row["tag"], row["dim"],
                                    row["round"]);
    EXPECT_EQ(Head(s, row["first"]), row["first"].get<std::vector<int32_t>>());
    EXPECT_EQ(Crc(std::vector<int8_t>(s.begin(), s.end())), row["crc32"]);
  }
  for (const json& row : basics["blocks"]) {
    const Rotation rotation(row["dim"], 0, RotationKind::kMain);
    const auto want = row["blocks"].get<std::vector<size_t>>();
    EXPECT_EQ(
        std::vector<size_t>(rotation.blocks().begin(), rotation.blocks().end()),
        want);
    EXPECT_EQ(reference::Blocks(row["dim"]), want);
    EXPECT_EQ(rotation.rounds(), row["rounds"].get<size_t>());
    EXPECT_EQ(reference::Rounds(row["dim"]), row["rounds"].get<size_t>());
  }
}

TEST(GoldenBasicsTest, CodebooksAndThresholdsAreTheGoldenOnes) {
  const json& basics = Golden()["basics"];
  for (const json& row : basics["codebooks"]) {
    const Codebook codebook = MakeCodebook(row["codebook"], row["bits"]);
    const auto positive = row["positive"].get<std::vector<int16_t>>();
    ASSERT_EQ(codebook.levels.size(), 2 * positive.size());
    for (size_t i = 0; i < positive.size(); ++i) {
      EXPECT_EQ(codebook.levels[positive.size() + i], positive[i]);
      EXPECT_EQ(codebook.levels[positive.size() - 1 - i], -positive[i]);
    }
    EXPECT_EQ(codebook.unit, row["U"].get<int64_t>());
  }
  for (const json& row : basics["thresholds"]) {
    const size_t dim = row["dim"];
    const Codebook codebook = MakeCodebook(row["codebook"], row["bits"]);
    const std::vector<int32_t> thresholds = Thresholds(codebook, dim);
    if (row.contains("T")) {
      EXPECT_EQ(thresholds, row["T"].get<std::vector<int32_t>>());
    }
    EXPECT_EQ(Crc(thresholds), row["T_crc32"]);
    EXPECT_EQ(Crc(FixedPointLevels(codebook, dim)), row["L_crc32"]);
    const reference::Quantizer plain(
        {.dim = dim, .bits = row["bits"], .codebook = row["codebook"]});
    EXPECT_EQ(plain.thresholds(), thresholds);
    EXPECT_EQ(plain.levels(), FixedPointLevels(codebook, dim));
    for (const json& sample : row["index"]) {
      EXPECT_EQ(plain.Index(sample["v"]), sample["k"].get<int>());
    }
  }
}

TEST(GoldenBasicsTest, PackedBytesAreTheGoldenOnes) {
  for (const json& row : Golden()["basics"]["pack"]) {
    const auto values = row["indices"].get<std::vector<uint8_t>>();
    const int bits = row["bits"];
    std::vector<uint8_t> packed(PackedBytes(values.size(), bits));
    PackBits(values, bits, absl::MakeSpan(packed));
    EXPECT_EQ(Hex(packed), row["bytes"]);
    EXPECT_EQ(Hex(reference::Pack(values, bits)), row["bytes"]);
    std::vector<uint8_t> unpacked(values.size());
    UnpackBits(packed, bits, absl::MakeSpan(unpacked));
    EXPECT_EQ(unpacked, values);
  }
}

TEST(GoldenBasicsTest, NullVectorsHaveTheMiddleCodeAndNoLength) {
  for (const json& row : Golden()["basics"]["null"]) {
    const auto x = row["values"].get<std::vector<float>>();
    for (int bits = 1; bits <= 8; ++bits) {
      const auto quantizer = Quantizer::Create({.dim = x.size(), .bits = bits});
      ASSERT_THAT(quantizer, IsOk());
      std::vector<uint8_t> code(quantizer->code_bytes());
      CodeScalars scalars{.norm = 1, .scale = 1};
      ASSERT_THAT(quantizer->Encode(x, absl::MakeSpan(code), &scalars), IsOk());
      EXPECT_EQ(scalars.norm, 0);
      EXPECT_EQ(scalars.scale, 0);
      const std::vector<uint8_t> middle(x.size(),
                                        static_cast<uint8_t>(1 << (bits - 1)));
      EXPECT_EQ(code, reference::Pack(middle, bits)) << row["why"];
    }
  }
}

TEST(GoldenBasicsTest, VectorsThatAreNotFiniteOrTooLongAreRejected) {
  const auto quantizer = Quantizer::Create({.dim = 2});
  ASSERT_THAT(quantizer, IsOk());
  constexpr float kInf = std::numeric_limits<float>::infinity();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  for (const std::vector<float>& x : std::vector<std::vector<float>>{
           {0, kNan}, {kInf, 1}, {1, -kInf}, {0x1p60f, 0x1p60f}}) {
    std::vector<uint8_t> code(quantizer->code_bytes());
    CodeScalars scalars;
    EXPECT_THAT(quantizer->Encode(x, absl::MakeSpan(code), &scalars),
                StatusIs(absl::StatusCode::kInvalidArgument, _));
    EXPECT_THAT(quantizer->Prepare(x),
                StatusIs(absl::StatusCode::kInvalidArgument, _));
    reference::Record record;
    EXPECT_FALSE(reference::Quantizer(quantizer->params()).Encode(x, &record));
  }
}

// Expects that `got` starts with vector["first"] and has its checksum.
void ExpectFloats(const std::vector<float>& got, const json& want) {
  for (size_t i = 0; i < want["first"].size(); ++i) {
    EXPECT_EQ(got[i], F32(want["first"][i])) << i;
  }
  EXPECT_EQ(Crc(got), want["crc32"]);
}

void ExpectQuery(const reference::Query& s8, const reference::Query& s6,
                 const json& want) {
  EXPECT_EQ(s8.norm, F64(want["norm64"]));
  EXPECT_EQ(s8.largest, want["m"].get<int64_t>());
  EXPECT_EQ(s8.dot_unit, F32(want["sq"]));
  EXPECT_EQ(s8.cosine_unit, F32(want["sqc"]));
  EXPECT_EQ(s6.dot_unit, F32(want["sq6"]));
  EXPECT_EQ(Head(s8.grid, want["q8_first"]),
            want["q8_first"].get<std::vector<int32_t>>());
  const auto bytes = [](const std::vector<int32_t>& grid) {
    return std::vector<int8_t>(grid.begin(), grid.end());
  };
  EXPECT_EQ(Crc(bytes(s8.grid)), want["q8_crc32"]);
  EXPECT_EQ(Crc(bytes(s6.grid)), want["q6_crc32"]);
  if (want.contains("m2")) {
    EXPECT_EQ(s8.sketch_largest, want["m2"].get<int64_t>());
    EXPECT_EQ(s8.sketch_unit, F32(want["sq2"]));
    EXPECT_EQ(Crc(bytes(s8.sketch_grid)), want["q2_crc32"]);
  }
}

void ExpectRecord(const reference::Record& record, const json& want) {
  EXPECT_EQ(record.norm64, F64(want["norm64"]));
  EXPECT_EQ(record.scalars.norm, F32(want["norm"]));
  EXPECT_EQ(Head(record.fixed, want["fixed_first"]),
            want["fixed_first"].get<std::vector<int32_t>>());
  EXPECT_EQ(Crc(record.fixed), want["fixed_crc32"]);
  ASSERT_EQ(record.rounds.size(), want["round_crc32"].size());
  for (size_t r = 0; r < record.rounds.size(); ++r) {
    EXPECT_EQ(Crc(record.rounds[r]), want["round_crc32"][r]) << "round " << r;
  }
  EXPECT_EQ(Head(record.rounds.back(), want["rot_first"]),
            want["rot_first"].get<std::vector<int32_t>>());
  if (want.contains("D")) {
    EXPECT_EQ(Hex(record.bytes), want["codes"]);
    EXPECT_EQ(record.dot, want["D"].get<int64_t>());
    EXPECT_EQ(record.scalars.scale, F32(want["scale"]));
  } else {
    EXPECT_EQ(Hex(record.bytes), want["codes"].get<std::string>() +
                                     want["signs"].get<std::string>());
    EXPECT_EQ(record.squares, want["SS"].get<int64_t>());
    EXPECT_EQ(record.magnitudes, want["L1"].get<int64_t>());
    EXPECT_EQ(record.scalars.scale, F32(want["gamma"]));
  }
}

void ExpectScores(const reference::Scores& scores, const json& want) {
  EXPECT_EQ(scores.sum, want["A"].get<int64_t>());
  EXPECT_EQ(scores.dot, F32(want["ip"]));
  if (want.contains("cos")) {
    EXPECT_EQ(scores.cosine, F32(want["cos"]));
  }
  if (want.contains("l2")) {
    EXPECT_EQ(scores.l2, F32(want["l2"]));
  }
  if (want.contains("A2")) {
    EXPECT_EQ(scores.sketch_sum, want["A2"].get<int64_t>());
    EXPECT_EQ(scores.m1, F32(want["m1"]));
  }
}

// Checks the reference against one cell.
void CheckReference(const json& cell) {
  const reference::Quantizer quantizer(Params(cell));
  const size_t dim = cell["dim"];
  EXPECT_EQ(reference::Rounds(dim), cell["rounds"].get<size_t>());
  const std::vector<float> q = Input(cell["query"]["input"], dim);
  const reference::Query s8 = quantizer.Prepare(q, 127);
  const reference::Query s6 = quantizer.Prepare(q, 31);
  ExpectQuery(s8, s6, cell["query"]);
  reference::Record first;
  for (size_t i = 0; i < cell["vectors"].size(); ++i) {
    SCOPED_TRACE(absl::StrCat("vector ", i));
    const json& want = cell["vectors"][i];
    const std::vector<float> x = Input(want["input"], dim);
    reference::Record record;
    ASSERT_TRUE(quantizer.Encode(x, &record));
    if (i == 0) first = record;
    ExpectRecord(record, want);
    ExpectScores(quantizer.Score(s8, record), want["score8"]);
    if (want.contains("score6")) {
      ExpectScores(quantizer.Score(s6, record), want["score6"]);
      int64_t sum = 0;
      EXPECT_EQ(quantizer.ScoreCodes(record, first, &sum),
                F32(want["sym_with_0"]["ip"]));
      EXPECT_EQ(sum, want["sym_with_0"]["A"].get<int64_t>());
    }
    for (const auto& [kind, floats] : want["decode"].items()) {
      SCOPED_TRACE(kind);
      ExpectFloats(
          quantizer.Decode(record,
                           kind == "unbiased" ? reference::DecodeKind::kUnbiased
                           : kind == "ls" ? reference::DecodeKind::kLeastSquares
                                          : reference::DecodeKind::kPlain),
          floats);
    }
    EXPECT_EQ(reference::Dot8(x, q), F64(want["rescore"]["dot64"]));
  }
}

TEST(GoldenTest, ReferenceGivesEveryValueOfEveryCell) {
  ASSERT_EQ(Golden()["cells"].size(), 172u);
  for (const json& cell : Golden()["cells"]) {
    SCOPED_TRACE(Name(cell));
    CheckReference(cell);
  }
}

// Checks rotation rounds, codes, scalars, scores and decoding of the library.
void CheckLibrary(const json& cell) {
  const auto quantizer = Quantizer::Create(Params(cell));
  ASSERT_THAT(quantizer, IsOk());
  const size_t dim = cell["dim"];
  const std::vector<float> q = Input(cell["query"]["input"], dim);
  const auto query = quantizer->Prepare(q);
  ASSERT_THAT(query, IsOk());
  EXPECT_EQ(query->norm(), F64(cell["query"]["norm64"]));
  for (size_t i = 0; i < cell["vectors"].size(); ++i) {
    SCOPED_TRACE(absl::StrCat("vector ", i));
    const json& want = cell["vectors"][i];
    const std::vector<float> x = Input(want["input"], dim);
    std::vector<uint8_t> code(quantizer->code_bytes());
    CodeScalars scalars;
    ASSERT_THAT(quantizer->Encode(x, absl::MakeSpan(code), &scalars), IsOk());
    EXPECT_THAT(quantizer->Validate(code, scalars), IsOk());
    const bool ip = want.contains("signs");
    EXPECT_EQ(Hex(code), want["codes"].get<std::string>() +
                             (ip ? want["signs"].get<std::string>() : ""));
    EXPECT_EQ(scalars.norm, F32(want["norm"]));
    EXPECT_EQ(scalars.scale, F32(want[ip ? "gamma" : "scale"]));
    for (const auto& [key, metric] :
         {std::pair("ip", Metric::kDot), std::pair("cos", Metric::kCosine),
          std::pair("l2", Metric::kL2)}) {
      if (!want["score8"].contains(key)) continue;
      float score = 0;
      quantizer->Score(*query, metric, code, {&scalars, 1}, {&score, 1});
      EXPECT_EQ(score, F32(want["score8"][key])) << key;
    }
    std::vector<float> decoded(dim);
    quantizer->Decode(code, scalars, absl::MakeSpan(decoded));
    ExpectFloats(decoded, want["decode"][ip ? "ip" : "ls"]);
    EXPECT_EQ(Dot8(x, q), F64(want["rescore"]["dot64"]));
  }
}

TEST(GoldenTest, LibraryGivesEveryRecordScoreAndVector) {
  for (const json& cell : Golden()["cells"]) {
    SCOPED_TRACE(Name(cell));
    CheckLibrary(cell);
  }
}

// The example of section 2.17, of which the golden file holds only the results.
TEST(GoldenTest, RotationGivesTheWorkedExampleRoundByRound) {
  const Rotation rotation(8, 42, RotationKind::kMain);
  std::vector<int32_t> v = {1174640, 2349280, 3523920, 4698560,
                            5873200, 7047840, 8222481, 9397121};
  const std::vector<int32_t> rounds[] = {
      {-2491788, 9967152, 1, 4152980, -4983576, 4152980, -4152980, -9967152},
      {1761961, -587320, 2349281, -1174640, -7635160, -11159082, 0, 9397121},
      {4983577, -2491787, 415297, 10382450, -2491788, 2491788, 11213047,
       2076489},
      {-11159082, 3230260, -3817580, -7635160, -7341502, 0, -587321, -4404901}};
  for (size_t r = 0; r < rotation.rounds(); ++r) {
    std::vector<int32_t> next(8);
    rotation.ForwardRound(r, v, absl::MakeSpan(next));
    EXPECT_EQ(next, rounds[r]) << "round " << r;
    v = next;
  }
}

}  // namespace
}  // namespace corkscrew
