#include "property/block_support.h"

#include <functional>

namespace subquad::testing {
namespace {

void hide_keys(OwnedProblem& owned, std::int64_t begin, std::int64_t end) {
  const std::int64_t n = owned.problem.key.length();
  owned.boolean_mask.assign(static_cast<std::size_t>(n), 1);
  for (std::int64_t j = begin; j < end; ++j) owned.boolean_mask[static_cast<std::size_t>(j)] = 0;
  owned.problem.mask = {MaskKind::boolean, owned.boolean_mask.data(), {1, 1, 1, n}, {n, n, n, 1}};
}

OwnedProblem packed_problem(DType type) {
  OwnedProblem owned = gaussian_problem(
      {.heads = 4, .kv_heads = 2, .queries = 61, .keys = 70, .head_dim = 6}, 19, type, 0.9);
  owned.problem.causal = Causal::bottom_right;
  owned.query_offsets = {0, 20, 20, 61};
  owned.key_offsets = {0, 27, 29, 70};
  owned.problem.query_offsets = owned.query_offsets;
  owned.problem.key_offsets = owned.key_offsets;
  return owned;
}

}  // namespace

OwnedProblem block_problem(std::int64_t queries, std::int64_t keys, DType type,
                           std::uint64_t seed) {
  return gaussian_problem({.batch = 2,
                           .heads = 4,
                           .kv_heads = 2,
                           .queries = queries,
                           .keys = keys,
                           .head_dim = 6,
                           .value_dim = 5},
                          seed, type, 0.9);
}

std::vector<BlockScene> block_scenes(DType type) {
  std::vector<BlockScene> all;
  const auto add = [&](const std::string& name, std::int64_t queries, std::int64_t keys,
                       const std::function<void(OwnedProblem&)>& change) {
    all.push_back({name, block_problem(queries, keys, type, 7 + all.size())});
    change(all.back().owned);
  };
  add("open", 45, 61, [](OwnedProblem&) {});
  add("causal", 61, 61, [](OwnedProblem& o) { o.problem.causal = Causal::top_left; });
  add("causal, fewer queries", 23, 61,
      [](OwnedProblem& o) { o.problem.causal = Causal::bottom_right; });
  add("causal, more queries", 61, 40, [](OwnedProblem& o) { o.problem.causal = Causal::top_left; });
  add("causal window", 61, 61, [](OwnedProblem& o) {
    o.problem.causal = Causal::top_left;
    o.problem.window.left = 30;
  });
  add("window", 61, 61, [](OwnedProblem& o) { o.problem.window = {.left = 25, .right = 19}; });
  add("padding", 45, 61, [](OwnedProblem& o) { hide_keys(o, 50, 61); });
  add("causal, padding on the left", 61, 61, [](OwnedProblem& o) {
    o.problem.causal = Causal::top_left;
    hide_keys(o, 0, 11);
  });
  add("padded queries and keys", 61, 61, [](OwnedProblem& o) {
    o.problem.causal = Causal::top_left;
    o.boolean_mask.assign(3721, 0);
    for (std::size_t i = 0; i < 50; ++i)
      for (std::size_t j = 0; j < 50; ++j) o.boolean_mask[i * 61 + j] = 1;
    o.problem.mask = {
        MaskKind::boolean, o.boolean_mask.data(), {1, 1, 61, 61}, {3721, 3721, 61, 1}};
  });
  all.push_back({"packed", packed_problem(type)});
  return all;
}

}  // namespace subquad::testing
