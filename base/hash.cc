#include "base/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/strings/string_view.h"

namespace corkscrew {
namespace {

// Finding an algorithm by name and making a context takes OpenSSL 3 longer than
// hashing a kilobyte: one search per process, one context per thread.
const EVP_MD* Algorithm() {
  static const EVP_MD* const algorithm = [] {
    const EVP_MD* found = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    return found != nullptr ? found : EVP_sha256();
  }();
  return algorithm;
}

class DigestContext {
 public:
  DigestContext() : context_(EVP_MD_CTX_new()) {}
  ~DigestContext() { EVP_MD_CTX_free(context_); }
  DigestContext(const DigestContext&) = delete;
  DigestContext& operator=(const DigestContext&) = delete;

  EVP_MD_CTX* get() const { return context_; }

 private:
  EVP_MD_CTX* const context_;
};

}  // namespace

Sha256Digest Sha256(absl::string_view bytes) {
  thread_local const DigestContext context;
  Sha256Digest digest;
  unsigned int size = 0;
  EVP_DigestInit_ex(context.get(), Algorithm(), nullptr);
  EVP_DigestUpdate(context.get(), bytes.data(), bytes.size());
  EVP_DigestFinal_ex(context.get(), digest.data(), &size);
  return digest;
}

bool EqualInConstantTime(const Sha256Digest& a, const Sha256Digest& b) {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

struct Sha256Stream::Context : DigestContext {
  Context() { EVP_DigestInit_ex(get(), Algorithm(), nullptr); }
};

Sha256Stream::Sha256Stream() : context_(std::make_unique<Context>()) {}
Sha256Stream::~Sha256Stream() = default;

void Sha256Stream::Update(absl::string_view bytes) {
  EVP_DigestUpdate(context_->get(), bytes.data(), bytes.size());
}

Sha256Digest Sha256Stream::Finish() {
  Sha256Digest digest;
  unsigned int size = 0;
  EVP_DigestFinal_ex(context_->get(), digest.data(), &size);
  return digest;
}

bool SystemRandom(uint8_t* out, size_t size) {
  return RAND_bytes(out, static_cast<int>(size)) == 1;
}

}  // namespace corkscrew
