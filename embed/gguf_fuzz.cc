// Fuzzes the GGUF reader: whatever the bytes, it refuses them or every view it
// gives out lies inside them. Input that starts with "GGUF" is read as it is;
// other input is a script that builds a file which is right in most places, so
// that the fuzzer gets past the first checks.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/cursor.h"
#include "embed/ggml_types.h"
#include "embed/gguf.h"
#include "embed/gguf_builder.h"

namespace corkscrew {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

// Reads the script; zero when it is over.
class Script {
 public:
  explicit Script(absl::string_view bytes) : cursor_(bytes) {}
  uint8_t Byte() {
    uint8_t byte = 0;
    if (!cursor_.ReadLittle(&byte)) over_ = true;
    return byte;
  }
  // Mostly small numbers, sometimes numbers around powers of two.
  uint64_t Number() {
    const uint8_t byte = Byte();
    if (byte < 0xC0) return byte;
    return (uint64_t{1} << (byte & 63)) + Byte() - 128;
  }
  std::string Text() {
    absl::string_view text;
    const uint8_t size = Byte();
    if (!cursor_.ReadBytes(std::min<uint64_t>(size, cursor_.remaining()),
                           &text)) {
      over_ = true;
    }
    return std::string(text);
  }
  bool over() const { return over_; }

 private:
  Cursor cursor_;
  bool over_ = false;
};

std::string BuildFile(absl::string_view bytes) {
  constexpr std::array<GgmlType, 5> kTypes = {GgmlType::kF32, GgmlType::kF16,
                                              GgmlType::kQ8_0, GgmlType::kQ4_0,
                                              GgmlType::kQ6_K};
  Script script(bytes);
  testing::GgufBuilder builder;
  builder.version = 2 + script.Byte() % 2;
  builder.alignment = uint64_t{1} << (script.Byte() % 14);
  while (!script.over()) {
    switch (script.Byte() % 6) {
      case 0:
        builder.Raw(script.Text(), script.Byte(), script.Text());
        break;
      case 1:
        builder.Strings(script.Text(), {script.Text(), script.Text()});
        break;
      case 2: {  // An array that may claim more than it has.
        std::string array;
        testing::AppendLittle<uint32_t>(&array, script.Byte());
        testing::AppendLittle<uint64_t>(&array, script.Number());
        builder.Raw(script.Text(), 9, array + script.Text());
        break;
      }
      default: {
        const std::string name = script.Text();
        const uint8_t pick = script.Byte();
        const GgmlType type = pick < 250 ? kTypes[pick % kTypes.size()]
                                         : static_cast<GgmlType>(pick);
        std::vector<uint64_t> shape(script.Byte() % 6);
        for (uint64_t& extent : shape) extent = script.Number();
        if (!shape.empty() && pick % 8 != 0) {  // Mostly whole blocks.
          shape[0] *= std::max<size_t>(1, BlockOf(type).values);
        }
        // Mostly as many bytes as the shape asks for.
        uint64_t bytes_wanted = script.Number();
        if (pick % 16 != 1) {
          const GgmlBlock block = BlockOf(type);
          bytes_wanted = block.bytes;
          for (const uint64_t extent : shape) bytes_wanted *= extent;
          if (block.values > 1) bytes_wanted /= block.values;
        }
        builder.Tensor(
            name, type, shape,
            std::string(std::min<uint64_t>(bytes_wanted, 4096), 'd'));
      }
    }
  }
  return builder.Build();
}

// Reads all that `file` offers under the keys a model uses, and its tensors.
void ReadAll(const GgufFile& file) {
  size_t sum = 0;
  for (const absl::string_view key :
       {"a", "general.architecture", "general.alignment", "tokens",
        "tokenizer.ggml.tokens", "bert.block_count"}) {
    if (const auto value = file.Uint(key); value.ok()) sum += *value;
    if (const auto value = file.Float(key); value.ok()) sum += *value > 0;
    if (const auto value = file.Bool(key); value.ok()) sum += *value;
    if (const auto text = file.String(key); text.ok()) {
      for (const char c : *text) sum += static_cast<unsigned char>(c);
    }
    if (const auto texts = file.Strings(key); texts.ok()) {
      for (const absl::string_view text : *texts) {
        for (const char c : text) sum += static_cast<unsigned char>(c);
      }
    }
    if (const auto values = file.Floats(key); values.ok()) {
      for (const float value : *values) sum += value > 0;
    }
    if (const auto values = file.Ints(key); values.ok()) {
      for (const int64_t value : *values) sum += value > 0;
    }
  }
  absl::string_view previous;
  std::vector<float> row;
  for (const GgufTensor& tensor : file.tensors()) {
    Require(previous.empty() || previous < tensor.name);
    previous = tensor.name;
    Require(file.Find(tensor.name) == &tensor);
    const GgmlBlock block = BlockOf(tensor.type);
    Require(tensor.row_values() % block.values == 0);
    const size_t row_bytes = tensor.row_values() / block.values * block.bytes;
    Require(tensor.data.size() == row_bytes * tensor.rows());
    row.resize(tensor.row_values());
    for (uint64_t i = 0; i < tensor.rows(); ++i) {
      DequantizeRow(tensor.type, tensor.data.data() + i * row_bytes, row.size(),
                    row.data());
      sum += row[0] > 0;
    }
  }
  volatile size_t kept = sum;  // So that the reads are not optimized away.
  static_cast<void>(kept);
}

}  // namespace
}  // namespace corkscrew

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using corkscrew::GgufFile;
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (bytes.substr(0, 4) != "GGUF") bytes = corkscrew::BuildFile(bytes);
  const auto file = GgufFile::Parse(std::move(bytes), "fuzz.gguf");
  if (file.ok()) corkscrew::ReadAll(**file);
  return 0;
}
