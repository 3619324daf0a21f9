#include "corkscrew/quantizer.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/testing.h"
#include "corkscrew/metric.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "quant/reference_quantizer.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::ForEachSimdTarget;
using ::corkscrew::testing::IsOk;
using ::corkscrew::testing::RandomNormal;
using ::corkscrew::testing::StatusIs;
using ::testing::HasSubstr;

Quantizer Make(const QuantizerParams& params) {
  auto quantizer = Quantizer::Create(params);
  EXPECT_THAT(quantizer, IsOk());
  return *std::move(quantizer);
}

// All widths of both modes.
std::vector<QuantizerParams> AllParams(size_t dim, uint64_t seed) {
  std::vector<QuantizerParams> all;
  for (int bits = 1; bits <= 8; ++bits) {
    all.push_back({.dim = dim, .bits = bits, .codebook = 1, .seed = seed});
  }
  all.push_back({.dim = dim, .bits = 8, .codebook = 2, .seed = seed});
  for (const int bits : {2, 3, 5, 8}) {
    all.push_back({.dim = dim,
                   .mode = QuantizerMode::kIp,
                   .bits = bits,
                   .codebook = 1,
                   .seed = seed});
  }
  return all;
}

// A set of vectors with what the definition says of it.
struct Case {
  Case(const QuantizerParams& params, size_t rows)
      : quantizer(Make(params)), plain(params) {
    query = RandomNormal(params.dim, /*seed=*/99);
    const reference::Query plain_query = plain.Prepare(query, 127);
    for (size_t row = 0; row < rows; ++row) {
      std::vector<float> x = RandomNormal(params.dim, /*seed=*/row);
      if (row % 5 == 3) std::fill(x.begin(), x.end(), 0.0f);
      if (row % 5 == 4) {  // Near the query: scores of one sign, L2 near 0.
        for (size_t i = 0; i < x.size(); ++i) x[i] = query[i] + 0.01f * x[i];
      }
      vectors.insert(vectors.end(), x.begin(), x.end());
      reference::Record record;
      EXPECT_TRUE(plain.Encode(x, &record));
      codes.insert(codes.end(), record.bytes.begin(), record.bytes.end());
      norms.push_back(record.scalars.norm);
      scales.push_back(record.scalars.scale);
      const reference::Scores scores = plain.Score(plain_query, record);
      dot.push_back(scores.dot);
      cosine.push_back(scores.cosine);
      l2.push_back(scores.l2);
    }
  }

  // Encodes and scores on the present SIMD target.
  void Check() const {
    const size_t rows = norms.size();
    std::vector<uint8_t> got(rows * quantizer.code_bytes());
    std::vector<CodeScalars> scalars(rows);
    ASSERT_THAT(quantizer.EncodeBatch(vectors, absl::MakeSpan(got),
                                      absl::MakeSpan(scalars)),
                IsOk());
    EXPECT_EQ(got, codes);
    for (size_t row = 0; row < rows; ++row) {
      EXPECT_EQ(scalars[row].norm, norms[row]);
      EXPECT_EQ(scalars[row].scale, scales[row]);
    }
    const auto prepared = quantizer.Prepare(query);
    ASSERT_THAT(prepared, IsOk());
    std::vector<float> scores(rows);
    const auto score = [&](Metric metric) {
      quantizer.Score(*prepared, metric, got, scalars, absl::MakeSpan(scores));
      return scores;
    };
    EXPECT_EQ(score(Metric::kDot), dot);
    EXPECT_EQ(score(Metric::kL2), l2);
    if (quantizer.params().mode == QuantizerMode::kMse) {
      EXPECT_EQ(score(Metric::kCosine), cosine);
    }
  }

  Quantizer quantizer;
  reference::Quantizer plain;
  std::vector<float> query, vectors;
  std::vector<uint8_t> codes;
  std::vector<float> norms, scales, dot, cosine, l2;
};

void Check(const QuantizerParams& params, size_t rows) {
  SCOPED_TRACE(::testing::Message()
               << "dim " << params.dim << ", bits " << params.bits
               << ", codebook " << params.codebook << ", mode "
               << static_cast<int>(params.mode) << ", rows " << rows);
  const Case test(params, rows);
  ForEachSimdTarget([&] { test.Check(); });
}

TEST(QuantizerTest, CodesAndScoresEqualTheDefinitionForEveryDimension) {
  for (size_t dim = 1; dim <= 300; dim += dim < 70 ? 1 : 7) {
    for (const QuantizerParams& params : AllParams(dim, /*seed=*/dim)) {
      Check(params, /*rows=*/5);
    }
  }
}

