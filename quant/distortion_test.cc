// How much an encoding loses, over many pairs of an input and a seed, against
// the exact expectations of the codebooks. CORKSCREW_PAIRS of each kind: few in
// the unit test, 100,000 in the slow one.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "base/random.h"
#include "corkscrew/metric.h"
#include "corkscrew/quantizer.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

constexpr size_t kPairs = CORKSCREW_PAIRS;
// Inputs per seed: half as many seeds as inputs would show no more.
constexpr size_t kInputsPerSeed = kPairs < 100000 ? 50 : 250;
// What a small sample is allowed beside the limit, in standard errors.
constexpr double kAllowance = kPairs < 100000 ? 4 : 0;

// Mean and its standard error.
class Mean {
 public:
  void Add(double x) {
    ++n_;
    sum_ += x;
    squares_ += x * x;
  }
  double value() const { return sum_ / n_; }
  double variance() const { return squares_ / n_ - value() * value(); }
  double standard_error() const { return std::sqrt(variance() / n_); }

 private:
  double n_ = 0, sum_ = 0, squares_ = 0;
};

enum class Input { kGaussian, kOneHot, kPowerLaw };

std::vector<float> MakeInput(Input kind, size_t dim, Random& random) {
  std::vector<float> x(dim, 0.0f);
  if (kind == Input::kOneHot) {
    x[random.Next() % dim] = (random.Next() & 1) != 0 ? 1.0f : -1.0f;
    return x;
  }
  for (size_t i = 0; i < dim; ++i) {
    const double amplitude =
        kind == Input::kPowerLaw ? 1 / static_cast<double>(i + 1) : 1;
    x[i] = static_cast<float>(amplitude * random.Normal());
  }
  return x;
}

double Dot(const std::vector<float>& x, const std::vector<float>& y) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    sum += static_cast<double>(x[i]) * static_cast<double>(y[i]);
  }
  return sum;
}

// The mean of |x - plain reconstruction|^2 / |x|^2.
Mean RelativeError(Input kind, size_t dim, int bits, uint64_t seed) {
  Random random(seed);
  Mean mean;
  for (size_t i = 0; i < kPairs / kInputsPerSeed; ++i) {
    const auto quantizer = Quantizer::Create(
        {.dim = dim, .bits = bits, .codebook = 1, .seed = random.Next()});
    std::vector<uint8_t> code(quantizer->code_bytes());
    std::vector<float> y(dim);
    for (size_t j = 0; j < kInputsPerSeed; ++j) {
      const std::vector<float> x = MakeInput(kind, dim, random);
      CodeScalars scalars;
      EXPECT_TRUE(quantizer->Encode(x, absl::MakeSpan(code), &scalars).ok());
      quantizer->Decode(code, scalars, absl::MakeSpan(y),
                        Reconstruction::kPlain);
      double error = 0;
      for (size_t k = 0; k < dim; ++k) {
        const double difference =
            static_cast<double>(x[k]) - static_cast<double>(y[k]);
        error += difference * difference;
      }
      mean.Add(error / Dot(x, x));
    }
  }
  return mean;
}

// Expectations on the uniform sphere of the tables of docs/quantizer.md, 2.9,
// by numerical integration.
struct Expectation {
  size_t dim;
  double error[4];  // 1 to 4 bits.
};
constexpr Expectation kExpectations[] = {
    {64, {0.35840, 0.11455, 0.033440, 0.0091902}},
    {384, {0.36255, 0.11699, 0.034365, 0.0094604}},
    {1536, {0.36317, 0.11736, 0.034512, 0.0095064}}};

void CheckError(Input kind, size_t dim, int bits, double want, double limit) {
  const Mean got = RelativeError(kind, dim, bits, /*seed=*/dim + bits);
  EXPECT_NEAR(got.value(), want,
              limit * want + kAllowance * got.standard_error())
      << "dim " << dim << ", bits " << bits << ", input "
      << static_cast<int>(kind);
}

TEST(DistortionTest, GaussianInputsLoseWhatIsExpected) {
  for (const Expectation& e : kExpectations) {
    for (int bits = 1; bits <= 4; ++bits) {
      CheckError(Input::kGaussian, e.dim, bits, e.error[bits - 1], 0.005);
    }
  }
}

