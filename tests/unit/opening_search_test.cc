#include "light/opening_search.h"

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace subquad {
namespace {

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

// Thresholds 1, 1/2, .. that leave 1/4, 1/16, .. of the squares: predicted errors 1/2, 1/4, ..
std::vector<OpeningLevel> halving_levels(int count) {
  std::vector<OpeningLevel> levels;
  for (int i = 0; i < count; ++i)
    levels.push_back({std::ldexp(1.0, -i), std::ldexp(1.0, -2 * i - 2), 10.0 * (i + 1)});
  return levels;
}

TEST(OpeningSearch, TakesTheFirstLevelPredictedToDo) {
  OpeningSearch search(halving_levels(6), 8);
  EXPECT_EQ(search.next(1.1, kNoLimit)->threshold, std::ldexp(1.0, -2));  // 8 / 8 <= 1.1 < 8 / 4
}

TEST(OpeningSearch, LearnsFromWhatATrialLeft) {
  OpeningSearch search(halving_levels(6), 8);
  ASSERT_EQ(search.next(1, kNoLimit)->threshold, std::ldexp(1.0, -2));
  search.learn(3);  // three times the prediction: 8 / 32 * 3 is the first below 1
  EXPECT_EQ(search.next(1, kNoLimit)->threshold, std::ldexp(1.0, -4));
  search.learn(1.5);
  EXPECT_EQ(search.next(1, kNoLimit)->threshold, std::ldexp(1.0, -5));
  search.learn(1.2);
  EXPECT_EQ(search.next(1, kNoLimit), nullptr);  // no level is tried twice
}

TEST(OpeningSearch, OpensNoMoreThanIsAffordable) {
  OpeningSearch some(halving_levels(6), 8);
  // Predicted 2: close enough to 1 to be tried, with 20 keys; then nothing is left.
  EXPECT_EQ(some.next(1, 25)->keys, 20);
  some.learn(2);
  EXPECT_EQ(some.next(1, 25), nullptr);
  OpeningSearch none(halving_levels(6), 8);
  EXPECT_EQ(none.next(1, 9), nullptr);
  OpeningSearch hopeless(halving_levels(6), 8);
  EXPECT_EQ(hopeless.next(0.5, 25), nullptr);
}

TEST(OpeningSearch, WithoutAnythingMissedTheFirstLevelDoes) {
  std::vector<OpeningLevel> levels = halving_levels(2);
  for (OpeningLevel& level : levels) level.left = 0;
  OpeningSearch search(levels, 8);
  EXPECT_EQ(search.next(0.1, kNoLimit)->threshold, 1);
  search.learn(4);  // a prediction of 0 teaches nothing
  EXPECT_EQ(search.next(0.1, kNoLimit)->threshold, 0.5);
}

TEST(OpeningSearch, NanErrorsAreNeverPromising) {
  OpeningSearch search(halving_levels(6), std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(search.next(1, kNoLimit), nullptr);
}

TEST(LargestShare, LowersTheLargestFirst) {
  EXPECT_EQ(largest_share({1, 2, 3}, 6), kNoLimit);
  EXPECT_EQ(largest_share({1, 2, 30}, 6), 3);
  EXPECT_EQ(largest_share({1, 20, 30}, 6), 2.5);
  EXPECT_EQ(largest_share({10, 20, 30}, 6), 2);
  EXPECT_EQ(largest_share({}, 1), kNoLimit);
}

TEST(LargestShare, SharesAddUpToWhatIsAllowed) {
  const std::vector<double> squares{0.3, 7, 2, 2, 11, 0};
  for (const double allowed : {0.1, 1.0, 5.0, 20.0}) {
    const double share = largest_share(squares, allowed);
    double sum = 0;
    for (const double square : squares) sum += std::min(square, share);
    EXPECT_NEAR(sum, allowed, 1e-12);
  }
}

}  // namespace
}  // namespace subquad