TEST(QuantizerTest, CodesAndScoresEqualTheDefinitionForLongVectors) {
  for (const size_t dim : {384, 1000, 5000}) {
    for (const QuantizerParams& params : AllParams(dim, /*seed=*/dim)) {
      Check(params, /*rows=*/5);
    }
  }
}

TEST(QuantizerTest, ScoresEqualTheDefinitionForEveryNumberOfRows) {
  for (const size_t rows : {0, 1, 2, 3, 4, 5, 255, 256, 257, 600}) {
    Check({.dim = 20, .bits = 4, .codebook = 1, .seed = 1}, rows);
  }
}

TEST(QuantizerTest, NullQueryScoresZeroAndItsDistanceIsTheLength) {
  for (const QuantizerParams& params : AllParams(33, /*seed=*/1)) {
    const Quantizer quantizer = Make(params);
    const std::vector<float> x = RandomNormal(33, /*seed=*/1);
    std::vector<uint8_t> code(quantizer.code_bytes());
    CodeScalars scalars;
    ASSERT_THAT(quantizer.Encode(x, absl::MakeSpan(code), &scalars), IsOk());
    const auto query = quantizer.Prepare(std::vector<float>(33, 0.0f));
    ASSERT_THAT(query, IsOk());
    EXPECT_EQ(query->norm(), 0);
    float score = 1;
    quantizer.Score(*query, Metric::kDot, code, {&scalars, 1}, {&score, 1});
    EXPECT_EQ(score, 0);
    quantizer.Score(*query, Metric::kL2, code, {&scalars, 1}, {&score, 1});
    EXPECT_EQ(score, scalars.norm * scalars.norm);
    if (params.mode != QuantizerMode::kMse) continue;
    quantizer.Score(*query, Metric::kCosine, code, {&scalars, 1}, {&score, 1});
    EXPECT_EQ(score, 0);
  }
}

TEST(QuantizerTest, CodeAgainstCodeEqualsTheDefinition) {
  for (size_t dim = 1; dim <= 5000; dim += dim < 70 ? 3 : 493) {
    for (const QuantizerParams& params : AllParams(dim, /*seed=*/3)) {
      if (params.mode == QuantizerMode::kIp) continue;
      const reference::Quantizer plain(params);
      const Quantizer quantizer = Make(params);
      std::vector<reference::Record> records(5);
      std::vector<uint8_t> codes;
      std::vector<CodeScalars> scalars;
      for (size_t i = 0; i < 5; ++i) {
        std::vector<float> x = RandomNormal(dim, /*seed=*/i);
        if (i == 3) std::fill(x.begin(), x.end(), 0.0f);
        ASSERT_TRUE(plain.Encode(x, &records[i]));
        codes.insert(codes.end(), records[i].bytes.begin(),
                     records[i].bytes.end());
        scalars.push_back(records[i].scalars);
      }
      ForEachSimdTarget([&] {
        for (size_t i = 0; i < 5; ++i) {
          const PreparedQuery code =
              quantizer.PrepareCode(records[i].bytes, scalars[i]);
          EXPECT_EQ(code.norm(), static_cast<double>(scalars[i].norm));
          const auto score = [&](Metric metric) {
            std::vector<float> scores(5);
            quantizer.Score(code, metric, codes, scalars,
                            absl::MakeSpan(scores));
            return scores;
          };
          std::vector<float> dot, cosine, l2;
          for (size_t j = 0; j < 5; ++j) {
            const CodeScalars& x = scalars[i];
            const CodeScalars& y = scalars[j];
            int64_t sum;
            dot.push_back(plain.ScoreCodes(records[i], records[j], &sum));
            const float unit = x.norm == 0 ? 0 : x.scale / x.norm;
            cosine.push_back(y.norm == 0 ? 0
                                         : (static_cast<float>(sum) * unit) *
                                               (y.scale / y.norm));
            l2.push_back(std::max(
                0.0f, (y.norm * y.norm + x.norm * x.norm) - 2 * dot.back()));
          }
          EXPECT_EQ(score(Metric::kDot), dot)
              << "dim " << dim << ", bits " << params.bits;
          EXPECT_EQ(score(Metric::kCosine), cosine);
          EXPECT_EQ(score(Metric::kL2), l2);
        }
      });
    }
  }
}

