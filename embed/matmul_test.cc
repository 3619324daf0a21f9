#include "embed/matmul.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/testing.h"
#include "embed/compute.h"
#include "embed/ggml_types.h"
#include "embed/gguf.h"
#include "embed/team.h"
#include "embed/tile.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::ForEachSimdTarget;
using ::corkscrew::testing::RandomNormal;

constexpr uint64_t kSeed = 20'250'117;

// A tensor [in, out] that owns its bytes.
struct Weights {
  std::string bytes;
  GgufTensor tensor;

  Weights(GgmlType type, size_t in, size_t out, std::string data)
      : bytes(std::move(data)) {
    tensor.name = "weights";
    tensor.type = type;
    tensor.shape = {in, out, 1, 1};
    tensor.dims = 2;
    tensor.data = bytes;
  }
  Weights(const Weights&) = delete;

  std::vector<float> Row(size_t row) const {
    std::vector<float> values(tensor.row_values());
    DequantizeRow(tensor.type,
                  bytes.data() + row * bytes.size() / tensor.rows(),
                  values.size(), values.data());
    return values;
  }
};

std::string FloatBytes(const std::vector<float>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()),
                     values.size() * sizeof(float));
}

// Random blocks of a type whose block is a float16 scale and then integers.
// `extreme` makes every integer the smallest or largest there is.
std::string RandomBlocks(GgmlType type, size_t values, uint64_t seed,
                         bool extreme = false) {
  Random random(seed);
  const GgmlBlock block = BlockOf(type);
  std::string bytes;
  for (size_t i = 0; i < values / block.values; ++i) {
    // Between 2^-6 and 2^-4 with a random fraction and sign.
    const auto scale = static_cast<uint16_t>(0x2400 + (random.Next() & 0x7ff) +
                                             ((random.Next() & 1) << 15));
    bytes.append(reinterpret_cast<const char*>(&scale), sizeof(scale));
    for (size_t j = sizeof(scale); j < block.bytes; ++j) {
      const uint64_t bits = random.Next();
      bytes.push_back(static_cast<char>(!extreme          ? bits & 255
                                        : (bits & 1) != 0 ? 0x7f
                                                          : 0x80));
    }
  }
  return bytes;
}

// Rows of `n` values, padded with zeros.
std::vector<float> Padded(const std::vector<float>& values, size_t rows,
                          size_t n) {
  std::vector<float> padded(rows * PadToPanel(n));
  for (size_t row = 0; row < rows; ++row) {
    std::copy_n(&values[row * n], n, &padded[row * PadToPanel(n)]);
  }
  return padded;
}

// `values` rounded to 8 bits per 32 values, from the definition.
std::vector<double> Rounded(const float* values, size_t n) {
  std::vector<double> rounded(n);
  for (size_t i = 0; i < n; i += 32) {
    double limit = 0;
    for (size_t j = i; j < i + 32; ++j) {
      limit = std::max(limit, std::abs(double{values[j]}));
    }
    for (size_t j = i; j < i + 32 && limit > 0; ++j) {
      rounded[j] = std::nearbyint(values[j] * (127 / limit)) * (limit / 127);
    }
  }
  return rounded;
}

struct Shape {
  size_t in, out, rows;
};

// Applies the layer to random rows and compares with sums in double. A
// rounding of an activation may fall to the other side in float32, so quantized
// layers get half a step of one activation more.
void ExpectMatchesDefinition(const Weights& weights, const Shape& shape,
                             Activation activation, bool with_residual) {
  SCOPED_TRACE(::testing::Message()
               << "in " << shape.in << " out " << shape.out << " rows "
               << shape.rows << " seed " << kSeed);
  const std::vector<float> bias = RandomNormal(shape.out, kSeed + 1);
  const std::vector<float> x = Padded(
      RandomNormal(shape.rows * shape.in, kSeed + 2), shape.rows, shape.in);
  const std::vector<float> residual = Padded(
      RandomNormal(shape.rows * shape.out, kSeed + 3), shape.rows, shape.out);
  const PackedLinear linear = PackedLinear::Pack({&weights.tensor}, bias);
  ASSERT_EQ(linear.in(), shape.in);
  ASSERT_EQ(linear.out(), shape.out);
  const size_t stride = PadToPanel(shape.out);
  std::vector<float> y(shape.rows * stride, 99);
  linear.Apply(x.data(), shape.rows, activation,
               with_residual ? residual.data() : nullptr, y.data());
  for (size_t o = 0; o < shape.out; ++o) {
    const std::vector<float> w = weights.Row(o);
    for (size_t row = 0; row < shape.rows; ++row) {
      const float* from = &x[row * PadToPanel(shape.in)];
      const std::vector<double> values =
          linear.quantized() ? Rounded(from, shape.in)
                             : std::vector<double>(from, from + shape.in);
      double sum = bias[o];
      double size = std::abs(bias[o]);
      double largest = 0;
      for (size_t i = 0; i < shape.in; ++i) {
        sum += values[i] * w[i];
        size += std::abs(values[i] * w[i]);
        largest = std::max(largest, std::abs(double{w[i]}));
      }
      if (activation == Activation::kGelu) {
        sum = sum / 2 * (1 + std::erf(sum / std::sqrt(2.0)));
      }
      if (with_residual) sum += residual[row * stride + o];
      const double tolerance =
          1e-6 * size + 3e-6 + (linear.quantized() ? largest * 4 / 127 : 0);
      ASSERT_NEAR(y[row * stride + o], sum, tolerance)
          << "row " << row << " output " << o;
    }
  }
  for (size_t row = 0; row < shape.rows; ++row) {
    for (size_t o = shape.out; o < stride; ++o) {
      ASSERT_EQ(y[row * stride + o], 0) << "padding of row " << row;
    }
  }
}

