#include "embed/transformer.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/testing.h"
#include "embed/compute.h"
#include "embed/team.h"
#include "embed/tile.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::ForEachSimdTarget;
using ::corkscrew::testing::RandomNormal;

constexpr uint64_t kSeed = 20'250'118;

TEST(LayerNormTest, MatchesTheDefinitionForEverySize) {
  ForEachSimdTarget([] {
    for (size_t dim = 1; dim <= 70; ++dim) {
      const size_t stride = PadToPanel(dim);
      constexpr size_t kRows = 3;
      std::vector<float> weight = RandomNormal(dim, kSeed);
      std::vector<float> bias = RandomNormal(dim, kSeed + 1);
      weight.resize(stride);
      bias.resize(stride);
      const std::vector<float> random = RandomNormal(kRows * dim, kSeed + 2);
      std::vector<float> x(kRows * stride);
      for (size_t i = 0; i < kRows * dim; ++i) {
        // A mean far from zero, so that sums of squares would cancel.
        x[i / dim * stride + i % dim] = 50 + random[i];
      }
      const std::vector<float> before = x;
      LayerNorm(x.data(), kRows, dim, weight.data(), bias.data(), 1e-5f);
      for (size_t row = 0; row < kRows; ++row) {
        const float* from = &before[row * stride];
        double mean = 0;
        double variance = 0;
        for (size_t i = 0; i < dim; ++i) mean += from[i];
        mean /= static_cast<double>(dim);
        for (size_t i = 0; i < dim; ++i) {
          variance += (from[i] - mean) * (from[i] - mean);
        }
        variance /= static_cast<double>(dim);
        for (size_t i = 0; i < dim; ++i) {
          const double want =
              (from[i] - mean) / std::sqrt(variance + 1e-5) * weight[i] +
              bias[i];
          ASSERT_NEAR(x[row * stride + i], want, 1e-3)
              << "dim " << dim << " row " << row << " at " << i;
        }
        for (size_t i = dim; i < stride; ++i) {
          ASSERT_EQ(x[row * stride + i], 0) << "padding of dim " << dim;
        }
      }
    }
  });
}

// softmax(q k^T / sqrt(head_dim)) v in double.
std::vector<double> AttentionFromDefinition(const std::vector<float>& qkv,
                                            size_t tokens,
                                            const AttentionShape& shape,
                                            const AttentionMask& mask) {
  const size_t dim = shape.dim();
  const size_t stride = PadToPanel(3 * dim);
  std::vector<double> y(tokens * dim);
  for (size_t at = 0; at < tokens * shape.heads; ++at) {
    const size_t t = at / shape.heads;
    const size_t offset = at % shape.heads * shape.head_dim;
    std::vector<double> weight(tokens);
    double largest = -1e300;
    for (size_t s = 0; s < tokens; ++s) {
      for (size_t i = 0; i < shape.head_dim; ++i) {
        weight[s] += double{qkv[t * stride + offset + i]} *
                     double{qkv[s * stride + dim + offset + i]};
      }
      weight[s] /= std::sqrt(static_cast<double>(shape.head_dim));
      const auto distance = static_cast<double>(s < t ? t - s : s - t);
      if (mask.slopes != nullptr) {
        weight[s] -= double{mask.slopes[at % shape.heads]} * distance;
      }
      if ((mask.causal && s > t) ||
          (mask.reach > 0 && distance > static_cast<double>(mask.reach))) {
        weight[s] = -1e300;
      }
      largest = std::max(largest, weight[s]);
    }
    double sum = 0;
    for (double& w : weight) sum += (w = std::exp(w - largest));
    for (size_t s = 0; s < tokens; ++s) {
      for (size_t i = 0; i < shape.head_dim; ++i) {
        y[t * dim + offset + i] +=
            weight[s] / sum * double{qkv[s * stride + 2 * dim + offset + i]};
      }
    }
  }
  return y;
}

void ExpectAttentionMatches(size_t tokens, const AttentionShape& shape,
                            float size, const AttentionMask& mask = {}) {
  SCOPED_TRACE(::testing::Message()
               << tokens << " tokens, " << shape.heads << " heads of "
               << shape.head_dim << ", size " << size);
  const size_t dim = shape.dim();
  std::vector<float> qkv = RandomNormal(tokens * PadToPanel(3 * dim), kSeed);
  for (float& value : qkv) value *= size;
  const std::vector<double> want =
      AttentionFromDefinition(qkv, tokens, shape, mask);
  AttentionScratch scratch;
  std::vector<float> y(tokens * PadToPanel(dim));
  Attention(qkv.data(), tokens, shape, mask, &scratch, y.data());
  for (size_t t = 0; t < tokens; ++t) {
    for (size_t i = 0; i < dim; ++i) {
      // Scores near 100 lose 1e-5 of their exponent to float32.
      ASSERT_NEAR(y[t * PadToPanel(dim) + i], want[t * dim + i],
                  2e-6 * size * (1 + size * size * 10))
          << "token " << t << " coordinate " << i;
    }
  }
}

