#include "base/ed25519.h"

#include <string>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

// RFC 8032, section 7.1, test 2.
TEST(Ed25519Test, VerifiesTheVectorOfTheStandardAndNothingElse) {
  const std::string key = absl::HexStringToBytes(
      "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  const std::string message = absl::HexStringToBytes("72");
  const std::string signature = absl::HexStringToBytes(
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
      "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
  EXPECT_TRUE(VerifyEd25519(key, message, signature));
  EXPECT_FALSE(VerifyEd25519(key, "s", signature));
  EXPECT_FALSE(VerifyEd25519(key, message, signature.substr(1)));
  EXPECT_FALSE(VerifyEd25519(key.substr(1), message, signature));
  std::string changed = signature;
  changed[5] = static_cast<char>(changed[5] ^ 1);
  EXPECT_FALSE(VerifyEd25519(key, message, changed));
}

TEST(Ed25519Test, SignsTheVectorOfTheStandard) {
  const std::string seed = absl::HexStringToBytes(
      "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
  EXPECT_EQ(absl::BytesToHexString(Ed25519PublicKey(seed)),
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  EXPECT_EQ(absl::BytesToHexString(SignEd25519(seed, "\x72")),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
  EXPECT_EQ(SignEd25519(seed.substr(1), ""), "");
  EXPECT_EQ(Ed25519PublicKey(seed + "x"), "");
}

}  // namespace
}  // namespace corkscrew