// The levels of 8 bits reach 4061: their squares overflow int32 soon.
TEST(QuantizerTest, CodeAgainstCodeIsExactWhereTheSumIsLargest) {
  for (const size_t dim : {129, 4096, 65535}) {
    for (const int bits : {5, 6, 7, 8}) {
      const QuantizerParams params = {.dim = dim, .bits = bits, .codebook = 1};
      const Quantizer quantizer = Make(params);
      reference::Record record;
      record.scalars = {.norm = 1, .scale = 0.5f};
      record.codes.assign(dim, static_cast<uint8_t>((1 << bits) - 1));
      record.bytes = reference::Pack(record.codes, bits);
      int64_t sum;
      const float want =
          reference::Quantizer(params).ScoreCodes(record, record, &sum);
      ForEachSimdTarget([&] {
        float score = 0;
        quantizer.Score(quantizer.PrepareCode(record.bytes, record.scalars),
                        Metric::kDot, record.bytes, {&record.scalars, 1},
                        {&score, 1});
        EXPECT_EQ(score, want) << dim << ", bits " << bits;
      });
    }
  }
}

TEST(QuantizerTest, AllReconstructionsEqualTheDefinition) {
  for (const size_t dim : {1, 9, 64, 384}) {
    for (const QuantizerParams& params : AllParams(dim, /*seed=*/4)) {
      const reference::Quantizer plain(params);
      const Quantizer quantizer = Make(params);
      reference::Record record;
      ASSERT_TRUE(plain.Encode(RandomNormal(dim, /*seed=*/1), &record));
      using Kind = reference::DecodeKind;
      const std::pair<Reconstruction, Kind> kinds[] = {
          {Reconstruction::kLeastSquares, Kind::kLeastSquares},
          {Reconstruction::kUnbiased, Kind::kUnbiased},
          {Reconstruction::kPlain, Kind::kPlain}};
      for (const auto& [kind, plain_kind] : kinds) {
        if (params.mode == QuantizerMode::kIp && plain_kind != Kind::kPlain) {
          continue;  // It has one.
        }
        std::vector<float> got(dim);
        quantizer.Decode(record.bytes, record.scalars, absl::MakeSpan(got),
                         kind);
        EXPECT_EQ(got, plain.Decode(record, plain_kind))
            << "dim " << dim << ", bits " << params.bits;
      }
    }
  }
}

TEST(QuantizerTest, TheSquaredNormOfAnEncodingIsDot8) {
  const Quantizer quantizer = Make({.dim = 100});
  for (const float factor : {1.0f, 1e-30f, 0.0f}) {
    std::vector<float> x = RandomNormal(100, /*seed=*/1);
    for (float& value : x) value *= factor;
    std::vector<uint8_t> code(quantizer.code_bytes());
    CodeScalars scalars;
    double squared_norm = -1;
    ASSERT_THAT(
        quantizer.Encode(x, absl::MakeSpan(code), &scalars, &squared_norm),
        IsOk());
    EXPECT_EQ(squared_norm, reference::Dot8(x, x));
  }
}

TEST(QuantizerTest, ABatchOnThreadsIsTheSame) {
  constexpr size_t kDim = 50;
  constexpr size_t kRows = 1000;
  const Quantizer quantizer = Make({.dim = kDim, .bits = 3});
  std::vector<float> vectors = RandomNormal(kDim * kRows, /*seed=*/1);
  const size_t bytes = quantizer.code_bytes() * kRows;
  std::vector<uint8_t> want(bytes);
  std::vector<CodeScalars> want_scalars(kRows);
  ASSERT_THAT(quantizer.EncodeBatch(vectors, absl::MakeSpan(want),
                                    absl::MakeSpan(want_scalars)),
              IsOk());
  for (const size_t threads : {0, 1, 2, 3, 8, 100}) {
    std::vector<uint8_t> got(bytes);
    std::vector<CodeScalars> scalars(kRows);
    std::vector<double> norms(kRows);
    ASSERT_THAT(
        quantizer.EncodeBatch(
            vectors, absl::MakeSpan(got), absl::MakeSpan(scalars),
            {.threads = threads, .squared_norms = absl::MakeSpan(norms)}),
        IsOk());
    EXPECT_EQ(got, want);
    for (size_t row = 0; row < kRows; ++row) {
      EXPECT_EQ(scalars[row].scale, want_scalars[row].scale);
      EXPECT_EQ(static_cast<float>(std::sqrt(norms[row])), scalars[row].norm);
    }
  }
  // The first bad row is named, whoever meets one first.
  vectors[700 * kDim] = std::numeric_limits<float>::infinity();
  vectors[900 * kDim + 7] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(
      quantizer.EncodeBatch(vectors, absl::MakeSpan(want),
                            absl::MakeSpan(want_scalars), {.threads = 8}),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("row 700: coordinate 0 is inf")));
  std::vector<double> few(3);
  EXPECT_THAT(quantizer.EncodeBatch(vectors, absl::MakeSpan(want),
                                    absl::MakeSpan(want_scalars),
                                    {.squared_norms = absl::MakeSpan(few)}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("squared norms has 3 elements, want 1000")));
}