TEST(AttentionTest, MatchesTheDefinitionForEverySize) {
  ForEachSimdTarget([] {
    for (const size_t tokens :
         {1, 2, 3, 5, 6, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 65, 70}) {
      for (const size_t head_dim : {1, 8, 31, 32, 33, 64}) {
        ExpectAttentionMatches(tokens, {2, head_dim}, 1);
        if (::testing::Test::HasFatalFailure()) return;
      }
    }
  });
}

TEST(AttentionTest, SeesWhatTheMaskAllows) {
  constexpr float kSlopes[] = {0.5f, 0.0625f};
  ForEachSimdTarget([&] {
    for (const size_t tokens : {1, 2, 7, 16, 33, 70}) {
      for (const AttentionMask& mask :
           {AttentionMask{.causal = true}, AttentionMask{.reach = 1},
            AttentionMask{.reach = 8}, AttentionMask{.slopes = kSlopes},
            AttentionMask{.causal = true, .reach = 3, .slopes = kSlopes}}) {
        ExpectAttentionMatches(tokens, {2, 32}, 1, mask);
        if (::testing::Test::HasFatalFailure()) return;
      }
    }
  });
}

TEST(RmsNormTest, MatchesTheDefinitionForEverySize) {
  ForEachSimdTarget([] {
    for (size_t dim = 1; dim <= 70; ++dim) {
      const size_t stride = PadToPanel(dim);
      std::vector<float> x(3 * stride);
      std::vector<float> weight(stride);
      const std::vector<float> random = RandomNormal(4 * dim, kSeed + dim);
      for (size_t i = 0; i < dim; ++i) {
        for (size_t row = 0; row < 3; ++row) {
          x[row * stride + i] = random[row * dim + i];
        }
        weight[i] = random[3 * dim + i];
      }
      RmsNorm(x.data(), 3, dim, weight.data(), 1e-5f);
      for (size_t row = 0; row < 3; ++row) {
        double squares = 0;
        for (size_t i = 0; i < dim; ++i) {
          squares += double{random[row * dim + i]} * random[row * dim + i];
        }
        const double scale =
            1 / std::sqrt(squares / static_cast<double>(dim) + 1e-5);
        for (size_t i = 0; i < stride; ++i) {
          const double want =
              i < dim ? random[row * dim + i] * scale * weight[i] : 0;
          ASSERT_NEAR(x[row * stride + i], want, 2e-6 * (1 + std::abs(want)))
              << dim;
        }
      }
    }
  });
}

