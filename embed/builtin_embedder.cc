#include "embed/builtin_embedder.h"

#include <utf8proc.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/utf8.h"
#include "corkscrew/embedder.h"
#include "embed/space.h"
#include "embed/unicode_text.h"

namespace corkscrew {
namespace {

constexpr size_t kDim = 384;
constexpr size_t kProbes = 4;  // Coordinates that a feature adds to.
constexpr uint64_t kGolden = 0x9E3779B97F4A7C15;
// The original's, which lacks the last digit of FNV-1a's.
constexpr uint64_t kOffset = 1469598103934665603u;
constexpr uint64_t kPrime = 1099511628211u;

uint64_t SplitMix64(uint64_t x) {
  x += kGolden;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

// FNV-1a by characters, so that features can be hashed in parts.
uint64_t Hash(uint64_t seed, absl::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const size_t bytes = CharacterBytes(text.substr(i));
    seed = (seed ^ DecodeCharacter(text.substr(i, bytes))) * kPrime;
    i += bytes;
  }
  return seed;
}

void AddFeature(uint64_t seed, float* vector) {
  for (size_t i = 0; i < kProbes; ++i) {
    seed = SplitMix64(seed + i * kGolden);
    vector[seed % kDim] += 1.0f / static_cast<float>(i + 1);
  }
}

bool IsLetterOrDigit(uint32_t character) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(character))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_ND:
      return true;
    default:
      return false;
  }
}

void AddWords(absl::string_view text, float* vector) {
  std::string word;
  std::string before;
  const auto end_word = [&] {
    if (word.empty()) return;
    AddFeature(Hash(Hash(kOffset, "w:"), word), vector);
    if (!before.empty()) {
      const uint64_t pair = Hash(Hash(kOffset, "p:"), before);
      AddFeature(Hash(Hash(pair, "_"), word), vector);
    }
    before = std::exchange(word, "");
  };
  for (size_t i = 0; i < text.size();) {
    const size_t bytes = CharacterBytes(text.substr(i));
    const uint32_t character = DecodeCharacter(text.substr(i, bytes));
    i += bytes;
    if (!IsLetterOrDigit(character)) {
      end_word();
      continue;
    }
    utf8proc_uint8_t utf8[4];
    const auto size = utf8proc_encode_char(
        utf8proc_tolower(static_cast<utf8proc_int32_t>(character)), utf8);
    word.append(reinterpret_cast<const char*>(utf8), static_cast<size_t>(size));
  }
  end_word();
}

void Normalize(float* vector) {
  double squares = 0;
  for (size_t i = 0; i < kDim; ++i) {
    squares += static_cast<double>(vector[i] * vector[i]);
  }
  if (squares == 0) return;
  const double scale = 1 / std::sqrt(squares);
  for (size_t i = 0; i < kDim; ++i) {
    vector[i] = static_cast<float>(double{vector[i]} * scale);
  }
}

class HashingEmbedder final : public Embedder {
 public:
  HashingEmbedder() {
    SpaceContent content;
    content.architecture = std::string(kBuiltinModel);
    content.max_tokens = max_tokens();
    space_ = SpaceOf(std::move(content));
  }

  size_t dim() const override { return kDim; }
  const std::string& space() const override { return space_; }
  size_t max_tokens() const override { return size_t{1} << 30; }

  absl::StatusOr<Embeddings> Embed(absl::Span<const absl::string_view> texts,
                                   TextKind /*kind*/) const override {
    Embeddings result;
    result.vectors.resize(texts.size() * kDim);
    result.texts.resize(texts.size());
    for (size_t i = 0; i < texts.size(); ++i) {
      if (!IsValidUtf8(texts[i])) {
        return absl::InvalidArgumentError(absl::StrCat(
            "text ", i, " of ", texts.size(), " is not valid UTF-8"));
      }
      AddWords(texts[i], &result.vectors[i * kDim]);
      Normalize(&result.vectors[i * kDim]);
    }
    return result;
  }

 private:
  std::string space_;
};

}  // namespace

std::shared_ptr<const Embedder> BuiltinEmbedder() {
  static const auto* const embedder =  // Lives as long as the process.
      new std::shared_ptr<const Embedder>(std::make_shared<HashingEmbedder>());
  return *embedder;
}

}  // namespace corkscrew
