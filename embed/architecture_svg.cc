#include "embed/architecture_svg.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "embed/architecture.h"

namespace corkscrew {
namespace {

enum class NodeKind { kEnd, kNorm, kBlock, kSum };

// What the data goes through, one after the other.
struct Node {
  NodeKind kind = NodeKind::kBlock;
  std::vector<std::string> lines;  // The first is the title.
  // Of a sum: how many nodes back the sum's other input branches off.
  size_t back = 0;
};

// Nodes before the layers, of each layer, and behind them.
struct Drawing {
  std::vector<Node> input, layer, output;
};

std::string Shown(const TensorName& tensor) {
  return tensor.optional ? absl::StrCat(tensor.name, " (if there)")
                         : tensor.name;
}

// Joins what is not empty.
std::string List(std::vector<std::string> items) {
  std::erase(items, "");
  return absl::StrJoin(items, ", ");
}

std::string LayersText(const LayerChoice& layers, absl::string_view which) {
  if (layers.every_key.empty() && layers.every <= 1) return "";
  const std::string every = layers.every_key.empty()
                                ? absl::StrCat(layers.every)
                                : absl::StrCat("[", layers.every_key, "]");
  return absl::StrCat(which, ": layer mod ", every,
                      layers.others ? " is not " : " = ", layers.phase);
}

std::string BiasText(BiasKind bias) {
  switch (bias) {
    case BiasKind::kAll:
      return "with biases";
    case BiasKind::kOptional:
      return "with biases that are there";
    case BiasKind::kDown:
      return "with a bias of the last matrix";
    case BiasKind::kNone:
      break;
  }
  return "";
}

std::string RopeText(const KeyOr& base, absl::string_view what) {
  return absl::StrFormat("%s base [%s] or %g", what, base.key, base.otherwise);
}

void AddAttentionLines(const ArchitectureStep& step,
                       std::vector<std::string>* lines) {
  lines->push_back(step.fused.empty()
                       ? absl::StrCat("q, k, v = ", Shown(step.query), ", ",
                                      Shown(step.key), ", ", Shown(step.value))
                       : absl::StrCat("q, k, v = ", step.fused));
  lines->push_back(absl::StrCat("out = ", Shown(step.output)));
  if (!step.query_norm.name.empty() || !step.key_norm.name.empty()) {
    lines->push_back(
        absl::StrCat("norms of each ", step.norm_heads ? "head" : "row", ": ",
                     List({Shown(step.query_norm), Shown(step.key_norm)})));
  }
  if (step.position == PositionKind::kAlibi) {
    lines->push_back("positions: ALiBi");
  } else if (step.position == PositionKind::kRope) {
    lines->push_back(
        absl::StrCat("positions: rotary, ", RopeText(step.rope_base, "")));
    if (step.local_rope_base != step.rope_base) {
      lines->push_back(RopeText(step.local_rope_base, "in a window"));
    }
  }
  if (!step.window_key.empty()) {
    lines->push_back(absl::StrCat("window [", step.window_key, "]"));
    const std::string global = LayersText(step.global, "sees all");
    if (!global.empty()) lines->push_back(global);
  }
  if (step.causal) lines->push_back("causal");
}

absl::string_view ActivationText(GateActivation activation) {
  switch (activation) {
    case GateActivation::kGelu:
      return "gelu";
    case GateActivation::kGeluTanh:
      return "gelu_tanh";
    case GateActivation::kSilu:
      return "silu";
    case GateActivation::kNone:
      break;
  }
  return "";
}

void AddFeedForwardLines(const ArchitectureStep& step,
                         std::vector<std::string>* lines) {
  const absl::string_view act = ActivationText(step.activation);
  lines->push_back(
      step.gated
          ? absl::StrCat(step.down.name, "(", act, "(", Shown(step.gate),
                         " x) * ", step.up.name, " x)")
          : absl::StrCat(step.down.name, "(", act, "(", step.up.name, " x))"));
  if (step.block == BlockKind::kExperts) {
    lines->push_back(absl::StrCat("router ", Shown(step.router), " takes [",
                                  step.experts_used_key, "] of [",
                                  step.experts_key, "]"));
  }
}

absl::string_view BlockTitle(BlockKind block) {
  switch (block) {
    case BlockKind::kAttention:
      return "attention";
    case BlockKind::kFeedForward:
      return "feed forward";
    case BlockKind::kExperts:
      return "experts";
    case BlockKind::kLayerInput:
      break;
  }
  return "input of the layer";
}

Node NormNode(const Architecture& a, const TensorName& tensor,
              absl::string_view note = "") {
  std::string line = Shown(tensor);
  if (!note.empty()) absl::StrAppend(&line, ", ", note);
  return {NodeKind::kNorm,
          {a.norm == NormKind::kLayer ? "layer norm" : "RMS norm", line}};
}

void AddStep(const Architecture& a, const ArchitectureStep& step,
             std::vector<Node>* nodes) {
  size_t back = 1;
  if (!step.before.name.empty()) {
    nodes->push_back(NormNode(
        a, step.before,
        step.before_from > 0 ? absl::StrCat("from layer ", step.before_from)
                             : ""));
    ++back;
  }
  Node block{NodeKind::kBlock, {std::string(BlockTitle(step.block))}};
  if (step.block == BlockKind::kAttention) {
    AddAttentionLines(step, &block.lines);
  } else if (step.block != BlockKind::kLayerInput) {
    AddFeedForwardLines(step, &block.lines);
  }
  for (const std::string& line :
       {BiasText(step.bias), LayersText(step.layers, "in layers"),
        step.if_tensor.empty()
            ? std::string()
            : absl::StrCat("if the file has ", step.if_tensor)}) {
    if (!line.empty()) block.lines.push_back(line);
  }
  nodes->push_back(std::move(block));
  if (!step.inside.name.empty()) {
    nodes->push_back(NormNode(a, step.inside));
    ++back;
  }
  nodes->push_back({NodeKind::kSum, {"+"}, back});
  if (!step.after.name.empty()) nodes->push_back(NormNode(a, step.after));
}

absl::string_view PoolingText(Pooling pooling) {
  switch (pooling) {
    case Pooling::kMean:
      return "mean of all tokens";
    case Pooling::kCls:
      return "the first token";
    case Pooling::kLast:
      break;
  }
  return "the last token";
}

Drawing Draw(const Architecture& a) {
  Drawing drawing;
  drawing.input.push_back({NodeKind::kEnd, {"token ids"}});
  std::string sum = Shown(a.token);
  if (a.scale_by_sqrt_width) absl::StrAppend(&sum, " * sqrt(width)");
  if (!a.token_weight.name.empty()) {
    absl::StrAppend(&sum, " * ", Shown(a.token_weight));
  }
  for (const TensorName& tensor : {a.type, a.position}) {
    if (!tensor.name.empty()) absl::StrAppend(&sum, " + ", Shown(tensor));
  }
  drawing.input.push_back({NodeKind::kBlock, {"look up", sum}});
  if (!a.input_norm.name.empty()) {
    drawing.input.push_back(NormNode(a, a.input_norm));
  }
  for (const ArchitectureStep& step : a.steps) {
    AddStep(a, step, &drawing.layer);
  }
  if (!a.output_norm.name.empty()) {
    drawing.output.push_back(NormNode(a, a.output_norm));
  }
  drawing.output.push_back(
      {NodeKind::kBlock,
       {"pooling",
        absl::StrCat(PoolingText(a.pooling), ", or as the file says")}});
  for (const TensorName& dense : a.dense) {
    drawing.output.push_back({NodeKind::kBlock, {"dense", Shown(dense)}});
  }
  drawing.output.push_back({NodeKind::kEnd, {"vector of length 1"}});
  return drawing;
}

// ---- The drawing. Pixels, integers only.

constexpr int kWidth = 560;
constexpr int kCentre = 260;
constexpr int kBoxWidth = 400;
constexpr int kLineHeight = 18;
constexpr int kBoxPadding = 8;
constexpr int kGap = 22;
constexpr int kSumRadius = 11;
constexpr int kBend = kCentre + kBoxWidth / 2 + 22;  // Of arrows past boxes.

std::string Escaped(absl::string_view text) {
  std::string clean;
  for (const char c : text) {
    clean.push_back(static_cast<unsigned char>(c) < 0x20 ? '?' : c);
  }
  return absl::StrReplaceAll(
      clean, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}});
}