// The values of docs/quantizer.md, 2.9, shrink a little at this dimension.
TEST(QuantizerTest, DecodedErrorIsThatOfTheTables) {
  constexpr size_t kDim = 384;
  constexpr double kWant[] = {0.3624, 0.1167,  0.03426, 0.00943,
                              0.0025, 6.45e-4, 1.62e-4, 4.08e-5};
  for (int bits = 1; bits <= 8; ++bits) {
    const Quantizer quantizer =
        Make({.dim = kDim, .bits = bits, .codebook = 1, .seed = 5});
    double sum = 0;
    constexpr int kVectors = 40;
    for (uint64_t seed = 0; seed < kVectors; ++seed) {
      const std::vector<float> x = RandomNormal(kDim, seed);
      std::vector<uint8_t> code(quantizer.code_bytes());
      CodeScalars scalars;
      ASSERT_THAT(quantizer.Encode(x, absl::MakeSpan(code), &scalars), IsOk());
      std::vector<float> y(kDim);
      quantizer.Decode(code, scalars, absl::MakeSpan(y));
      double error = 0;
      double length = 0;
      for (size_t i = 0; i < kDim; ++i) {
        error += std::pow(static_cast<double>(x[i]) - y[i], 2);
        length += static_cast<double>(x[i]) * x[i];
      }
      sum += error / length;
    }
    EXPECT_NEAR(sum / kVectors / kWant[bits - 1], 1, 0.05) << bits << " bits";
  }
}

TEST(QuantizerTest, ParametersOutsideTheirRangeAreRefusedByName) {
  const auto refused = [](const QuantizerParams& params, const char* text) {
    EXPECT_THAT(Quantizer::Create(params),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(text)));
  };
  refused({.dim = 0}, "dim is 0, want 1 to 65535");
  refused({.dim = 65536}, "dim is 65536");
  refused({.dim = 8, .bits = 0}, "bits is 0, want 1 to 8 in mode mse");
  refused({.dim = 8, .bits = 9}, "bits is 9");
  refused({.dim = 8, .mode = QuantizerMode::kIp, .bits = 1},
          "bits is 1, want 2 to 8 in mode ip");
  refused({.dim = 8, .mode = QuantizerMode{3}}, "mode is 3");
  refused({.dim = 8, .bits = 4, .codebook = 2}, "codebook is 2");
  refused({.dim = 8, .bits = 8, .codebook = 3}, "codebook is 3, want 1 or 2");
  refused({.dim = 8, .bits = 8, .codebook = -1}, "codebook is -1");
  refused({.dim = 8, .mode = QuantizerMode::kIp, .bits = 8, .codebook = 2},
          "codebook is 2");
}

TEST(QuantizerTest, DimensionsUpToTheLargestConstructAndEncode) {
  std::vector<float> vector(16384);
  for (size_t i = 0; i < vector.size(); ++i) {
    vector[i] = static_cast<float>(i % 7) - 2.5f;
  }
  std::vector<uint8_t> code(16384);
  for (size_t dim = 1; dim <= vector.size(); dim += dim < 3000 ? 1 : 56) {
    const auto x = absl::MakeConstSpan(vector).first(dim);
    const Quantizer quantizer =
        Make({.dim = dim, .bits = static_cast<int>(1 + dim % 8)});
    ASSERT_EQ(quantizer.code_bytes(), (dim * (1 + dim % 8) + 7) / 8);
    CodeScalars scalars;
    ASSERT_THAT(
        quantizer.Encode(x, absl::MakeSpan(code).first(quantizer.code_bytes()),
                         &scalars),
        IsOk());
    ASSERT_GT(scalars.scale, 0) << dim;
  }
}

