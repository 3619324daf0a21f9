#include "base/ed25519.h"

#include <openssl/evp.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace corkscrew {
namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

Key PrivateKey(absl::string_view seed) {
  return Key(EVP_PKEY_new_raw_private_key(
                 EVP_PKEY_ED25519, nullptr,
                 reinterpret_cast<const uint8_t*>(seed.data()), seed.size()),
             EVP_PKEY_free);
}

}  // namespace

std::string SignEd25519(absl::string_view seed, absl::string_view message) {
  if (seed.size() != 32) return "";
  const Key key = PrivateKey(seed);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(
      EVP_MD_CTX_new(), EVP_MD_CTX_free);
  std::string signature(64, '\0');
  size_t size = signature.size();
  if (key == nullptr || context == nullptr ||
      EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) !=
          1 ||
      EVP_DigestSign(context.get(),
                     reinterpret_cast<uint8_t*>(signature.data()), &size,
                     reinterpret_cast<const uint8_t*>(message.data()),
                     message.size()) != 1) {
    return "";
  }
  return signature;
}

std::string Ed25519PublicKey(absl::string_view seed) {
  if (seed.size() != 32) return "";
  const Key key = PrivateKey(seed);
  std::string public_key(32, '\0');
  size_t size = public_key.size();
  if (key == nullptr ||
      EVP_PKEY_get_raw_public_key(key.get(),
                                  reinterpret_cast<uint8_t*>(public_key.data()),
                                  &size) != 1) {
    return "";
  }
  return public_key;
}

bool VerifyEd25519(absl::string_view public_key, absl::string_view message,
                   absl::string_view signature) {
  if (public_key.size() != 32 || signature.size() != 64) return false;
  const auto bytes = [](absl::string_view view) {
    return reinterpret_cast<const uint8_t*>(view.data());
  };
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes(public_key),
                                  public_key.size()),
      EVP_PKEY_free);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(
      EVP_MD_CTX_new(), EVP_MD_CTX_free);
  return key != nullptr && context != nullptr &&
         EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr,
                              key.get()) == 1 &&
         EVP_DigestVerify(context.get(), bytes(signature), signature.size(),
                          bytes(message), message.size()) == 1;
}

}  // namespace corkscrew
