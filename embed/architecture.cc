#include "embed/architecture.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "base/toml.h"
#include "embed/arch_files.h"

namespace corkscrew {
namespace {

// A file above this is no description of a model.
constexpr size_t kMaxFileBytes = size_t{1} << 20;

template <typename T>
using Named = std::pair<absl::string_view, T>;

// One table of the file. The first thing wrong is kept in the status that all
// tables of a file share; values read after that are defaults.
class TableReader {
 public:
  TableReader(const toml::table& table, absl::string_view source,
              absl::Status* status)
      : table_(table), source_(source), status_(status) {}

  std::string Text(absl::string_view key, bool required = false) {
    const toml::node* node = Find(key, required);
    if (node == nullptr) return "";
    if (!node->is_string()) Fail(*node, key, "a string");
    return node->value_or(std::string());
  }
  bool Bool(absl::string_view key, bool otherwise) {
    const toml::node* node = Find(key, false);
    if (node == nullptr) return otherwise;
    if (!node->is_boolean()) Fail(*node, key, "true or false");
    return node->value_or(otherwise);
  }
  size_t Count(absl::string_view key, size_t least, size_t otherwise) {
    const toml::node* node = Find(key, false);
    if (node == nullptr) return otherwise;
    const auto value = node->value_or(int64_t{-1});
    if (!node->is_integer() || value < static_cast<int64_t>(least) ||
        value > 1000) {
      Fail(*node, key, absl::StrCat("a number from ", least, " to 1000"));
      return otherwise;
    }
    return static_cast<size_t>(value);
  }
  double Number(absl::string_view key) {
    const toml::node* node = Find(key, true);
    if (node == nullptr) return 0;
    const auto value = node->value_or(0.0);
    if (!node->is_number() || !(value > 0 && value < 1e30)) {
      Fail(*node, key, "a number above 0");
    }
    return value;
  }
  // "name" or, of a tensor that may be missing, "name?".
  TensorName Tensor(absl::string_view key, bool required = false) {
    return ParseTensor(Text(key, required));
  }
  std::vector<TensorName> Tensors(absl::string_view key) {
    std::vector<TensorName> tensors;
    const toml::node* node = Find(key, false);
    if (node == nullptr) return tensors;
    if (!node->is_array()) {
      Fail(*node, key, "a list of strings");
      return tensors;
    }
    for (const toml::node& value : *node->as_array()) {
      if (!value.is_string()) Fail(value, key, "a list of strings");
      tensors.push_back(ParseTensor(value.value_or(std::string())));
    }
    return tensors;
  }
  // One of `values`, the first if the key is missing.
  template <typename T>
  T Choice(absl::string_view key, std::initializer_list<Named<T>> values,
           bool required = false) {
    const toml::node* node = Find(key, required);
    if (node == nullptr) return values.begin()->second;
    const std::string text = node->value_or(std::string());
    std::string wanted;
    for (const auto& [name, value] : values) {
      if (node->is_string() && text == name) return value;
      absl::StrAppend(&wanted, wanted.empty() ? "" : " or ", "\"", name, "\"");
    }
    Fail(*node, key, wanted);
    return values.begin()->second;
  }
  // Calls `read` with the table under `key` if there is one.
  template <typename Read>
  void Table(absl::string_view key, const Read& read) {
    const toml::node* node = Find(key, false);
    if (node == nullptr) return;
    if (!node->is_table()) {
      Fail(*node, key, "a table");
      return;
    }
    TableReader inner(*node->as_table(), source_, status_);
    read(inner);
    inner.Finish();
  }
  template <typename Read>
  void Tables(absl::string_view key, const Read& read) {
    const toml::node* node = Find(key, false);
    if (node == nullptr) return;
    if (!node->is_array()) {
      Fail(*node, key, absl::StrCat("tables [[", key, "]]"));
      return;
    }
    for (const toml::node& value : *node->as_array()) {
      if (!value.is_table()) {
        Fail(value, key, absl::StrCat("tables [[", key, "]]"));
        return;
      }
      TableReader inner(*value.as_table(), source_, status_);
      read(inner);
      inner.Finish();
    }
  }

  // Reports keys that nobody asked for.
  void Finish() {
    for (const auto& [key, node] : table_) {
      const std::string name(key.str());
      if (asked_.count(name) == 0) {
        FailAt(node.source().begin.line,
               absl::StrCat("unknown key \"", name, "\""));
      }
    }
  }
  void FailHere(absl::string_view what) {
    FailAt(table_.source().begin.line, what);
  }

