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

  ErrorSquares expected() const override {
    return exact() ? ErrorSquares{} : ErrorSquares{squares_[step_], out_};
  }
  void lower_error(double square) override {
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

// 0.9 of the error asked for may be expected: 0.81 * 0.01 * 1000 = 8.1 in squares.
TEST(ShareError, LowersOnlyTheHeadsThatAreAboveTheirShare) {
  Ladder small({1, 0.5}, 500), large({20, 9, 6, 2}, 300), largest({50, 40, 30}, 200);
  const std::vector<SharedError*> heads{&small, &large, &largest};
  share_error(heads, 0.1);
  EXPECT_EQ(small.step(), 0U);
  EXPECT_TRUE(largest.exact());
  EXPECT_EQ(large.step(), 2U);
  for (const Ladder* head : {&small, &large, &largest}) EXPECT_TRUE(head->decided());
}

TEST(ShareError, LeavesAloneWhatIsBelowTheTarget) {
  Ladder one({4, 1}, 500), other({4, 1}, 500);
  const std::vector<SharedError*> heads{&one, &other};
  share_error(heads, 0.1);
  EXPECT_EQ(one.step() + other.step(), 0U);
  EXPECT_TRUE(one.decided() && other.decided());
  share_error({}, 0.1);
}

// What is exact has no error, and what it would have put out allows none to the others either.
TEST(ShareError, CountsOnlyTheOutputsOfHeadsThatAreEstimated) {
  Ladder exact({}, 1e6), head({9, 3}, 500);
  const std::vector<SharedError*> heads{&exact, &head};
  share_error(heads, 0.1);  // 4.05 allowed
  EXPECT_EQ(head.step(), 1U);
}

}  // namespace
}  // namespace subquad::testing