TEST(DistortionTest, OneHotAndPowerLawInputsLoseNoMore) {
  for (const Expectation& e : kExpectations) {
    for (const int bits : {2, 4}) {
      CheckError(Input::kOneHot, e.dim, bits, e.error[bits - 1], 0.03);
      CheckError(Input::kPowerLaw, e.dim, bits, e.error[bits - 1], 0.03);
    }
  }
}

// Errors of scores between unit vectors whose cosine is `rho`.
Mean ScoreErrors(const QuantizerParams& base, double rho) {
  Random random(base.dim + static_cast<size_t>(base.bits));
  Mean mean;
  for (size_t i = 0; i < kPairs / kInputsPerSeed; ++i) {
    QuantizerParams params = base;
    params.seed = random.Next();
    const auto quantizer = Quantizer::Create(params);
    std::vector<uint8_t> code(quantizer->code_bytes());
    for (size_t j = 0; j < kInputsPerSeed; ++j) {
      std::vector<float> x = MakeInput(Input::kGaussian, base.dim, random);
      std::vector<float> y = MakeInput(Input::kGaussian, base.dim, random);
      const double along = Dot(x, y) / Dot(x, x);
      const double norm = std::sqrt(Dot(x, x));
      for (size_t k = 0; k < base.dim; ++k) {
        y[k] -= static_cast<float>(along) * x[k];
        x[k] /= static_cast<float>(norm);
      }
      const double rest = std::sqrt(Dot(y, y));
      for (size_t k = 0; k < base.dim; ++k) {
        y[k] = static_cast<float>(rho * static_cast<double>(x[k]) +
                                  std::sqrt(1 - rho * rho) / rest *
                                      static_cast<double>(y[k]));
      }
      CodeScalars scalars;
      EXPECT_TRUE(quantizer->Encode(x, absl::MakeSpan(code), &scalars).ok());
      const auto query = quantizer->Prepare(y);
      float score = 0;
      quantizer->Score(*query, Metric::kDot, code, {&scalars, 1}, {&score, 1});
      mean.Add(static_cast<double>(score) - Dot(x, y));
    }
  }
  return mean;
}

void CheckScores(const QuantizerParams& params, double rho, double want) {
  const Mean errors = ScoreErrors(params, rho);
  const auto dim = static_cast<double>(params.dim);
  EXPECT_NEAR(errors.value(), 0, 4.5 * errors.standard_error())
      << "bits " << params.bits << ", cosine " << rho;
  // An estimate of a variance from n draws has a relative error of sqrt(2 / n).
  const double n = static_cast<double>(kPairs);
  EXPECT_NEAR(dim * errors.variance() / want, 1, 0.03 + 4 * std::sqrt(2 / n))
      << "bits " << params.bits << ", cosine " << rho;
}

TEST(DistortionTest, ScoresOfModeIpAreUnbiasedWithTheStatedVariance) {
  constexpr double kWant[][3] = {{0.0, 0.9, 0},
                                 {0.2074, 0.149, 2},
                                 {0.0671, 0.063, 3},
                                 {0.0197, 0.0197, 4}};
  for (int i = 1; i <= 3; ++i) {
    for (int r = 0; r < 2; ++r) {
      CheckScores({.dim = 384,
                   .mode = QuantizerMode::kIp,
                   .bits = static_cast<int>(kWant[i][2])},
                  kWant[0][r], kWant[i][r]);
    }
  }
}

TEST(DistortionTest, ScoresOfModeMseAreUnbiasedWithTheStatedVariance) {
  constexpr double kDim = 384;
  for (int bits = 1; bits <= 4; ++bits) {
    const double error = kExpectations[1].error[bits - 1];
    for (const double rho : {0.0, 0.5, 0.9}) {
      CheckScores({.dim = 384, .bits = bits}, rho,
                  (1 - rho * rho) * error / (1 - error) * kDim / (kDim - 1));
    }
  }
}

}  // namespace
}  // namespace corkscrew