 private:
  const toml::node* Find(absl::string_view key, bool required) {
    asked_.insert(std::string(key));
    const toml::node* node =
        table_.get(std::string_view(key.data(), key.size()));
    if (node == nullptr && required) {
      FailHere(absl::StrCat("key \"", key, "\" is missing"));
    }
    return node;
  }
  void Fail(const toml::node& node, absl::string_view key,
            absl::string_view wanted) {
    FailAt(node.source().begin.line,
           absl::StrCat("key \"", key, "\": want ", wanted));
  }
  void FailAt(size_t line, absl::string_view what) {
    if (!status_->ok()) return;
    *status_ = absl::InvalidArgumentError(
        absl::StrCat(source_, ":", line, ": ", what));
  }
  static TensorName ParseTensor(absl::string_view text) {
    const bool optional = absl::ConsumeSuffix(&text, "?");
    return {std::string(text), optional};
  }

  const toml::table& table_;
  const absl::string_view source_;
  absl::Status* const status_;
  std::set<std::string> asked_;
};

KeyOr ReadKeyOr(TableReader& table, absl::string_view key) {
  KeyOr value;
  table.Table(key, [&](TableReader& inner) {
    value.key = inner.Text("key", /*required=*/true);
    value.otherwise = inner.Number("default");
  });
  return value;
}

LayerChoice ReadLayers(TableReader& table, absl::string_view key) {
  LayerChoice layers;
  table.Table(key, [&](TableReader& inner) {
    layers.every_key = inner.Text("every_key");
    layers.every = inner.Count("every", 1, 1);
    layers.phase = inner.Count("phase", 0, 0);
    layers.others = inner.Bool("others", false);
  });
  return layers;
}

void ReadAttention(TableReader& table, ArchitectureStep* step) {
  step->fused = table.Text("fused");
  step->query = table.Tensor("query", step->fused.empty());
  step->key = table.Tensor("key", step->fused.empty());
  step->value = table.Tensor("value", step->fused.empty());
  step->output = table.Tensor("output", /*required=*/true);
  step->query_norm = table.Tensor("query_norm");
  step->key_norm = table.Tensor("key_norm");
  step->norm_heads =
      table.Choice<bool>("norm_over", {{"row", false}, {"head", true}});
  step->position =
      table.Choice<PositionKind>("position", {{"none", PositionKind::kNone},
                                              {"rope", PositionKind::kRope},
                                              {"alibi", PositionKind::kAlibi}});
  step->rope_base = ReadKeyOr(table, "rope_base");
  step->local_rope_base = ReadKeyOr(table, "local_rope_base");
  step->causal = table.Bool("causal", false);
  step->global = ReadLayers(table, "global");
  step->window_key = table.Text("window");
  if (step->position == PositionKind::kRope && step->rope_base.key.empty()) {
    table.FailHere("position \"rope\" wants a key \"rope_base\"");
  }
  if (step->local_rope_base.key.empty()) {
    step->local_rope_base = step->rope_base;
  }
}

void ReadFeedForward(TableReader& table, ArchitectureStep* step) {
  step->up = table.Tensor("up", /*required=*/true);
  step->gate = table.Tensor("gate");
  step->gated = !step->gate.name.empty();
  step->down = table.Tensor("down", /*required=*/true);
  step->activation =
      table.Choice<GateActivation>("activation",
                                   {{"gelu", GateActivation::kGelu},
                                    {"gelu_tanh", GateActivation::kGeluTanh},
                                    {"silu", GateActivation::kSilu}},
                                   /*required=*/true);
  if (!step->gated && step->activation != GateActivation::kGelu) {
    table.FailHere("without a gate the activation must be \"gelu\"");
  }
  if (step->block != BlockKind::kExperts) return;
  step->router = table.Tensor("router", /*required=*/true);
  step->experts_key = table.Text("experts", /*required=*/true);
  step->experts_used_key = table.Text("experts_used", /*required=*/true);
  if (step->gated) table.FailHere("experts have no gate");
}

ArchitectureStep ReadStep(TableReader& table) {
  ArchitectureStep step;
  step.block =
      table.Choice<BlockKind>("block",
                              {{"attention", BlockKind::kAttention},
                               {"feed_forward", BlockKind::kFeedForward},
                               {"experts", BlockKind::kExperts},
                               {"layer_input", BlockKind::kLayerInput}},
                              /*required=*/true);
  step.layers = ReadLayers(table, "layers");
  step.before = table.Tensor("before");
  step.inside = table.Tensor("inside");
  step.after = table.Tensor("after");
  step.before_from = table.Count("before_from", 0, 0);
  step.if_tensor = table.Text("if_tensor");
  step.bias = table.Choice<BiasKind>("bias", {{"none", BiasKind::kNone},
                                              {"all", BiasKind::kAll},
                                              {"optional", BiasKind::kOptional},
                                              {"down", BiasKind::kDown}});
  if (step.block == BlockKind::kAttention) {
    ReadAttention(table, &step);
  } else if (step.block != BlockKind::kLayerInput) {
    ReadFeedForward(table, &step);
  }
  return step;
}

Architecture ReadArchitecture(TableReader& table) {
  Architecture a;
  a.name = table.Text("architecture", /*required=*/true);
  a.about = table.Text("about");
  a.norm = table.Choice<NormKind>(
      "norm", {{"layer", NormKind::kLayer}, {"rms", NormKind::kRms}});
  a.norm_bias = table.Bool("norm_bias", true);
  a.pooling = table.Choice<Pooling>("pooling", {{"mean", Pooling::kMean},
                                                {"cls", Pooling::kCls},
                                                {"last", Pooling::kLast}});
  a.ends_with_eos = table.Bool("ends_with_eos", false);
  bool has_input = false;
  table.Table("input", [&](TableReader& input) {
    has_input = true;
    a.token = input.Tensor("token", /*required=*/true);
    a.token_weight = input.Tensor("token_weight");
    a.scale_by_sqrt_width =
        input.Choice<bool>("scale", {{"one", false}, {"sqrt_width", true}});
    a.type = input.Tensor("type");
    a.position = input.Tensor("position");
    a.input_norm = input.Tensor("norm");
  });
  if (!has_input) table.FailHere("table [input] is missing");
  table.Tables("step",
               [&](TableReader& step) { a.steps.push_back(ReadStep(step)); });
  table.Table("output", [&](TableReader& output) {
    a.output_norm = output.Tensor("norm");
    a.dense = output.Tensors("dense");
  });
  return a;
}

struct BuiltIn {
  std::vector<Architecture> all;
  absl::Status status;
};

const BuiltIn& BuiltInArchitectures() {
  static const BuiltIn* const built_in = [] {
    auto* result = new BuiltIn;  // Lives as long as the process.
    for (const ArchFile& file : ArchFiles()) {
      absl::StatusOr<Architecture> a =
          Architecture::Parse(file.text, file.name);
      if (a.ok()) {
        result->all.push_back(*std::move(a));
      } else {
        result->status.Update(a.status());
      }
    }
    std::sort(result->all.begin(), result->all.end(),
              [](const Architecture& a, const Architecture& b) {
                return a.name < b.name;
              });
    return result;
  }();
  return *built_in;
}

}  // namespace

absl::StatusOr<Architecture> Architecture::Parse(absl::string_view toml,
                                                 absl::string_view source) {
  if (toml.size() > kMaxFileBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        source, ": has ", toml.size(), " bytes, want at most ", kMaxFileBytes));
  }
  // toml++ 3.3 runs into undefined behaviour at letters from U+00A1 to U+0499
  // where a key or a value could begin.
  const auto strange = std::find_if(toml.begin(), toml.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x80;
  });
  if (strange != toml.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat(source, ":", 1 + std::count(toml.begin(), strange, '\n'),
                     ": has a character that is not ASCII, want ASCII alone"));
  }
  const toml::parse_result result =
      toml::parse(std::string_view(toml.data(), toml.size()));
  if (!result) {
    const std::string_view what = result.error().description();
    return absl::InvalidArgumentError(
        absl::StrCat(source, ":", result.error().source().begin.line, ": ",
                     absl::string_view(what.data(), what.size())));
  }
  absl::Status status;
  TableReader table(result.table(), source, &status);
  Architecture architecture = ReadArchitecture(table);
  table.Finish();
  CORKSCREW_RETURN_IF_ERROR(status);
  architecture.source = std::string(source);
  return architecture;
}

bool Architecture::ComputesTheSame(const Architecture& other) const {
  const auto all = [](const Architecture& a) {
    return std::tie(a.name, a.norm, a.norm_bias, a.pooling, a.ends_with_eos,
                    a.token, a.token_weight, a.type, a.position, a.input_norm,
                    a.scale_by_sqrt_width, a.steps, a.output_norm, a.dense);
  };
  return all(*this) == all(other);
}

absl::StatusOr<const Architecture*> FindArchitecture(absl::string_view name) {
  const BuiltIn& built_in = BuiltInArchitectures();
  CORKSCREW_RETURN_IF_ERROR(built_in.status);
  std::string names;
  for (const Architecture& a : built_in.all) {
    if (a.name == name) return &a;
    absl::StrAppend(&names, names.empty() ? "" : ", ", a.name);
  }
  return absl::UnimplementedError(absl::StrCat(
      "is a model of architecture \"", name, "\", supported are ", names));
}

std::vector<std::string> ArchitectureNames() {
  std::vector<std::string> names;
  for (const Architecture& a : BuiltInArchitectures().all) {
    names.push_back(a.name);
  }
  return names;
}

}  // namespace corkscrew
