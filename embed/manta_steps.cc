#include "embed/manta_steps.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "embed/manta_model.h"
#include "embed/mll_contents.h"
#include "embed/mll_file.h"
#include "nlohmann/json.hpp"

namespace corkscrew::testing {
namespace {

using Json = nlohmann::json;

constexpr double kEpsilon = 1e-5;  // Of layer norms.

// Row-major.
struct Matrix {
  size_t rows = 0;
  size_t columns = 0;
  std::vector<double> values;

  double& At(size_t r, size_t c) { return values[r * columns + c]; }
  double At(size_t r, size_t c) const { return values[r * columns + c]; }
};

Matrix Zeros(size_t rows, size_t columns) {
  return {rows, columns, std::vector<double>(rows * columns)};
}

Matrix Multiply(const Matrix& a, const Matrix& b) {
  Matrix product = Zeros(a.rows, b.columns);
  for (size_t r = 0; r < a.rows; ++r) {
    for (size_t c = 0; c < b.columns; ++c) {
      for (size_t i = 0; i < a.columns; ++i) {
        product.At(r, c) += a.At(r, i) * b.At(i, c);
      }
    }
  }
  return product;
}

Matrix Transpose(const Matrix& a) {
  Matrix transposed = Zeros(a.columns, a.rows);
  for (size_t r = 0; r < a.rows; ++r) {
    for (size_t c = 0; c < a.columns; ++c) transposed.At(c, r) = a.At(r, c);
  }
  return transposed;
}

// Calls `change` with each row.
template <typename Change>
Matrix EachRow(Matrix a, const Change& change) {
  for (size_t r = 0; r < a.rows; ++r) change(&a.At(r, 0), a.columns);
  return a;
}

void Softmax(double* row, size_t n) {
  const double most = *std::max_element(row, row + n);
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += row[i] = std::exp(row[i] - most);
  for (size_t i = 0; i < n; ++i) row[i] /= sum;
}

void LayerNorm(double* row, size_t n) {
  double mean = 0;
  for (size_t i = 0; i < n; ++i) mean += row[i] / static_cast<double>(n);
  double variance = 0;
  for (size_t i = 0; i < n; ++i) {
    variance += (row[i] - mean) * (row[i] - mean) / static_cast<double>(n);
  }
  for (size_t i = 0; i < n; ++i) {
    row[i] = (row[i] - mean) / std::sqrt(variance + kEpsilon);
  }
}

void Gelu(double* row, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const double x = row[i];
    row[i] =
        0.5 * x * (1 + std::tanh(0.7978845608 * (x + 0.044715 * x * x * x)));
  }
}

void Normalize(double* row, size_t n) {
  double squares = 0;
  for (size_t i = 0; i < n; ++i) squares += row[i] * row[i];
  if (squares == 0) return;
  for (size_t i = 0; i < n; ++i) row[i] /= std::sqrt(squares);
}

Matrix Add(Matrix a, const Matrix& b) {
  for (size_t i = 0; i < a.values.size(); ++i) a.values[i] += b.values[i];
  return a;
}

// Of all rows: no token of a text is masked.
Matrix MeanPool(const Matrix& a) {
  Matrix mean = Zeros(1, a.columns);
  for (size_t r = 0; r < a.rows; ++r) {
    for (size_t c = 0; c < a.columns; ++c) {
      mean.At(0, c) += a.At(r, c) / static_cast<double>(a.rows);
    }
  }
  return mean;
}

Matrix Gather(const Matrix& table, absl::Span<const int32_t> tokens) {
  Matrix rows = Zeros(tokens.size(), table.columns);
  for (size_t t = 0; t < tokens.size(); ++t) {
    for (size_t c = 0; c < table.columns; ++c) {
      rows.At(t, c) = table.At(static_cast<size_t>(tokens[t]), c);
    }
  }
  return rows;
}

// Runs one step. `inputs` are matrices; where a step wants ids or a mask, the
// place is empty.
absl::StatusOr<Matrix> RunStep(const std::string& operation,
                               const std::vector<Matrix>& inputs,
                               absl::Span<const int32_t> tokens) {
  if (operation == "gather") return Gather(inputs.at(0), tokens);
  if (operation == "dequant") return inputs.at(0);
  if (operation == "matmul") return Multiply(inputs.at(0), inputs.at(1));
  if (operation == "transpose") return Transpose(inputs.at(0));
  if (operation == "binary_add") return Add(inputs.at(0), inputs.at(1));
  if (operation == "softmax") return EachRow(inputs.at(0), Softmax);
  if (operation == "layernorm") return EachRow(inputs.at(0), LayerNorm);
  if (operation == "gelu") return EachRow(inputs.at(0), Gelu);
  if (operation == "normalize") return EachRow(inputs.at(0), Normalize);
  if (operation == "mean_pool") return MeanPool(inputs.at(0));
  return absl::InvalidArgumentError(
      absl::StrCat("step \"", operation, "\" is not known"));
}

absl::StatusOr<std::map<std::string, Matrix>> ReadWeights(
    const MllContents& contents, const Json& scales) {
  std::map<std::string, Matrix> weights;
  for (const MllTensor& tensor : contents.tensors) {
    const std::string name(tensor.name);
    const float scale = scales.is_object() && scales.contains(name)
                            ? scales[name].get<float>()
                            : 0.0f;
    CORKSCREW_ASSIGN_OR_RETURN(const MantaMatrix expanded,
                               ExpandTensor(tensor, scale));
    std::vector<float> values(expanded.rows * expanded.columns);
    std::memcpy(values.data(), expanded.bytes.data(), expanded.bytes.size());
    weights[name] = {expanded.rows, expanded.columns,
                     std::vector<double>(values.begin(), values.end())};
  }
  return weights;
}

}  // namespace

absl::StatusOr<std::vector<double>> RunMantaSteps(
    const MllFile& file, absl::Span<const int32_t> tokens) {
  CORKSCREW_ASSIGN_OR_RETURN(const MllContents contents,
                             MllContents::Read(file));
  const MllSection* section = file.Find("XMTA");
  if (section == nullptr) return absl::InvalidArgumentError("no XMTA");
  const Json json = Json::parse(section->body.begin(), section->body.end());
  CORKSCREW_ASSIGN_OR_RETURN(
      auto values,
      ReadWeights(contents, json.value("tensor_scales", Json::object())));
  for (const Json& step : json["artifact"]["steps"]) {
    if (step["entry"] != "embed_pooled") continue;
    if (step["kind"] == "return") return values[step["outputs"][0]].values;
    std::vector<Matrix> inputs;
    for (const Json& input : step["inputs"]) inputs.push_back(values[input]);
    const bool launched = step["kind"] == "launch_kernel";
    CORKSCREW_ASSIGN_OR_RETURN(
        Matrix result,
        RunStep(launched ? step["kernel"] : step["kind"], inputs, tokens));
    values[step["outputs"][0]] = std::move(result);
  }
  return absl::InvalidArgumentError("no step returns a vector");
}

}  // namespace corkscrew::testing
