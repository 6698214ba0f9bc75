// How heads share an error: the largest are lowered until all together fit.
#include "run/share_error.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace subquad::testing {
namespace {

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

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

// A head whose choices leave the squares given, one after the other, then none.
class Ladder final : public SharedError {
 public:
  Ladder(std::vector<double> squares, double out) : squares_(std::move(squares)), out_(out) {}

  ErrorSquares expected(std::int64_t) const override {
    return exact() ? ErrorSquares{} : ErrorSquares{squares_[step_], out_};
  }
  void lower_error(std::int64_t, double square) override {
    EXPECT_FALSE(decided_);
    EXPECT_GT(squares_[step_], square);
    while (!exact() && squares_[step_] > square) ++step_;
  }
  void decide() override { decided_ = true; }

  bool exact() const { return step_ == squares_.size(); }
  bool decided() const { return decided_; }
  std::size_t step() const { return step_; }

 private:
  std::vector<double> squares_;
  double out_;
  std::size_t step_ = 0;
  bool decided_ = false;
};

// 0.0081 * 1000 = 8.1 in squares may be expected.
TEST(ShareError, LowersOnlyTheHeadsThatAreAboveTheirShare) {
  Ladder small({1, 0.5}, 500), large({20, 9, 6, 2}, 300), largest({50, 40, 30}, 200);
  const std::vector<SharedError*> heads{&small, &large, &largest};
  share_error(heads, 0.09);
  EXPECT_EQ(small.step(), 0U);
  EXPECT_TRUE(largest.exact());
  EXPECT_EQ(large.step(), 2U);
  for (const Ladder* head : {&small, &large, &largest}) EXPECT_TRUE(head->decided());
}

TEST(ShareError, LeavesAloneWhatIsBelowTheTarget) {
  Ladder one({4, 1}, 500), other({4, 1}, 500);
  const std::vector<SharedError*> heads{&one, &other};
  share_error(heads, 0.09);
  EXPECT_EQ(one.step() + other.step(), 0U);
  EXPECT_TRUE(one.decided() && other.decided());
  share_error({}, 0.09);
}

// What is exact has no error, and what it would have put out allows none to the others either.
TEST(ShareError, CountsOnlyTheOutputsOfHeadsThatAreEstimated) {
  Ladder exact({}, 1e6), head({9, 3}, 500);
  const std::vector<SharedError*> heads{&exact, &head};
  share_error(heads, 0.09);  // 4.05 allowed
  EXPECT_EQ(head.step(), 1U);
}

// In each stage every choice leaves half of the one before; the second choice of a stage is the
// last.
class Staged final : public SharedError {
 public:
  Staged(std::vector<double> squares, double out, double variance = 0)
      : squares_(std::move(squares)), steps_(squares_.size(), 0), out_(out), variance_(variance) {}

  std::int64_t stages() const override { return std::ssize(squares_); }
  ErrorSquares expected(std::int64_t stage) const override {
    const int step = steps_[static_cast<std::size_t>(stage)];
    if (step == 2) return {};
    return {squares_[static_cast<std::size_t>(stage)] / (1 + step), out_, step > 0 ? 0 : variance_};
  }
  void lower_error(std::int64_t stage, double) override {
    EXPECT_LT(++steps_[static_cast<std::size_t>(stage)], 3);
  }
  void decide() override {}

  const std::vector<int>& steps() const { return steps_; }

 private:
  std::vector<double> squares_;
  std::vector<int> steps_;
  double out_, variance_;
};

// 0.01 * 200 = 2 in each stage. The shorter head has no part in the third.
TEST(ShareError, GoesThroughTheStagesOneByOne) {
  Staged longer({0.5, 3, 4}, 100), shorter({0.5, 0.8}, 100);
  const std::vector<SharedError*> heads{&longer, &shorter};
  share_error(heads, 0.1);
  EXPECT_EQ(longer.steps(), (std::vector<int>{0, 2, 2}));
  EXPECT_EQ(shorter.steps(), (std::vector<int>{0, 0}));
}

// 1 + 0.5 is below 2, but not with 2 sqrt(0.09 + 0.16) = 1; the head of the larger variance is
// first.
TEST(ShareError, AsksTwoDeviationsOfTheSum) {
  Staged sure({1}, 100, 0.09), unsure({0.5}, 100, 0.16);
  const std::vector<SharedError*> heads{&sure, &unsure};
  share_error(heads, 0.1);
  EXPECT_EQ(sure.steps().front() + unsure.steps().front(), 1);
  Staged other({1}, 100, 0.01), another({0.5}, 100, 0.01);
  const std::vector<SharedError*> quiet{&other, &another};
  share_error(quiet, 0.1);
  EXPECT_EQ(other.steps().front() + another.steps().front(), 0);
}

}  // namespace
}  // namespace subquad::testing
