#include "embed/space.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "base/hash.h"
#include "embed/gguf.h"

namespace corkscrew {
namespace {

constexpr absl::string_view kMagic = "corkscrew-space-1";

// Hashes fields one after the other. Little-endian.
class Writer {
 public:
  void Raw(absl::string_view bytes) { stream_.Update(bytes); }
  template <typename T>
  void Fixed(T value) {
    char bytes[sizeof(value)];
    std::memcpy(bytes, &value, sizeof(value));
    Raw({bytes, sizeof(bytes)});
  }
  void String(absl::string_view text) {
    Fixed<uint64_t>(text.size());
    Raw(text);
  }
  void Parameters(std::vector<SpaceParameter> parameters) {
    std::sort(parameters.begin(), parameters.end());
    Fixed(static_cast<uint32_t>(parameters.size()));
    for (const auto& [name, value] : parameters) {
      String(name);
      if (const auto* number = std::get_if<uint64_t>(&value)) {
        Fixed<uint8_t>(1);
        Fixed(*number);
      } else {
        Fixed<uint8_t>(2);
        Fixed(std::get<double>(value));
      }
    }
  }
  void Tensor(const GgufTensor& tensor) {
    String(tensor.name);
    Fixed(static_cast<uint32_t>(tensor.type));
    for (const uint64_t n : tensor.shape) Fixed(n);
    String(tensor.data);
  }
  std::string Finish() {
    const Sha256Digest digest = stream_.Finish();
    return absl::BytesToHexString(
        {reinterpret_cast<const char*>(digest.data()), digest.size()});
  }

 private:
  Sha256Stream stream_;
};

}  // namespace

std::string SpaceOf(SpaceContent content) {
  Writer writer;
  writer.Raw(kMagic);
  writer.String(content.architecture);
  writer.Parameters(std::move(content.parameters));
  writer.String(content.tokenizer);
  writer.Parameters(std::move(content.tokenizer_parameters));
  writer.Fixed(static_cast<uint32_t>(content.tokens.size()));
  for (const absl::string_view token : content.tokens) writer.String(token);
  writer.String(content.pooling);
  writer.String(content.normalisation);
  writer.String(content.query_prompt);
  writer.String(content.document_prompt);
  writer.Fixed(static_cast<uint64_t>(content.max_tokens));
  std::sort(content.tensors.begin(), content.tensors.end(),
            [](const GgufTensor* a, const GgufTensor* b) {
              return a->name < b->name;
            });
  writer.Fixed(static_cast<uint32_t>(content.tensors.size()));
  for (const GgufTensor* tensor : content.tensors) writer.Tensor(*tensor);
  return writer.Finish();
}

}  // namespace corkscrew
