#include "embed/architecture_svg.h"

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "base/testing.h"
#include "embed/arch_files.h"
#include "embed/architecture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace corkscrew {
namespace {

using ::corkscrew::testing::IsOk;
using ::testing::HasSubstr;
using ::testing::Not;

size_t CountOf(absl::string_view text, absl::string_view part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != absl::string_view::npos;
       at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

TEST(ArchitectureSvgTest, EachTensorOfEachArchitectureIsInItsDrawing) {
  for (const ArchFile& file : ArchFiles()) {
    const auto a = Architecture::Parse(file.text, file.name);
    ASSERT_THAT(a, IsOk());
    const std::string svg = ArchitectureSvg(*a);
    EXPECT_EQ(svg, ArchitectureSvg(*a));
    EXPECT_THAT(svg, HasSubstr(a->token.name));
    for (const ArchitectureStep& step : a->steps) {
      for (const std::string& name :
           {step.query.name, step.fused, step.output.name, step.up.name,
            step.gate.name, step.down.name, step.before.name, step.inside.name,
            step.after.name, step.router.name}) {
        EXPECT_THAT(svg, HasSubstr(name));
        EXPECT_THAT(ArchitectureOutline(*a), HasSubstr(name));
      }
    }
    // One sum for each step, and all elements closed.
    EXPECT_EQ(CountOf(svg, "<circle"), a->steps.size()) << file.name;
    EXPECT_EQ(CountOf(svg, "<text"), CountOf(svg, "</text>"));
    EXPECT_EQ(CountOf(svg, "<svg"), CountOf(svg, "</svg>"));
  }
}

TEST(ArchitectureSvgTest, NamesFromAFileCanNotLeaveTheirElement) {
  Architecture a;
  a.name = "<script>&\"\x01";
  a.token.name = "</text><a>";
  const std::string svg = ArchitectureSvg(a);
  EXPECT_THAT(svg, Not(HasSubstr("<script>")));
  EXPECT_THAT(svg, Not(HasSubstr("<a>")));
  EXPECT_THAT(svg, Not(HasSubstr("\x01")));
  EXPECT_THAT(svg, HasSubstr("&lt;script&gt;&amp;&quot;?"));
}

TEST(ArchitectureSvgTest, AnOutlineNamesStepsInTheirOrder) {
  const auto a = FindArchitecture("bert");
  ASSERT_THAT(a, IsOk());
  EXPECT_EQ(ArchitectureOutline(**a),
            "token ids\n"
            "look up: token_embd + token_types + position_embd\n"
            "layer norm: token_embd_norm\n"
            "each layer:\n"
            "  attention: q, k, v = attn_q, attn_k, attn_v; out = attn_output; "
            "with biases\n"
            "  + what came in before the block\n"
            "  layer norm: attn_output_norm\n"
            "  feed forward: ffn_down(gelu(ffn_up x)); with biases\n"
            "  + what came in before the block\n"
            "  layer norm: layer_output_norm\n"
            "pooling: mean of all tokens, or as the file says\n"
            "vector of length 1\n");
}

}  // namespace
}  // namespace corkscrew
