#include "embed/text_groups.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "corkscrew/embedder.h"
#include "embed/compute.h"
#include "embed/team.h"

namespace corkscrew {
namespace {

// Tokens that one thread encodes together: enough to use the weights well,
// few enough to spread a batch. Below it another thread does not pay.
constexpr size_t kGroupTokens = 96;
// Tokens of a group from which on its layers are spread over threads if the
// call has no other group.
constexpr size_t kTeamTokens = 48;
// Rounding activations costs short texts most: there is nothing to average. Up
// to so many tokens they are rounded twice, which costs little there, as
// reading the weights takes as long.
constexpr size_t kFineTokens = 4;

size_t ThreadsOf(const EmbedderOptions& options) {
  return std::max<size_t>(1, options.threads == 0
                                 ? std::thread::hardware_concurrency()
                                 : options.threads);
}

}  // namespace

TextGroups::TextGroups(const EmbedderOptions& options)
    : threads_(ThreadsOf(options)), exact_(options.exact) {}

Arithmetic TextGroups::ArithmeticOf(size_t tokens) const {
  if (exact_) return Arithmetic::kExact;
  return tokens <= kFineTokens ? Arithmetic::kFine : Arithmetic::kFast;
}

std::vector<TextGroups::Group> TextGroups::GroupsOf(
    absl::Span<const TextTokens> texts) const {
  std::vector<Group> groups;
  std::array<Group, 3> open;  // By arithmetic.
  const auto close = [&](Group* group) {
    if (!group->texts.empty()) groups.push_back(std::move(*group));
    *group = Group();
  };
  for (size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].empty()) continue;
    const Arithmetic arithmetic = ArithmeticOf(texts[i].size());
    Group& group = open.at(static_cast<size_t>(arithmetic));
    group.arithmetic = arithmetic;
    group.texts.push_back(i);
    group.tokens += texts[i].size();
    if (group.tokens >= kGroupTokens) close(&group);
  }
  for (Group& group : open) close(&group);
  return groups;
}

size_t TextGroups::TakeHelpers(size_t wanted) const {
  size_t taken = 0;
  while (taken < wanted) {
    if (helpers_.fetch_add(1) + 1 >= threads_) {
      --helpers_;
      break;
    }
    ++taken;
  }
  return taken;
}

void TextGroups::Encode(absl::Span<const TextTokens> texts, size_t dim,
                        EncodeFunction encode, float* out) const {
  const std::vector<Group> groups = GroupsOf(texts);
  const auto encode_group = [&](const Group& group, Team* team) {
    std::vector<TextTokens> mine;
    mine.reserve(group.texts.size());
    for (const size_t text : group.texts) mine.push_back(texts[text]);
    std::vector<float> encoded(mine.size() * dim);
    encode(mine, encoded.data(), {group.arithmetic, team});
    for (size_t i = 0; i < mine.size(); ++i) {
      std::copy_n(&encoded[i * dim], dim, out + group.texts[i] * dim);
    }
  };
  if (groups.size() == 1 && groups[0].tokens >= kTeamTokens && threads_ > 1) {
    const size_t helpers = TakeHelpers(threads_);
    {
      Team team(helpers + 1);
      encode_group(groups[0], &team);
    }
    helpers_ -= helpers;
    return;
  }
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < groups.size(); i = next++) {
      encode_group(groups[i], nullptr);
    }
  };
  std::vector<std::thread> helpers;
  const size_t taken = TakeHelpers(groups.empty() ? 0 : groups.size() - 1);
  for (size_t i = 0; i < taken; ++i) {
    try {
      helpers.emplace_back(work);
    } catch (const std::system_error&) {  // No more threads: do with these.
      break;
    }
  }
  work();
  for (std::thread& helper : helpers) helper.join();
  helpers_ -= taken;
}

}  // namespace corkscrew
