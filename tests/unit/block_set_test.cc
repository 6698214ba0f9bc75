// Blocks of rows and the blocks of keys that they meet, against a count of the pairs.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "heavy/sort_lsh/block_set.h"
#include "support/draw.h"
#include "support/owned_problem.h"

namespace subquad::testing {
namespace {

using Ids = std::vector<std::int32_t>;

Ids shuffled(std::int64_t begin, std::int64_t end, Draw& draw) {
  Ids ids(static_cast<std::size_t>(end - begin));
  std::iota(ids.begin(), ids.end(), static_cast<std::int32_t>(begin));
  for (std::int64_t n = end - begin - 1; n > 0; --n)
    std::swap(ids[static_cast<std::size_t>(n)], ids[static_cast<std::size_t>(draw.integer(0, n))]);
  return ids;
}

struct Rectangle {
  Ids rows, keys;
};

// The block of the item at `at`: block b holds the items from floor(count b / blocks) on.
std::int64_t block_at(std::int64_t at, std::int64_t count, std::int64_t blocks) {
  std::int64_t block = 0;
  while ((block + 1) * count / blocks <= at) ++block;
  return block;
}

// meets[row * keys + key]: by the definition, whether the blocks are at most `neighbors` apart on
// the cycle of their rectangle's blocks.
std::vector<int> expected_meets(const std::vector<Rectangle>& rectangles, std::int64_t rows,
                                std::int64_t keys, std::int64_t block, std::int64_t neighbors) {
  std::vector<int> meets(static_cast<std::size_t>(rows * keys), 0);
  for (const Rectangle& r : rectangles) {
    const auto row_count = static_cast<std::int64_t>(r.rows.size());
    const auto key_count = static_cast<std::int64_t>(r.keys.size());
    const std::int64_t blocks = (key_count + block - 1) / block;
    for (std::int64_t i = 0; i < row_count; ++i)
      for (std::int64_t j = 0; j < key_count; ++j) {
        const std::int64_t gap =
            std::abs(block_at(i, row_count, blocks) - block_at(j, key_count, blocks));
        const std::int64_t row = r.rows[static_cast<std::size_t>(i)];
        const std::int64_t key = r.keys[static_cast<std::size_t>(j)];
        if (std::min(gap, blocks - gap) <= neighbors)
          meets[static_cast<std::size_t>(row * keys + key)] = 1;
      }
  }
  return meets;
}

// How often the runs of all groups let each row meet each key.
std::vector<int> counted_meets(const HeavySet& set, std::int64_t rows, std::int64_t keys) {
  std::vector<int> meets(static_cast<std::size_t>(rows * keys), 0);
  const auto groups = set.row_groups();
  for (std::size_t g = 0; g < groups.size(); ++g) {
    RunList runs;
    set.add_runs(groups[g], static_cast<std::int64_t>(g), runs);
    for (const KeyRun& run : runs.runs()) {
      EXPECT_EQ(run.leave_out, nullptr);
      for (std::int64_t i = run.rows.begin; i < run.rows.end; ++i)
        for (std::int64_t c = 0; c < run.keys.count; ++c)
          ++meets[static_cast<std::size_t>(groups[g][i] * keys + run.keys[c])];
    }
  }
  return meets;
}

// What remove() takes of a tile of all rows and the given keys.
void check_remove(const HeavySet& set, const IndexList& rows, const IndexList& keys,
                  const std::vector<int>& expected, std::int64_t num_keys) {
  std::vector<float> scores(static_cast<std::size_t>(rows.count * keys.count), 1.0F);
  FilterScratch scratch;
  set.remove(rows, keys, scores.data(), keys.count, scratch);
  bool any = false;
  for (std::int64_t i = 0; i < rows.count; ++i)
    for (std::int64_t c = 0; c < keys.count; ++c) {
      const bool in = expected[static_cast<std::size_t>(rows[i] * num_keys + keys[c])] != 0;
      any = any || in;
      ASSERT_EQ(scores[static_cast<std::size_t>(i * keys.count + c)], in ? -HUGE_VALF : 1.0F)
          << "row " << rows[i] << " key " << keys[c];
    }
  ASSERT_TRUE(set.may_meet(rows, keys) || !any);
}

void check_set(const OwnedProblem& owned, const std::vector<Rectangle>& rectangles,
               std::int64_t block, std::int64_t neighbors) {
  SCOPED_TRACE(::testing::Message() << "block " << block << " neighbors " << neighbors);
  const HeadProblem head = split_heads(owned.problem).front();
  const std::int64_t rows = head.num_rows(), keys = head.num_keys;
  BlockSet set(head, block, neighbors);
  for (const Rectangle& r : rectangles) set.add(r.rows, r.keys);
  const std::vector<int> expected = expected_meets(rectangles, rows, keys, block, neighbors);
  ASSERT_EQ(counted_meets(set, rows, keys), expected);
  check_remove(set, index_range(0, rows), index_range(0, keys), expected, keys);
  for (std::int64_t row = 0; row + 2 <= rows; row += 5)
    check_remove(set, index_range(row, row + 2), index_range(keys / 3, keys), expected, keys);
  Draw draw(4);
  const Ids some = shuffled(0, keys, draw);
  check_remove(set, index_range(0, rows), {some.data(), 0, keys / 2, false}, expected, keys);
}

// 1 to 9 blocks of keys, more rows than keys and fewer.
TEST(BlockSet, NeighboursAreTheBlocksWithinTheDistanceOnce) {
  Draw draw(1);
  for (const Causal causal : {Causal::none, Causal::top_left})
    for (const std::int64_t keys : {1, 5, 6, 11, 15, 16, 20, 21, 45})
      for (const std::int64_t rows : {1, 3, 13, 60}) {
        OwnedProblem owned = gaussian_problem({.queries = rows, .keys = keys, .head_dim = 2}, 1);
        owned.problem.causal = causal;
        SCOPED_TRACE(::testing::Message() << rows << " rows, " << keys << " keys");
        const std::vector<Rectangle> all{{shuffled(0, rows, draw), shuffled(0, keys, draw)}};
        for (const std::int64_t neighbors : {0, 1, 2, 3, 4, 5, 64})
          check_set(owned, all, 5, neighbors);
        if (HasFailure()) return;
      }
}

// Rectangles of a tree's level: each has blocks of its own, some rows and keys are in none.
TEST(BlockSet, RectanglesAreApart) {
  Draw draw(2);
  OwnedProblem owned = gaussian_problem({.queries = 70, .keys = 50, .head_dim = 2}, 1);
  const std::vector<Rectangle> some{{shuffled(10, 20, draw), shuffled(0, 17, draw)},
                                    {shuffled(20, 55, draw), shuffled(17, 18, draw)},
                                    {shuffled(60, 70, draw), shuffled(30, 50, draw)}};
  for (const std::int64_t block : {1, 4, 30})
    for (const std::int64_t neighbors : {0, 1, 2}) check_set(owned, some, block, neighbors);
  BlockSet set(split_heads(owned.problem).front(), 4);
  for (const Rectangle& r : some) set.add(r.rows, r.keys);
  EXPECT_FALSE(set.groups_all_rows());
  set.add(shuffled(0, 10, draw), shuffled(18, 20, draw));
  set.add(shuffled(55, 60, draw), shuffled(20, 25, draw));
  EXPECT_TRUE(set.groups_all_rows());
}

// With a band the rows and keys of a block stand in the order of their positions: causal rows then
// see a prefix of the keys, and the rest is trimmed.
TEST(BlockSet, BlocksOfABandAreSorted) {
  Draw draw(3);
  OwnedProblem owned = gaussian_problem({.queries = 40, .keys = 40, .head_dim = 2}, 1);
  owned.problem.causal = Causal::top_left;
  BlockSet set(split_heads(owned.problem).front(), 8, 1);
  set.add(shuffled(0, 40, draw), shuffled(0, 40, draw));
  for (std::size_t g = 0; g < set.row_groups().size(); ++g) {
    const IndexList& rows = set.row_groups()[g];
    RunList runs;
    set.add_runs(rows, static_cast<std::int64_t>(g), runs);
    EXPECT_TRUE(rows.sorted());
    for (std::int64_t i = 1; i < rows.count; ++i) EXPECT_LT(rows[i - 1], rows[i]);
    for (const KeyRun& run : runs.runs()) {
      EXPECT_TRUE(run.keys.sorted());
      for (std::int64_t c = 1; c < run.keys.count; ++c) EXPECT_LT(run.keys[c - 1], run.keys[c]);
    }
  }
}

}  // namespace
}  // namespace subquad::testing