int HeightOf(const Node& node) {
  if (node.kind == NodeKind::kSum) return 2 * kSumRadius;
  return static_cast<int>(node.lines.size()) * kLineHeight + 2 * kBoxPadding;
}

absl::string_view ColourOf(NodeKind kind) {
  switch (kind) {
    case NodeKind::kEnd:
      return "#e8e8e8";
    case NodeKind::kNorm:
      return "#fff3cd";
    case NodeKind::kBlock:
      return "#d6e6f7";
    case NodeKind::kSum:
      break;
  }
  return "#ffffff";
}

// Writes nodes from the top down.
class SvgWriter {
 public:
  explicit SvgWriter(int top) : y_(top) {}

  int y() const { return y_; }
  void Skip(int pixels) { y_ += pixels; }
  const std::string& body() const { return body_; }

  void Arrow(int from, int to) {
    absl::StrAppendFormat(&body_,
                          "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" "
                          "class=\"flow\" marker-end=\"url(#arrow)\"/>\n",
                          kCentre, from, kCentre, to);
  }
  void Text(int x, int y, absl::string_view text, absl::string_view attribute) {
    absl::StrAppendFormat(&body_, "<text x=\"%d\" y=\"%d\"%s>%s</text>\n", x, y,
                          attribute, Escaped(text));
  }