TEST(PackedLinearTest, FloatsMatchTheDefinitionForEverySize) {
  ForEachSimdTarget([] {
    for (const size_t in : {1, 2, 3, 31, 32, 33, 70}) {
      for (const size_t out : {1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 65}) {
        const Weights weights(GgmlType::kF32, in, out,
                              FloatBytes(RandomNormal(in * out, kSeed)));
        for (const size_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 11, 13}) {
          ExpectMatchesDefinition(weights, {in, out, rows}, Activation::kNone,
                                  rows % 2 == 0);
          if (::testing::Test::HasFatalFailure()) return;
        }
      }
    }
  });
}

TEST(PackedLinearTest, BlocksOfBytesMatchTheDefinitionForEverySize) {
  ForEachSimdTarget([] {
    for (const GgmlType type : {GgmlType::kQ8_0, GgmlType::kQ4_0}) {
      for (const size_t in : {32, 64, 160}) {
        for (const size_t out : {1, 15, 16, 17, 31, 32, 33, 64, 65}) {
          const Weights weights(type, in, out,
                                RandomBlocks(type, in * out, kSeed));
          for (const size_t rows : {1, 2, 3, 4, 5, 6, 7, 13}) {
            ExpectMatchesDefinition(weights, {in, out, rows}, Activation::kNone,
                                    rows % 2 == 0);
            if (::testing::Test::HasFatalFailure()) return;
          }
        }
      }
    }
  });
}

TEST(PackedLinearTest, ExtremeBytesDoNotOverflow) {
  ForEachSimdTarget([] {
    const Weights weights(
        GgmlType::kQ8_0, 32, 32,
        RandomBlocks(GgmlType::kQ8_0, 32 * 32, kSeed, /*extreme=*/true));
    const std::vector<float> bias(32);
    const PackedLinear linear = PackedLinear::Pack({&weights.tensor}, bias);
    for (size_t output = 0; output < 32; ++output) {
      // Activations of the sign of the weights: the largest possible sum.
      const std::vector<float> w = weights.Row(output);
      std::vector<float> x(32);
      double sum = 0;
      for (size_t i = 0; i < 32; ++i) {
        x[i] = w[i] < 0 ? -1 : 1;
        sum += std::abs(double{w[i]});
      }
      std::vector<float> y(32);
      linear.Apply(x.data(), 1, Activation::kNone, nullptr, y.data());
      ASSERT_NEAR(y[output], sum, 1e-5 * sum);
    }
  });
}

TEST(PackedLinearTest, GeluIsTheExactForm) {
  ForEachSimdTarget([] {
    const Weights weights(GgmlType::kF32, 1, 1, FloatBytes({1}));
    const std::vector<float> bias(1);
    const PackedLinear linear = PackedLinear::Pack({&weights.tensor}, bias);
    for (int step = -12 * 128; step <= 12 * 128; ++step) {
      const double at = step / 128.0;
      std::vector<float> x(32);
      x[0] = static_cast<float>(at);
      std::vector<float> y(32);
      linear.Apply(x.data(), 1, Activation::kGelu, nullptr, y.data());
      const double gelu = at / 2 * (1 + std::erf(at / std::sqrt(2.0)));
      ASSERT_NEAR(y[0], gelu, 2e-6) << at;
    }
  });
}

