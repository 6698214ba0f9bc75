// The recursion of HyperAttention's Algorithm 4 (CausalApproxD) as heavy sets and samples.
//
// A causal score matrix is cut in half again and again: rows of the second half meet keys of the
// first half without a mask (A21 in the paper's Figure 2), down to triangles of at most `base`
// keys, which are exact. The halves need not be equal, so any length will do. A row meets each of
// its O(log n) nodes' keys in one block of the node's sortLSH and in a sample of the node's keys;
// no key is in two of its nodes.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "rows/head_problem.h"

namespace subquad {

// Rows that stand at or after every one of the keys (node), or among them (leaf).
struct CausalNode {
  Range rows;
  Range keys;
};

struct CausalTree {
  // Throws Error (invalid_argument) unless the problem is causal.
  CausalTree(const HeadProblem& head, std::int64_t base);

  std::vector<std::vector<CausalNode>> levels;  // in order of the keys; nodes without rows left out
  std::vector<CausalNode> leaves;
};

}  // namespace subquad