  // Draws `nodes` with an arrow to each from what is above.
  void Nodes(const std::vector<Node>& nodes) {
    // Where the arrow into each node is: there an arrow past it branches off.
    std::vector<int> branches;
    for (const Node& node : nodes) {
      const int top = y_ + kGap;
      if (y_ > kTop) Arrow(y_, top);
      branches.push_back(y_ + kGap / 2);
      y_ = top;
      node.kind == NodeKind::kSum
          ? Sum(branches[branches.size() - 1 - node.back])
          : Box(node);
      y_ += HeightOf(node);
    }
  }

  static constexpr int kTop = 24;

 private:
  void Box(const Node& node) {
    absl::StrAppendFormat(
        &body_,
        "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"6\" "
        "fill=\"%s\" class=\"box\"/>\n",
        kCentre - kBoxWidth / 2, y_, kBoxWidth, HeightOf(node),
        ColourOf(node.kind));
    int line = y_ + kBoxPadding + kLineHeight - 5;
    for (size_t i = 0; i < node.lines.size(); ++i) {
      Text(kCentre, line, node.lines[i],
           i == 0 ? " class=\"title\"" : " class=\"detail\"");
      line += kLineHeight;
    }
  }
  void Sum(int branch) {
    const int middle = y_ + kSumRadius;
    absl::StrAppendFormat(
        &body_,
        "<path d=\"M %d %d H %d V %d H %d\" class=\"flow\" fill=\"none\" "
        "marker-end=\"url(#arrow)\"/>\n"
        "<circle cx=\"%d\" cy=\"%d\" r=\"%d\" fill=\"#ffffff\" "
        "class=\"box\"/>\n",
        kCentre, branch, kBend, middle, kCentre + kSumRadius, kCentre, middle,
        kSumRadius);
    Text(kCentre, middle + 5, "+", " class=\"title\"");
  }

  int y_;
  std::string body_;
};

constexpr absl::string_view kStyle =
    "<style>text{font-family:sans-serif;font-size:13px;text-anchor:middle}"
    ".title{font-weight:bold}.detail{font-size:12px}"
    ".left{text-anchor:start;font-size:12px}"
    ".box{stroke:#444;stroke-width:1}"
    ".flow{stroke:#444;stroke-width:1.5}"
    ".layer{fill:none;stroke:#888;stroke-dasharray:6 4}</style>\n"
    "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" "
    "markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\">"
    "<path d=\"M 0 0 L 8 4 L 0 8 z\" fill=\"#444\"/></marker></defs>\n";

void Outline(const std::vector<Node>& nodes, absl::string_view indent,
             std::string* out) {
  for (const Node& node : nodes) {
    absl::StrAppend(out, indent);
    if (node.kind == NodeKind::kSum) {
      absl::StrAppend(out, "+ what came in before the ",
                      node.back > 1 ? "norm and the block" : "block", "\n");
      continue;
    }
    absl::StrAppend(out, node.lines[0], node.lines.size() > 1 ? ": " : "");
    for (size_t i = 1; i < node.lines.size(); ++i) {
      absl::StrAppend(out, i > 1 ? "; " : "", node.lines[i]);
    }
    absl::StrAppend(out, "\n");
  }
}

}  // namespace

std::string ArchitectureSvg(const Architecture& architecture) {
  const Drawing drawing = Draw(architecture);
  SvgWriter svg(SvgWriter::kTop + kLineHeight);
  svg.Nodes(drawing.input);
  std::string frame;
  if (!drawing.layer.empty()) {
    svg.Skip(kGap / 2);
    const int top = svg.y();
    svg.Nodes(drawing.layer);
    svg.Skip(kGap / 2);
    absl::StrAppendFormat(
        &frame,
        "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"10\" "
        "class=\"layer\"/>\n"
        "<text x=\"%d\" y=\"%d\" class=\"left\">each layer</text>\n",
        kCentre - kBoxWidth / 2 - 20, top, kBoxWidth + 60, svg.y() - top,
        kCentre - kBoxWidth / 2 - 14, top + 15);
  }
  svg.Nodes(drawing.output);
  std::string title = architecture.name;
  if (!architecture.about.empty()) {
    absl::StrAppend(&title, ": ", architecture.about);
  }
  return absl::StrFormat(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" "
      "width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n"
      "%s<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n"
      "<text x=\"%d\" y=\"%d\" class=\"title\">%s</text>\n%s%s</svg>\n",
      kWidth, svg.y() + kGap, kWidth, svg.y() + kGap, kStyle, kCentre,
      SvgWriter::kTop, Escaped(title), frame, svg.body());
}

std::string ArchitectureOutline(const Architecture& architecture) {
  const Drawing drawing = Draw(architecture);
  std::string out;
  Outline(drawing.input, "", &out);
  if (!drawing.layer.empty()) {
    absl::StrAppend(&out, "each layer:\n");
    Outline(drawing.layer, "  ", &out);
  }
  Outline(drawing.output, "", &out);
  return out;
}

}  // namespace corkscrew
