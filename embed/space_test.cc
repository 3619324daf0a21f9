#include "embed/space.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "embed/gguf.h"
#include "gtest/gtest.h"

// The fields of real models are tested in bert_embedder_test.cc, the space of
// the shipped model in embedder_test.cc.

namespace corkscrew {
namespace {

// The example of docs/embedding.md.
class SpaceTest : public ::testing::Test {
 protected:
  SpaceTest() {
    a_.name = "a";
    a_.type = GgmlType::kF32;
    a_.shape = {1, 1, 1, 1};
    a_.dims = 1;
    a_.data = absl::string_view("\0\0\x80\x3f", 4);
    b_.name = "b";
    b_.type = GgmlType::kF16;
    b_.shape = {2, 1, 1, 1};
    b_.dims = 1;
    b_.data = absl::string_view("\0\x3c\0\xbc", 4);
    content_.architecture = "bert";
    content_.parameters = {{"block_count", uint64_t{1}}, {"epsilon", 0.5}};
    content_.tokenizer = "wordpiece";
    content_.tokenizer_parameters = {{"unknown_id", uint64_t{3}}};
    content_.tokens = {"x", "y"};
    content_.pooling = "mean";
    content_.normalisation = "l2";
    content_.query_prompt = "query: ";
    content_.max_tokens = 2;
    content_.tensors = {&a_, &b_};
  }

  GgufTensor a_, b_;
  SpaceContent content_;
};

constexpr char kExample[] =
    "91b20a13dda45e5b9ca4b8b0f46394222be220553668597ec807683525f2be2f";

TEST_F(SpaceTest, TheDocumentedExampleHasItsDocumentedSpace) {
  EXPECT_EQ(SpaceOf(content_), kExample);
}

TEST_F(SpaceTest, OrdersDoNotMatter) {
  std::reverse(content_.tensors.begin(), content_.tensors.end());
  std::reverse(content_.parameters.begin(), content_.parameters.end());
  EXPECT_EQ(SpaceOf(content_), kExample);
}

TEST_F(SpaceTest, EveryFieldMatters) {
  const auto expect_changes = [this](auto change) {
    SpaceContent changed = content_;
    change(&changed);
    EXPECT_NE(SpaceOf(changed), kExample);
  };
  expect_changes([](SpaceContent* c) { c->architecture = "brt"; });
  expect_changes([](SpaceContent* c) { c->parameters.pop_back(); });
  expect_changes([](SpaceContent* c) { c->parameters[0].first = "blocks"; });
  expect_changes([](SpaceContent* c) { c->parameters[0].second = 1.0; });
  expect_changes([](SpaceContent* c) { c->parameters[1].second = 0.25; });
  expect_changes([](SpaceContent* c) { c->tokenizer = ""; });
  expect_changes([](SpaceContent* c) { c->tokenizer_parameters.clear(); });
  expect_changes(
      [](SpaceContent* c) { std::swap(c->tokens[0], c->tokens[1]); });
  expect_changes([](SpaceContent* c) { c->tokens = {"xy"}; });
  expect_changes([](SpaceContent* c) { c->tokens = {"x", "y", ""}; });
  expect_changes([](SpaceContent* c) { c->pooling = "cls"; });
  expect_changes([](SpaceContent* c) { c->normalisation = ""; });
  expect_changes(
      [](SpaceContent* c) { std::swap(c->query_prompt, c->document_prompt); });
  expect_changes([](SpaceContent* c) { c->max_tokens = 3; });
  expect_changes([](SpaceContent* c) { c->tensors.pop_back(); });
  expect_changes([this](SpaceContent*) { b_.shape = {1, 2, 1, 1}; });
  b_.shape = {2, 1, 1, 1};
  expect_changes([this](SpaceContent*) { b_.type = GgmlType::kBF16; });
  b_.type = GgmlType::kF16;
  expect_changes([this](SpaceContent*) { b_.name = "c"; });
  b_.name = "b";
  expect_changes([this](SpaceContent*) {
    b_.data = absl::string_view("\0\x3c\0\xbd", 4);
  });
}

}  // namespace
}  // namespace corkscrew
