// The causal tree: every visible entry in one node or leaf, once, for any shape.
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "methods/causal_tree.h"
#include "subquad/error.h"
#include "support/owned_problem.h"
#include "support/reference_attention.h"

namespace subquad::testing {
namespace {

struct Shape {
  std::int64_t queries, keys, group, base;
};

OwnedProblem causal_problem(const Shape& shape, Causal causal) {
  OwnedProblem owned = gaussian_problem({.heads = shape.group,
                                         .kv_heads = 1,
                                         .queries = shape.queries,
                                         .keys = shape.keys,
                                         .head_dim = 1},
                                        1);
  owned.problem.causal = causal;
  return owned;
}

bool holds(const CausalNode& node, std::int64_t row, std::int64_t key) {
  return row >= node.rows.begin && row < node.rows.end && key >= node.keys.begin &&
         key < node.keys.end;
}

int nodes_with(const CausalTree& tree, std::int64_t row, std::int64_t key) {
  int count = 0;
  for (const auto& level : tree.levels)
    for (const CausalNode& node : level) count += holds(node, row, key) ? 1 : 0;
  return count;
}

int leaves_with(const CausalTree& tree, std::int64_t row, std::int64_t key) {
  int count = 0;
  for (const CausalNode& leaf : tree.leaves) count += holds(leaf, row, key) ? 1 : 0;
  return count;
}

// Visible entries lie in one place, hidden ones in at most one leaf: nodes know no mask.
void check_cover(const HeadProblem& head, const CausalTree& tree) {
  const SequenceRange all{0, head.query_len, 0, head.num_keys};
  for (std::int64_t row = 0; row < head.num_rows(); ++row)
    for (std::int64_t key = 0; key < head.num_keys; ++key) {
      const int nodes = nodes_with(tree, row, key), leaves = leaves_with(tree, row, key);
      if (in_band(*head.problem, all, head.position(row), key))
        ASSERT_EQ(nodes + leaves, 1) << "row " << row << " key " << key;
      else
        ASSERT_TRUE(nodes == 0 && leaves <= 1) << "row " << row << " key " << key;
    }
}

// Rows and keys within a list share nothing and rise: the executors search in it.
void check_order(const std::vector<CausalNode>& nodes) {
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    ASSERT_FALSE(nodes[n].rows.empty());
    ASSERT_FALSE(nodes[n].keys.empty());
    if (n == 0) continue;
    ASSERT_LE(nodes[n - 1].rows.end, nodes[n].rows.begin);
    ASSERT_LE(nodes[n - 1].keys.end, nodes[n].keys.begin);
  }
}

void check_sizes(const Shape& shape, const CausalTree& tree) {
  for (const CausalNode& leaf : tree.leaves) ASSERT_LE(leaf.keys.end - leaf.keys.begin, shape.base);
  for (const auto& level : tree.levels) {
    ASSERT_FALSE(level.empty());
    for (const CausalNode& node : level)  // the larger half of more than `base` keys
      ASSERT_GE(2 * (node.keys.end - node.keys.begin), shape.base + 1);
  }
  const double halvings = std::log2(static_cast<double>(shape.keys) / double(shape.base));
  ASSERT_LE(static_cast<double>(tree.levels.size()), std::max(0.0, std::ceil(halvings)));
}

void check_tree(const Shape& shape) {
  for (const Causal causal : {Causal::top_left, Causal::bottom_right}) {
    SCOPED_TRACE(::testing::Message()
                 << shape.queries << " x " << shape.keys << " group " << shape.group << " base "
                 << shape.base << " alignment " << static_cast<int>(causal));
    const OwnedProblem owned = causal_problem(shape, causal);
    const HeadProblem head = split_heads(owned.problem).front();
    const CausalTree tree(head, shape.base);
    check_cover(head, tree);
    check_order(tree.leaves);
    for (const auto& level : tree.levels) check_order(level);
    check_sizes(shape, tree);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(CausalTree, EveryEntryOnceInSmallShapes) {
  for (std::int64_t keys = 1; keys <= 24; ++keys)
    for (std::int64_t queries = 1; queries <= 30; ++queries)
      for (const std::int64_t base : {1, 2, 3, 5}) {
        check_tree({queries, keys, 1, base});
        if (HasFatalFailure()) return;
      }
}

TEST(CausalTree, EveryEntryOnceInGroups) {
  for (const std::int64_t group : {2, 3})
    for (const std::int64_t keys : {1, 7, 16, 33, 97})
      for (const std::int64_t queries : {1, 6, 33, 96, 130})
        for (const std::int64_t base : {1, 4, 16}) {
          check_tree({queries, keys, group, base});
          if (HasFatalFailure()) return;
        }
}

// A window hides entries of nodes but moves none.
TEST(CausalTree, AWindowChangesNothing) {
  OwnedProblem owned = causal_problem({50, 70, 1, 8}, Causal::bottom_right);
  const CausalTree plain(split_heads(owned.problem).front(), 8);
  owned.problem.window = {5, 3, Alignment::top_left};
  const CausalTree windowed(split_heads(owned.problem).front(), 8);
  ASSERT_EQ(plain.levels.size(), windowed.levels.size());
  ASSERT_EQ(plain.leaves.size(), windowed.leaves.size());
  for (std::size_t n = 0; n < plain.leaves.size(); ++n) {
    EXPECT_EQ(plain.leaves[n].rows.begin, windowed.leaves[n].rows.begin);
    EXPECT_EQ(plain.leaves[n].keys.end, windowed.leaves[n].keys.end);
  }
}

TEST(CausalTree, WithoutKeysOrRowsIsEmpty) {
  for (const Shape& shape : {Shape{0, 9, 1, 2}, Shape{9, 0, 1, 2}}) {
    const OwnedProblem owned = causal_problem(shape, Causal::top_left);
    const CausalTree tree(split_heads(owned.problem).front(), shape.base);
    EXPECT_TRUE(tree.levels.empty());
    EXPECT_TRUE(tree.leaves.empty());
  }
}

TEST(CausalTree, RejectsProblemsThatAreNotCausal) {
  const OwnedProblem owned = causal_problem({9, 9, 1, 2}, Causal::none);
  EXPECT_THROW(CausalTree(split_heads(owned.problem).front(), 2), Error);
}

}  // namespace
}  // namespace subquad::testing
