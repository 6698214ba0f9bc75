// The picture of what a method adds to -log p along a text.
#include <cmath>
#include <regex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "linear_axis.h"
#include "loss_plot.h"

namespace subquad::cli {
namespace {

// The y of a curve's points, in pixels, curve after curve.
std::vector<double> heights(const std::string& svg) {
  static const std::regex point("[0-9.]+,([0-9.]+) ");
  std::vector<double> found;
  for (std::sregex_iterator at(svg.begin(), svg.end(), point), end; at != end; ++at)
    found.push_back(std::stod((*at)[1]));
  return found;
}

TEST(LossPlot, MeansOfStretches) {
  const std::vector<double> values{1, 3, 10, 20, 5, 7, 9};
  EXPECT_EQ(stretch_means(values, 2), (std::vector<double>{14.0 / 3, 41.0 / 4}));
  EXPECT_EQ(stretch_means(values, 1), (std::vector<double>{55.0 / 7}));
  EXPECT_EQ(stretch_means(values, 7), values);
  EXPECT_EQ(stretch_means(values, 100), values);
  EXPECT_TRUE(stretch_means({}, 3).empty());
}

TEST(LossPlot, TicksAreFewAndRound) {
  for (const double high : {0.003, 0.7, 1.0, 6.0, 44.0, 1023.0, 8192.0}) {
    const std::vector<double> ticks = LinearAxis(-high / 7, high, 0, 1).ticks();
    EXPECT_GE(ticks.size(), 4U) << high;
    EXPECT_LE(ticks.size(), 12U) << high;
    for (const double tick : ticks) {
      const double steps = tick / (ticks[1] - ticks[0]);
      EXPECT_NEAR(steps, std::round(steps), 1e-6) << high;
      EXPECT_FALSE(tick == 0 && std::signbit(tick));
      EXPECT_GE(tick, -high / 7 - 1e-6 * high);
      EXPECT_LE(tick, high * (1 + 1e-6));
    }
  }
}

TEST(LossPlot, AnAxisFromZeroBeginsWithIt) {
  const std::vector<double> ticks = LinearAxis(0, 512, 0, 1).ticks();
  EXPECT_EQ(ticks.front(), 0);
  EXPECT_FALSE(std::signbit(ticks.front()));
}

// The line of exact attention is at zero, a larger loss above it, a smaller one below.
TEST(LossPlot, WorseIsHigher) {
  static const std::regex exact("<line class='exact'[^>]* y1='([0-9.]+)'");
  const std::string svg = loss_svg({{"a", {0.5, 0.0, -0.25}}, {"b", {1.0, 1.0}}}, 100);
  std::smatch zero;
  ASSERT_TRUE(std::regex_search(svg, zero, exact));
  const double y = std::stod(zero[1]);
  const std::vector<double> found = heights(svg);
  ASSERT_EQ(found.size(), 5U);
  EXPECT_NEAR(found[1], y, 0.11);
  EXPECT_NEAR(found[0] - y, -2 * (found[2] - y), 0.4);
  EXPECT_NEAR(found[3] - y, 2 * (found[0] - y), 0.4);
}

TEST(LossPlot, NumbersThatEndTogetherStandApart) {
  static const std::regex number("<text class='number'[^>]* y='([0-9.]+)'[^>]*>([0-9]+)<");
  const std::string svg =
      loss_svg({{"a", {0.1, 0.1}}, {"b", {0.1, 0.1001}}, {"c", {0.1, 0.1}}}, 100);
  std::vector<double> places;
  for (std::sregex_iterator at(svg.begin(), svg.end(), number), end; at != end; ++at)
    places.push_back(std::stod((*at)[1]));
  ASSERT_EQ(places.size(), 3U);
  for (std::size_t i = 1; i < 3; ++i) EXPECT_GE(places[i - 1] - places[i], 14.9);
}

TEST(LossPlot, NamesAreNoMarkup) {
  const std::string svg = loss_svg({{"<b>&", {0.1}}}, 10);
  EXPECT_NE(svg.find("<title>&lt;b&gt;&amp;</title>"), std::string::npos);
}

// All curves on exact: there is a frame all the same.
TEST(LossPlot, NoDifference) {
  const std::string svg = loss_svg({{"a", {0, 0, 0}}}, 10);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(heights(svg).size(), 3U);
}

}  // namespace
}  // namespace subquad::cli