TEST(PackedLinearTest, SmallNumbersAndZerosBecomeZeroNotNaN) {
  ForEachSimdTarget([] {
    const Weights weights(GgmlType::kQ8_0, 32, 3,
                          RandomBlocks(GgmlType::kQ8_0, 32 * 3, kSeed));
    const std::vector<float> bias = {1, 2, 3};
    const PackedLinear linear = PackedLinear::Pack({&weights.tensor}, bias);
    for (const float tiny : {0.0f, 1e-33f, 1e-42f}) {
      const std::vector<float> x(32, tiny);
      std::vector<float> y(32);
      linear.Apply(x.data(), 1, Activation::kNone, nullptr, y.data());
      for (size_t i = 0; i < 3; ++i) ASSERT_FLOAT_EQ(y[i], bias[i]);
    }
  });
}

TEST(PackedLinearTest, SeveralMatricesAreOneLayer) {
  const size_t in = 64;
  const Weights a(GgmlType::kQ8_0, in, 20,
                  RandomBlocks(GgmlType::kQ8_0, in * 20, kSeed));
  const Weights b(GgmlType::kQ4_0, in, 20,
                  RandomBlocks(GgmlType::kQ4_0, in * 20, kSeed));
  const Weights c(GgmlType::kF32, in, 20,
                  FloatBytes(RandomNormal(in * 20, kSeed)));
  const std::vector<float> bias = RandomNormal(60, kSeed);
  const std::vector<float> x = RandomNormal(in, kSeed + 1);
  EXPECT_TRUE(PackedLinear::Pack({&a.tensor, &b.tensor},
                                 absl::MakeSpan(bias).subspan(0, 40))
                  .quantized());
  const PackedLinear linear =
      PackedLinear::Pack({&a.tensor, &b.tensor, &c.tensor}, bias);
  EXPECT_FALSE(linear.quantized());
  std::vector<float> y(64);
  linear.Apply(x.data(), 1, Activation::kNone, nullptr, y.data());
  for (size_t i = 0; i < 60; ++i) {
    const Weights& weights = i < 20 ? a : i < 40 ? b : c;
    const std::vector<float> w = weights.Row(i % 20);
    double sum = bias[i];
    for (size_t j = 0; j < in; ++j) sum += double{w[j]} * double{x[j]};
    EXPECT_NEAR(y[i], sum, 1e-4) << i;
  }
}

TEST(PackedLinearTest, ARowDoesNotDependOnItsNeighbours) {
  const size_t in = 96;
  const size_t out = 40;
  const size_t stride = PadToPanel(out);
  ForEachSimdTarget([&] {
    for (const GgmlType type : {GgmlType::kF32, GgmlType::kQ8_0}) {
      const Weights weights(type, in, out,
                            type == GgmlType::kF32
                                ? FloatBytes(RandomNormal(in * out, kSeed))
                                : RandomBlocks(type, in * out, kSeed));
      const std::vector<float> bias = RandomNormal(out, kSeed);
      const PackedLinear linear = PackedLinear::Pack({&weights.tensor}, bias);
      const std::vector<float> x = RandomNormal(20 * in, kSeed + 1);
      std::vector<float> alone(20 * stride);
      for (size_t row = 0; row < 20; ++row) {
        linear.Apply(&x[row * in], 1, Activation::kGelu, nullptr,
                     &alone[row * stride]);
      }
      for (size_t rows = 1; rows <= 20; ++rows) {
        std::vector<float> y(rows * stride);
        linear.Apply(x.data(), rows, Activation::kGelu, nullptr, y.data());
        ASSERT_EQ(std::memcmp(y.data(), alone.data(), y.size() * sizeof(float)),
                  0)
            << rows << " rows of " << NameOf(type);
      }
    }
  });
}

// Weights of each type that is multiplied in its own way.
std::vector<GgmlType> KindsOfWeights() {
  return {GgmlType::kF32, GgmlType::kQ8_0, GgmlType::kQ4_0};
}

std::string RandomWeights(GgmlType type, size_t values) {
  return type == GgmlType::kF32 ? FloatBytes(RandomNormal(values, kSeed))
                                : RandomBlocks(type, values, kSeed);
}

