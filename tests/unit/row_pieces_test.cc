// Pieces of rows and the keys that any row sees, against their definitions.
#include <algorithm>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "rows/row_pieces.h"
#include "rows/visible_keys.h"
#include "support/random_problem.h"

namespace subquad::testing {
namespace {

bool inside(const Range& part, const Range& whole) {
  return part.empty() || (whole.begin <= part.begin && part.end <= whole.end);
}

void check_piece(const HeadProblem& head, const RowPiece& piece, std::int64_t least) {
  for (std::int64_t row = piece.rows.begin; row < piece.rows.end; ++row) {
    const Range seen = head.visible(row);
    const std::int64_t size = seen.end - seen.begin;
    EXPECT_TRUE(inside(seen, piece.seen));
    if (head.has_band()) {
      EXPECT_EQ(size <= least, piece.leaf);
    }
    if (piece.leaf) continue;
    EXPECT_TRUE(inside(piece.common, seen));
    EXPECT_LE(size, 2 * (piece.common.end - piece.common.begin));
  }
}

TEST(RowPieces, HoldEveryRowOnceAndKeysThatAllOfThemSee) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    const OwnedProblem random = random_problem(seed, DType::f32, {.max_length = 200});
    SCOPED_TRACE(random.description);
    for (const HeadProblem& head : split_heads(random.problem))
      for (const std::int64_t least : {1, 16, 100}) {
        if (head.num_keys == 0) continue;
        std::int64_t next = 0;
        for (const RowPiece& piece : cut_rows(head, least)) {
          EXPECT_EQ(piece.rows.begin, next);
          EXPECT_EQ(piece.rows.begin % head.group, 0);
          next = piece.rows.end;
          check_piece(head, piece, least);
        }
        EXPECT_EQ(next, head.num_rows());
      }
    if (::testing::Test::HasFailure()) return;
  }
}

// Doublings: their number grows with the logarithm.
TEST(RowPieces, OfACausalHeadDouble) {
  OwnedProblem owned = gaussian_problem({.queries = 5000, .keys = 5000, .head_dim = 1}, 1);
  owned.problem.causal = Causal::top_left;
  const std::vector<RowPiece> pieces = cut_rows(split_heads(owned.problem).front(), 100);
  ASSERT_EQ(pieces.size(), 7U);
  EXPECT_EQ(pieces[0].rows.end, 100);
  EXPECT_EQ(pieces[1].common.end, 101);
  EXPECT_EQ(pieces[2].common.end, 203);
}

TEST(VisibleKeys, AreThoseThatSomeRowSees) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    const OwnedProblem random = random_problem(seed, DType::f32, {.max_length = 60});
    SCOPED_TRACE(random.description);
    for (const HeadProblem& head : split_heads(random.problem)) {
      const VisibleKeys keys(head);
      std::int64_t found = 0;
      for (std::int64_t key = 0; key < head.num_keys; ++key) {
        bool seen = false;
        for (std::int64_t row = 0; row < head.num_rows(); ++row)
          seen = seen || sees(head, row, key);
        if (!seen) continue;
        ASSERT_LT(found, keys.count());
        EXPECT_EQ(keys.all()[found++], key);
        EXPECT_EQ(keys.inside({key, key + 1}).count, 1);
      }
      EXPECT_EQ(found, keys.count());
    }
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace subquad::testing