TEST(GateTest, MatchesTheDefinitionForEverySize) {
  const auto gelu_tanh = [](double x) {
    return x / 2 *
           (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
  };
  const auto gate = [&](GateKind kind, double x) {
    if (kind == GateKind::kGelu)
      return x / 2 * (1 + std::erf(x / std::sqrt(2)));
    return kind == GateKind::kGeluTanh ? gelu_tanh(x) : x / (1 + std::exp(-x));
  };
  ForEachSimdTarget([&] {
    for (size_t n = 1; n <= 70; ++n) {
      for (const GateKind kind :
           {GateKind::kGelu, GateKind::kGeluTanh, GateKind::kSilu}) {
        std::vector<float> x = RandomNormal(2 * PadToPanel(2 * n), kSeed + n);
        x[0] = 8;
        x[n - 1] = n > 1 ? -8 : 8;
        std::vector<float> y(2 * PadToPanel(n), -1.0f);
        Gate(kind, x.data(), 2, n, y.data());
        for (size_t i = 0; i < 2 * PadToPanel(n); ++i) {
          const size_t column = i % PadToPanel(n);
          const float* row = &x[i / PadToPanel(n) * PadToPanel(2 * n)];
          const double want =
              column < n ? gate(kind, row[column]) * row[n + column] : 0;
          ASSERT_NEAR(y[i], want, 1e-5 * (1 + std::abs(want))) << n;
        }
      }
    }
  });
}

TEST(AttentionTest, LargeScoresDoNotOverflow) {
  ForEachSimdTarget([] {
    for (const size_t tokens : {1, 2, 40}) {
      ExpectAttentionMatches(tokens, {1, 32}, 10);
    }
  });
}

// All results of the functions of this file for some size.
std::vector<float> Everything(size_t n, const Compute& compute) {
  const Arithmetic arithmetic = compute.arithmetic;
  const size_t stride = PadToPanel(n);
  std::vector<float> weight = RandomNormal(n, kSeed);
  std::vector<float> bias = RandomNormal(n, kSeed + 1);
  weight.resize(stride);
  bias.resize(stride);
  std::vector<float> rows(2 * stride);
  const std::vector<float> random = RandomNormal(2 * n, kSeed + 2);
  for (size_t i = 0; i < n; ++i) {
    rows[i] = random[i];
    rows[stride + i] = random[n + i];
  }
  std::vector<float> all;
  const auto keep = [&](const std::vector<float>& values) {
    all.insert(all.end(), values.begin(), values.end());
  };
  std::vector<float> x = rows;
  LayerNorm(x.data(), 2, n, weight.data(), bias.data(), 1e-5f, arithmetic);
  keep(x);
  x = rows;
  RmsNorm(x.data(), 2, n, weight.data(), 1e-5f, arithmetic);
  keep(x);
  const std::vector<float> wide = RandomNormal(2 * PadToPanel(2 * n), kSeed);
  for (const GateKind kind :
       {GateKind::kGelu, GateKind::kGeluTanh, GateKind::kSilu}) {
    Gate(kind, wide.data(), 2, n, x.data(), arithmetic);
    keep(x);
  }
  constexpr float kSlopes[] = {0.5f, 0.25f, 0.125f, 0.0625f};
  AttentionScratch scratch;
  for (const AttentionMask& mask :
       {AttentionMask{}, AttentionMask{.causal = true},
        AttentionMask{.reach = 5, .slopes = kSlopes}}) {
    const AttentionShape shape = {4, 16, 2};
    const std::vector<float> qkv =
        RandomNormal(n * PadToPanel(shape.row()), kSeed + 3);
    std::vector<float> y(n * PadToPanel(shape.dim()));
    Attention(qkv.data(), n, shape, mask, &scratch, y.data(), compute);
    keep(y);
  }
  return all;
}

TEST(ExactArithmeticTest, IsTheSameOnEveryTargetAndCloseToTheFastOne) {
  for (const size_t n : {1, 7, 8, 31, 32, 33, 70}) {
    std::vector<float> first;
    ForEachSimdTarget([&] {
      const std::vector<float> exact = Everything(n, {Arithmetic::kExact});
      const std::vector<float> fast = Everything(n, {});
      if (first.empty()) first = exact;
      ASSERT_EQ(exact.size(), first.size());
      for (size_t i = 0; i < exact.size(); ++i) {
        ASSERT_EQ(exact[i], first[i]) << "at " << i << " of size " << n;
        ASSERT_NEAR(exact[i], fast[i], 1e-4 * (1 + std::abs(fast[i])))
            << "at " << i << " of size " << n;
      }
    });
  }
}

TEST(AttentionTest, DoesNotDependOnThreads) {
  Team team(3);
  for (const Arithmetic arithmetic : {Arithmetic::kFast, Arithmetic::kExact}) {
    EXPECT_EQ(Everything(40, {arithmetic}),
              Everything(40, {arithmetic, &team}));
  }
}

// As many rows with the keys and values repeated for every head.
TEST(AttentionTest, HeadsThatShareKeysAreThoseThatRepeatThem) {
  ForEachSimdTarget([] {
    for (const size_t keys : {1, 2, 4}) {
      const AttentionShape shared = {4, 24, keys};
      const AttentionShape repeated = {4, 24};
      const size_t tokens = 19;
      const std::vector<float> in =
          RandomNormal(tokens * PadToPanel(shared.row()), kSeed);
      std::vector<float> all(tokens * PadToPanel(repeated.row()));
      for (size_t t = 0; t < tokens; ++t) {
        const float* from = &in[t * PadToPanel(shared.row())];
        float* to = &all[t * PadToPanel(repeated.row())];
        to = std::copy_n(from, shared.dim(), to);
        for (size_t part = 0; part < 2; ++part) {
          for (size_t head = 0; head < 4; ++head) {
            const size_t key = part * keys + head * keys / 4;
            to = std::copy_n(from + shared.dim() + key * 24, 24, to);
          }
        }
      }
      AttentionScratch scratch;
      std::vector<float> got(tokens * PadToPanel(shared.dim()));
      std::vector<float> want = got;
      Attention(in.data(), tokens, shared, {}, &scratch, got.data());
      Attention(all.data(), tokens, repeated, {}, &scratch, want.data());
      ASSERT_EQ(got, want) << keys;
    }
  });
}

}  // namespace
}  // namespace corkscrew