// Nothing is left to the instruction set: the oracle is equal to the last bit.
TEST(PackedLinearTest, ExactSumsAreOneAfterAnotherOnEveryTarget) {
  ForEachSimdTarget([] {
    for (const GgmlType type : KindsOfWeights()) {
      for (const size_t in : {32, 96}) {
        for (const size_t out : {1, 31, 32, 33, 65}) {
          const Weights weights(type, in, out, RandomWeights(type, in * out));
          const std::vector<float> bias = RandomNormal(out, kSeed + 1);
          const PackedLinear linear =
              PackedLinear::Pack({&weights.tensor}, bias);
          constexpr size_t kRows = 7;
          const std::vector<float> x = RandomNormal(kRows * in, kSeed + 2);
          const size_t stride = PadToPanel(out);
          std::vector<float> y(kRows * stride);
          linear.Apply(x.data(), kRows, Activation::kNone, nullptr, y.data(),
                       {Arithmetic::kExact});
          for (size_t o = 0; o < out; ++o) {
            const std::vector<float> w = weights.Row(o);
            for (size_t row = 0; row < kRows; ++row) {
              float sum = 0;
              for (size_t i = 0; i < in; ++i) {
                const float product = x[row * in + i] * w[i];
                sum += product;
              }
              ASSERT_EQ(y[row * stride + o], sum + bias[o])
                  << NameOf(type) << " row " << row << " output " << o;
            }
          }
        }
      }
    }
  });
}

TEST(PackedLinearTest, ExactGeluIsTheSameOnEveryTarget) {
  const Weights weights(GgmlType::kF32, 1, 1, FloatBytes({1}));
  const std::vector<float> bias(1);
  std::vector<float> first;
  ForEachSimdTarget([&] {
    const PackedLinear linear = PackedLinear::Pack({&weights.tensor}, bias);
    std::vector<float> all;
    for (int step = -12 * 512; step <= 12 * 512; ++step) {
      std::vector<float> x(32);
      x[0] = static_cast<float>(step) / 511;
      std::vector<float> y(32);
      linear.Apply(x.data(), 1, Activation::kGelu, nullptr, y.data(),
                   {Arithmetic::kExact});
      all.push_back(y[0]);
    }
    if (first.empty()) first = all;
    ASSERT_EQ(std::memcmp(first.data(), all.data(), all.size() * sizeof(float)),
              0);
  });
}

TEST(PackedLinearTest, FineRoundingIsAlmostNone) {
  ForEachSimdTarget([] {
    for (const GgmlType type : {GgmlType::kQ8_0, GgmlType::kQ4_0}) {
      const size_t in = 96;
      const size_t out = 33;
      const Weights weights(type, in, out, RandomWeights(type, in * out));
      const std::vector<float> bias(out);
      const PackedLinear linear = PackedLinear::Pack({&weights.tensor}, bias);
      const std::vector<float> x = RandomNormal(8 * in, kSeed + 2);
      for (size_t rows = 1; rows <= 8; ++rows) {
        std::vector<float> y(rows * 64);
        linear.Apply(x.data(), rows, Activation::kNone, nullptr, y.data(),
                     {Arithmetic::kFine});
        for (size_t o = 0; o < out; ++o) {
          const std::vector<float> w = weights.Row(o);
          for (size_t row = 0; row < rows; ++row) {
            double sum = 0;
            double size = 0;
            for (size_t i = 0; i < in; ++i) {
              const double product = double{x[row * in + i]} * w[i];
              sum += product;
              size += std::abs(product);
            }
            ASSERT_NEAR(y[row * 64 + o], sum, 1e-4 * size)
                << NameOf(type) << " row " << row << " of " << rows;
          }
        }
      }
    }
  });
}

TEST(PackedLinearTest, ARowDoesNotDependOnThreads) {
  const size_t in = 96;
  const size_t out = 200;
  const size_t rows = 9;
  Team team(3);
  for (const GgmlType type : KindsOfWeights()) {
    const Weights weights(type, in, out, RandomWeights(type, in * out));
    const std::vector<float> bias = RandomNormal(out, kSeed);
    const PackedLinear linear = PackedLinear::Pack({&weights.tensor}, bias);
    const std::vector<float> x = RandomNormal(rows * in, kSeed + 1);
    for (const Arithmetic arithmetic :
         {Arithmetic::kFast, Arithmetic::kFine, Arithmetic::kExact}) {
      std::vector<float> alone(rows * PadToPanel(out));
      std::vector<float> shared(rows * PadToPanel(out), 7.0f);
      linear.Apply(x.data(), rows, Activation::kGelu, nullptr, alone.data(),
                   {arithmetic});
      linear.Apply(x.data(), rows, Activation::kGelu, nullptr, shared.data(),
                   {arithmetic, &team});
      ASSERT_EQ(std::memcmp(alone.data(), shared.data(),
                            alone.size() * sizeof(float)),
                0)
          << NameOf(type);
    }
  }
}

}  // namespace
}  // namespace corkscrew