TEST(QuantizerTest, CodebookZeroIsTheUniformOneForEightBitsOfModeMse) {
  EXPECT_EQ(Make({.dim = 8, .bits = 8}).params().codebook, 2);
  EXPECT_EQ(Make({.dim = 8, .bits = 7}).params().codebook, 1);
  EXPECT_EQ(
      Make({.dim = 8, .mode = QuantizerMode::kIp, .bits = 8}).params().codebook,
      1);
  EXPECT_EQ(Make({.dim = 65535, .bits = 1}).code_bytes(), 8192u);
}

TEST(QuantizerTest, BadVectorsAreRefusedWithBothValues) {
  const Quantizer quantizer = Make({.dim = 3});
  std::vector<uint8_t> code(quantizer.code_bytes());
  CodeScalars scalars;
  const auto encode = [&](const std::vector<float>& x) {
    return quantizer.Encode(x, absl::MakeSpan(code), &scalars);
  };
  EXPECT_THAT(encode({1, 2}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("vector has 2 coordinates, want 3")));
  EXPECT_THAT(encode({1, std::numeric_limits<float>::quiet_NaN(), 2}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("coordinate 1 is nan")));
  EXPECT_THAT(encode({1, 2, 0x1p61f}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("want at most 2^60")));
  EXPECT_THAT(encode({0x1p60f, 0, 0}), IsOk());
  EXPECT_THAT(quantizer.Prepare(std::vector<float>(4)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("query has 4 coordinates, want 3")));
  EXPECT_THAT(quantizer.Encode(std::vector<float>(3),
                               absl::MakeSpan(code).first(1), &scalars),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("code buffer has 1 bytes, want 2")));
}

TEST(QuantizerTest, BatchNamesTheFirstBadRow) {
  const Quantizer quantizer = Make({.dim = 2});
  std::vector<float> vectors(10, 1.0f);
  vectors[7] = std::numeric_limits<float>::infinity();
  vectors[9] = std::numeric_limits<float>::infinity();
  std::vector<uint8_t> codes(5 * quantizer.code_bytes());
  std::vector<CodeScalars> scalars(5);
  EXPECT_THAT(quantizer.EncodeBatch(vectors, absl::MakeSpan(codes),
                                    absl::MakeSpan(scalars)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("row 3: coordinate 1 is inf")));
  EXPECT_THAT(quantizer.EncodeBatch({}, absl::MakeSpan(codes).first(0), {}),
              IsOk());
}

TEST(QuantizerTest, ForeignCodesAreValidated) {
  const Quantizer quantizer = Make({.dim = 3, .bits = 4});
  const std::vector<uint8_t> code = {0x21, 0x03};
  EXPECT_THAT(quantizer.Validate(code, {.norm = 1, .scale = 1}), IsOk());
  const auto refused = [&](const std::vector<uint8_t>& bytes, float norm,
                           float scale, const char* text) {
    EXPECT_THAT(quantizer.Validate(bytes, {.norm = norm, .scale = scale}),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(text)));
  };
  constexpr float kInf = std::numeric_limits<float>::infinity();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  refused({0x21}, 1, 1, "code has 1 bytes, want 2");
  refused({0x21, 0x03, 0}, 1, 1, "code has 3 bytes, want 2");
  refused({0x21, 0x13}, 1, 1, "bit set after the last one");
  refused(code, -1, 1, "norm -1");
  refused(code, 1, -1, "scale -1");
  refused(code, kInf, 1, "norm inf");
  refused(code, 1, kNan, "scale nan");
  refused(code, kNan, 1, "norm nan");
  refused(code, 0, 1, "norm 0 and scale 1");
  refused(code, 1, 0, "norm 1 and scale 0");
  refused(code, 1, 2.1f, "scale 2.1");
  refused(code, 1, 0x1p-22f, "norm 1");
  refused(code, 0x1p61f, 0x1p61f, "which no vector has");
  refused(code, 0x1p-61f, 0x1p-61f, "which no vector has");
  EXPECT_THAT(quantizer.Validate(code, {}), IsOk());

  const Quantizer ip = Make({.dim = 3, .mode = QuantizerMode::kIp, .bits = 5});
  EXPECT_THAT(ip.Validate(std::vector<uint8_t>{0x21, 0x03, 0x07}, {}), IsOk());
  EXPECT_THAT(ip.Validate(std::vector<uint8_t>{0x21, 0x03, 0x0F}, {}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("bit set after the last one")));
}

}  // namespace
}  // namespace corkscrew
