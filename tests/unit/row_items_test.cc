// The order in which items of rows are worked off.
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "exact/row_items.h"

namespace subquad::testing {
namespace {

RowItem item_of(const HeadProblem& head, std::int64_t keys) {
  return {&head, index_range(0, 8), {0, keys}};
}

// Two heads by turns, as sort_by_work() leaves them.
std::vector<RowItem> taking_turns(const std::vector<HeadProblem>& heads, std::int64_t each) {
  std::vector<RowItem> items;
  for (std::int64_t i = each; i > 0; --i)
    for (const HeadProblem& head : heads) items.push_back(item_of(head, 10 * i));
  sort_by_work(items);
  return items;
}

TEST(RowItems, HeadsStayTogetherButForTheLastQuarter) {
  const std::vector<HeadProblem> heads(4);
  std::vector<RowItem> items = taking_turns(heads, 6);
  group_by_head(items);
  ASSERT_EQ(items.size(), 24U);
  for (std::size_t i = 0; i < 18; ++i) {
    EXPECT_EQ(items[i].head, &heads[i / 6]);
    EXPECT_EQ(items[i].keys.end, 10 * (6 - static_cast<std::int64_t>(i % 6)));
  }
}

TEST(RowItems, TheLastQuarterGoesByItsWork) {
  const std::vector<HeadProblem> heads(8);
  std::vector<RowItem> items = taking_turns(heads, 4);
  group_by_head(items);
  for (std::size_t i = 25; i < items.size(); ++i)
    EXPECT_LE(items[i].keys.end, items[i - 1].keys.end);
  EXPECT_EQ(items[24].head, &heads[6]);
  EXPECT_EQ(items[25].head, &heads[7]);
}

}  // namespace
}  // namespace subquad::testing
