#include "methods/causal_tree.h"

#include <algorithm>

#include "subquad/error.h"

namespace subquad {
namespace {

// Rows that stand at keys [begin, end); those beyond the last key stand at the last one.
Range rows_at(const HeadProblem& head, std::int64_t begin, std::int64_t end) {
  const std::int64_t shift = head.diagonal(0);
  const auto row = [&](std::int64_t key) {
    return std::clamp<std::int64_t>(key - shift, 0, head.query_len) * head.group;
  };
  return {row(begin), end == head.num_keys ? head.num_rows() : row(end)};
}

}  // namespace

CausalTree::CausalTree(const HeadProblem& head, std::int64_t base) {
  if (head.problem->causal == Causal::none)
    throw_invalid("spec part 'recursion': causal is none; use uniform, or make the problem causal");
  if (head.num_keys == 0 || head.num_rows() == 0) return;
  std::vector<Range> open{{0, head.num_keys}};
  while (!open.empty()) {
    std::vector<Range> halves;
    std::vector<CausalNode> nodes;
    for (const Range& keys : open) {
      const Range rows = rows_at(head, keys.begin, keys.end);
      if (rows.empty()) continue;
      if (keys.end - keys.begin <= base) {
        leaves.push_back({rows, keys});
        continue;
      }
      const std::int64_t middle = keys.begin + (keys.end - keys.begin + 1) / 2;
      halves.insert(halves.end(), {{keys.begin, middle}, {middle, keys.end}});
      const Range below = rows_at(head, middle, keys.end);
      if (!below.empty()) nodes.push_back({below, {keys.begin, middle}});
    }
    if (!nodes.empty()) levels.push_back(std::move(nodes));
    open = std::move(halves);
  }
  std::sort(leaves.begin(), leaves.end(),
            [](const CausalNode& a, const CausalNode& b) { return a.keys.begin < b.keys.begin; });
}

}  // namespace subquad
