#include "far/clusters/opening_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace subquad {
namespace {

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

// The share of the squared error that stays where `left` of the missed squares does.
double stays(double left, double a) { return left * (1 + a) / (left + a); }

// Thresholds 1, 1/2, .. that leave 1/2, 1/4, .. of the squares and open 10, 20, .. keys.
std::vector<OpeningLevel> halving_levels(int count) {
  std::vector<OpeningLevel> levels;
  for (int i = 0; i < count; ++i)
    levels.push_back({std::ldexp(1.0, -i), std::ldexp(1.0, -i - 1), 10.0 * (i + 1)});
  return levels;
}

TEST(OpeningSearch, TakesTheFirstLevelPredictedToDo) {
  OpeningSearch search(halving_levels(8), 8);
  const double target = 8 * stays(0.125, 0.3);
  EXPECT_EQ(search.next(1.01 * target, kNoLimit)->left, 0.125);
  OpeningSearch next(halving_levels(8), 8);
  EXPECT_EQ(next.next(0.99 * target, kNoLimit)->left, 0.0625);
}

// A head that follows the law with its own a: half way to it after one trial.
TEST(OpeningSearch, LearnsTheHeadsSaturation) {
  for (const double a : {0.05, 0.15, 1.0, 5.0}) {
    OpeningSearch search(halving_levels(20), 8);
    const OpeningLevel* level = search.next(2, kNoLimit);
    search.learn(8 * stays(level->left, a));
    const double left = level->left / 4, target = 8.001 * stays(left, std::sqrt(0.3 * a));
    EXPECT_EQ(search.next(target, kNoLimit)->left, left) << a;
  }
}

TEST(OpeningSearch, TriesNoLevelTwice) {
  OpeningSearch search(halving_levels(4), 8);
  int tried = 0;
  double last = 1;
  while (const OpeningLevel* level = search.next(3, kNoLimit)) {
    EXPECT_LT(level->left, last);
    last = level->left;
    search.learn(3.1);
    ASSERT_LT(++tried, 5);
  }
  EXPECT_GT(tried, 0);
}

TEST(OpeningSearch, OpensNoMoreThanIsAffordable) {
  const double within_reach = 8 * stays(0.25, 0.3) / 1.5, beyond = 8 * stays(0.25, 0.3) / 2.5;
  OpeningSearch some(halving_levels(6), 8);
  EXPECT_EQ(some.next(within_reach, 25)->keys, 20);  // predicted to come close
  some.learn(within_reach * 1.01);
  EXPECT_EQ(some.next(within_reach, 25), nullptr);
  OpeningSearch none(halving_levels(6), 8);
  EXPECT_EQ(none.next(within_reach, 9), nullptr);
  OpeningSearch hopeless(halving_levels(6), 8);
  EXPECT_EQ(hopeless.next(beyond, 25), nullptr);
}

// Trials that say the impossible (more than with nothing opened, less than nothing, NaN) do no
// harm.
TEST(OpeningSearch, SurvivesTrialsBeyondTheLaw) {
  for (const double square : {20.0, 8.0, 0.0, -1.0, std::numeric_limits<double>::quiet_NaN()}) {
    OpeningSearch search(halving_levels(6), 8);
    const double last = search.next(4, kNoLimit)->left;
    search.learn(square);
    const OpeningLevel* level = search.next(4, kNoLimit);
    EXPECT_TRUE(level == nullptr || level->left < last);
  }
}

TEST(OpeningSearch, WithoutAnythingMissedTheFirstLevelDoes) {
  std::vector<OpeningLevel> levels = halving_levels(2);
  for (OpeningLevel& level : levels) level.left = 0;
  OpeningSearch search(levels, 8);
  EXPECT_EQ(search.next(0.1, kNoLimit)->threshold, 1);
  search.learn(4);  // teaches nothing
  EXPECT_EQ(search.next(0.1, kNoLimit)->threshold, 0.5);
}

TEST(OpeningSearch, NanErrorsAreNeverPromising) {
  OpeningSearch search(halving_levels(6), std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(search.next(1, kNoLimit), nullptr);
}

}  // namespace
}  // namespace subquad
