#ifndef CORKSCREW_TESTS_CONFORMANCE_HASH_EMBEDDER_H_
#define CORKSCREW_TESTS_CONFORMANCE_HASH_EMBEDDER_H_

// An embedder without a model: counts hashed words. Texts that share words are
// near each other, which is all that a test of the database needs.

#include <cctype>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "corkscrew/embedder.h"

namespace corkscrew::testing {

// Thread-safe.
class HashEmbedder : public Embedder {
 public:
  // `space` names the embedding space; `max_tokens` counts words.
  HashEmbedder(size_t dim, std::string space, size_t max_tokens = 64)
      : dim_(dim), space_(std::move(space)), max_tokens_(max_tokens) {}

  size_t dim() const override { return dim_; }
  const std::string& space() const override { return space_; }
  size_t max_tokens() const override { return max_tokens_; }

  absl::StatusOr<Embeddings> Embed(absl::Span<const absl::string_view> texts,
                                   TextKind) const override {
    Embeddings result;
    for (const absl::string_view text : texts) {
      std::vector<double> sum(dim_, 0.0);
      sum[0] = 0.25;  // The vector of the empty text.
      TokenizedText tokens;
      uint64_t hash = kStart;
      for (size_t i = 0; i <= text.size(); ++i) {
        const bool inside =
            i < text.size() &&
            std::isalnum(static_cast<unsigned char>(text[i])) != 0;
        if (inside) {
          hash = (hash ^ static_cast<uint8_t>(text[i])) * 0x100000001B3;
        } else if (hash != kStart) {
          if (tokens.tokens.size() == max_tokens_) {
            tokens.truncated = true;
            break;
          }
          tokens.tokens.push_back(static_cast<int32_t>(hash & 0x7FFFFFFF));
          for (int probe = 0; probe < 4; ++probe) {
            hash ^= hash >> 29;
            hash *= 0x9E3779B97F4A7C15;
            sum[hash % dim_] += (hash >> 63) != 0 ? 1.0 : -1.0;
          }
          hash = kStart;
        }
      }
      double squares = 0;
      for (const double x : sum) squares += x * x;
      for (const double x : sum) {
        result.vectors.push_back(static_cast<float>(x / std::sqrt(squares)));
      }
      result.texts.push_back(std::move(tokens));
    }
    return result;
  }

 private:
  static constexpr uint64_t kStart = 0xCBF29CE484222325;

  size_t dim_;
  std::string space_;
  size_t max_tokens_;
};

}  // namespace corkscrew::testing

#endif  // CORKSCREW_TESTS_CONFORMANCE_HASH_EMBEDDER_H_
