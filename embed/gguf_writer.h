#ifndef CORKSCREW_EMBED_GGUF_WRITER_H_
#define CORKSCREW_EMBED_GGUF_WRITER_H_

// Writes GGUF files, version 3. The same content gives the same bytes: values
// are ascending by key, tensors by name, both start at multiples of 32.

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "embed/gguf.h"
#include "embed/gguf_value.h"

namespace corkscrew {

// A later value of a key, or tensor of a name, replaces an earlier one.
// Single-threaded.
class GgufWriter {
 public:
  // A value of another file; general.alignment is left away.
  void Copy(const GgufValue& value);
  void Uint(absl::string_view key, uint32_t value);
  void Float(absl::string_view key, float value);
  void Bool(absl::string_view key, bool value);
  void String(absl::string_view key, absl::string_view value);
  void Strings(absl::string_view key, absl::Span<const std::string> values);
  void Floats(absl::string_view key, absl::Span<const float> values);
  void Ints(absl::string_view key, absl::Span<const int32_t> values);
  void Bytes(absl::string_view key, absl::string_view values);  // uint8.

  // `data` has the bytes that `shape`, innermost first, and `type` ask for.
  void Tensor(absl::string_view name, GgmlType type,
              absl::Span<const uint64_t> shape, std::string data);
  // The same with borrowed data.
  void TensorView(const GgufTensor& tensor);

  size_t tensors() const { return tensors_.size(); }

  // The bytes of the file.
  std::string Write() const;

 private:
  struct TensorEntry {
    GgmlType type = GgmlType::kF32;
    std::vector<uint64_t> shape;
    std::string owned;
    absl::string_view borrowed;  // Counts if `owned` is empty.
    absl::string_view data() const { return owned.empty() ? borrowed : owned; }
  };
  void Put(absl::string_view key, GgufValueType type, absl::string_view bytes);
  void PutArray(absl::string_view key, GgufValueType type, uint64_t count,
                absl::string_view bytes);

  std::map<std::string, std::string> values_;  // Encoded, without the key.
  std::map<std::string, TensorEntry> tensors_;
};

}  // namespace corkscrew

#endif  // CORKSCREW_EMBED_GGUF_WRITER_H_
