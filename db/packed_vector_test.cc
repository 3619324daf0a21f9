#include "db/packed_vector.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

std::vector<float> Normals(size_t dim, uint64_t seed) {
  Random random(seed);
  std::vector<float> vector(dim);
  for (float& x : vector) x = static_cast<float>(random.Normal());
  return vector;
}

bool SameBits(absl::Span<const float> a, absl::Span<const float> b) {
  return a.size() == b.size() &&
         std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST(PackedVectorTest, GivesBackEveryBitOfVectorsOfEveryDim) {
  for (size_t dim = 5; dim <= 400; ++dim) {
    const std::vector<float> vector = Normals(dim, dim);
    std::string packed;
    if (!PackVector(vector, &packed)) {
      EXPECT_TRUE(packed.empty());
      EXPECT_LT(dim, 16u) << "a small vector may have no large exponent twice";
      continue;
    }
    EXPECT_LT(packed.size(), 4 * dim);
    EXPECT_EQ(PackedDim(packed), dim);
    std::vector<float> read(dim);
    ASSERT_TRUE(UnpackVector(packed, absl::MakeSpan(read))) << dim;
    EXPECT_TRUE(SameBits(read, vector)) << dim;
  }
}

TEST(PackedVectorTest, TakesAnEighthOffAVector) {
  std::string packed;
  ASSERT_TRUE(PackVector(Normals(384, 1), &packed));
  EXPECT_LE(packed.size(), 384 * 7 / 2 + 4u);
}

TEST(PackedVectorTest, GivesBackFloatsOfAllKinds) {
  std::vector<float> vector = Normals(64, 2);
  using Limits = std::numeric_limits<float>;
  vector[0] = 0.0f;
  vector[1] = -0.0f;
  vector[2] = Limits::denorm_min();
  vector[3] = -Limits::min();
  vector[4] = Limits::max();
  vector[5] = Limits::infinity();
  vector[6] = -Limits::quiet_NaN();
  vector[63] = 1e-30f;
  std::string packed;
  // Everything is far below the largest exponent.
  EXPECT_FALSE(PackVector(vector, &packed));
  vector[4] = vector[5] = vector[6] = 1.5f;
  ASSERT_TRUE(PackVector(vector, &packed));
  std::vector<float> read(vector.size());
  ASSERT_TRUE(UnpackVector(packed, absl::MakeSpan(read)));
  EXPECT_TRUE(SameBits(read, vector));
}

TEST(PackedVectorTest, LeavesSparseVectorsAsTheyAre) {
  std::vector<float> vector(64);
  vector[7] = 1;
  std::string packed;
  EXPECT_FALSE(PackVector(vector, &packed));
  EXPECT_FALSE(PackVector({}, &packed));
  // Zeros alone have one exponent.
  vector[7] = 0;
  EXPECT_TRUE(PackVector(vector, &packed));
}

// What is read is what was written: a vector has one packed form.
TEST(PackedVectorTest, ReadsOnlyWhatItWrites) {
  for (const size_t dim : {16, 17}) {
    std::vector<float> vector = Normals(dim, 3);
    vector[2] = 0;
    std::string packed;
    ASSERT_TRUE(PackVector(vector, &packed));
    std::vector<float> read(dim);
    for (size_t size = 0; size < packed.size(); ++size) {
      EXPECT_FALSE(UnpackVector(packed.substr(0, size), absl::MakeSpan(read)));
    }
    EXPECT_FALSE(UnpackVector(packed + '\0', absl::MakeSpan(read)));
    for (size_t i = 0; i < packed.size(); ++i) {
      for (int bit = 0; bit < 8; ++bit) {
        std::string other = packed;
        other[i] = static_cast<char>(other[i] ^ 1 << bit);
        if (!UnpackVector(other, absl::MakeSpan(read))) continue;
        std::string again;
        ASSERT_TRUE(PackVector(read, &again)) << i;
        EXPECT_EQ(again, other) << i;
      }
    }
    std::vector<float> longer(dim + 1);
    EXPECT_FALSE(UnpackVector(packed, absl::MakeSpan(longer)));
  }
}

}  // namespace
}  // namespace corkscrew
