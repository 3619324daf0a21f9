#include "base/sha256_pair.h"

#include <cstddef>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "base/hash.h"
#include "base/random.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

// FIPS 180-4: examples of NIST for messages of one and of two blocks.
TEST(Sha256PairTest, AgreesWithPublishedExamples) {
  const auto hex = [](const Sha256Digest& digest) {
    return absl::BytesToHexString(
        {reinterpret_cast<const char*>(digest.data()), digest.size()});
  };
  Sha256Digest a, b;
  Sha256Pair("abc", "abc", &a, &b);
  EXPECT_EQ(hex(a),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(a, b);
  const std::string two =
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
  Sha256Pair(two, std::string(two.size(), 'x'), &a, &b);
  EXPECT_EQ(hex(a),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_NE(a, b);
}

TEST(Sha256PairTest, EverySizeAgreesWithOneMessageAlone) {
  Random random(3);
  std::string bytes(2000, '\0');
  for (char& c : bytes) c = static_cast<char>(random.Next());
  const absl::string_view all = bytes;
  for (size_t size = 0; size < 600; ++size) {
    const absl::string_view a = all.substr(size % 5, size);
    for (const size_t other : {size, size + 1, size / 2}) {
      const absl::string_view b = all.substr(700 + size % 7, other);
      Sha256Digest of_a, of_b;
      Sha256Pair(a, b, &of_a, &of_b);
      EXPECT_EQ(of_a, Sha256(a)) << size;
      EXPECT_EQ(of_b, Sha256(b)) << other;
    }
  }
}

}  // namespace
}  // namespace corkscrew
