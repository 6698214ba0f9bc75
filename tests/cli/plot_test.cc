// The picture of errors against times: what covers what.
#include <regex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "error_time_plot.h"
#include "plain_text.h"

namespace subquad::cli {
namespace {

PlotPoint point(double seconds, double error) { return {"m", seconds, seconds, seconds, error}; }

std::vector<double> radii(const std::string& svg) {
  static const std::regex circle("<circle[^>]* r='([0-9.]+)'");
  std::vector<double> found;
  for (std::sregex_iterator at(svg.begin(), svg.end(), circle), end; at != end; ++at)
    found.push_back(std::stod((*at)[1]));
  return found;
}

TEST(Plot, PointsInOnePlaceAreRings) {
  const std::string svg =
      error_time_svg({point(0.1, 0.02), point(0.1, 0.02), point(0.1, 0.02), point(0.01, 0.3)}, 0.2);
  const std::vector<double> sizes = radii(svg);
  ASSERT_EQ(sizes.size(), 4U);
  EXPECT_GT(sizes[0], sizes[1] + 2);  // drawn first, seen around the others
  EXPECT_GT(sizes[1], sizes[2] + 2);
  EXPECT_EQ(sizes[2], sizes[3]);
}

TEST(Plot, PointsApartAreAlike) {
  const std::vector<double> sizes =
      radii(error_time_svg({point(0.1, 0.02), point(0.01, 0.3)}, 0.2));
  ASSERT_EQ(sizes.size(), 2U);
  EXPECT_EQ(sizes[0], sizes[1]);
}

// Above the frame are the speed-ups.
TEST(Plot, NumbersStayInsideTheFrame) {
  static const std::regex frame("<rect class='frame'[^>]* y='([0-9.]+)'"),
      number("<text class='number' x='[0-9.]+' y='([0-9.]+)'");
  std::vector<PlotPoint> points{point(1, 1e-5)};
  for (int i = 0; i < 8; ++i) points.push_back(point(0.1 + 0.002 * i, 1.0));
  const std::string svg = error_time_svg(points, 0.2);
  std::smatch top;
  ASSERT_TRUE(std::regex_search(svg, top, frame));
  int count = 0;
  for (std::sregex_iterator at(svg.begin(), svg.end(), number), end; at != end; ++at, ++count)
    EXPECT_GE(std::stod((*at)[1]), std::stod(top[1]) + 12);
  EXPECT_EQ(count, 9);
}

// On a phone letters are 19 of the drawing's units high, and hardly a digit is wider than 11.
TEST(Plot, TheErrorsNameIsBesideItsNumbers) {
  static const std::regex tick("<text class='tick' x='([0-9.]+)'[^>]*text-anchor='end'>([^<]*)<");
  static const std::regex label("translate\\(([0-9.]+) [0-9.]+\\) *rotate");
  for (const double error : {1.3e-5, 2e-4, 0.03, 0.7}) {
    const std::string svg = error_time_svg({point(0.1, error), point(0.2, 1.2 * error)}, 0.2);
    std::smatch name;
    ASSERT_TRUE(std::regex_search(svg, name, label));
    int ticks = 0;
    for (std::sregex_iterator at(svg.begin(), svg.end(), tick), end; at != end; ++at, ++ticks)
      EXPECT_GT(std::stod((*at)[1]) - 11.0 * static_cast<double>((*at)[2].length()),
                std::stod(name[1]) + 6)
          << (*at)[2];
    EXPECT_GT(ticks, 1);
  }
}

TEST(PlainText, ControlCharactersAreShown) {
  EXPECT_EQ(plain_text("a\x1b[31mb\tc\nd\x7f"), "a\\x1b[31mb\\x09c\\x0ad\\x7f");
  EXPECT_EQ(plain_text("\xc2\x9b"
                       "31m"),
            "\\x9b31m");
  EXPECT_EQ(plain_text("caf\xc3\xa9 \xe2\x88\x92"), "caf\xc3\xa9 \xe2\x88\x92");
  EXPECT_EQ(plain_text(""), "");
}

}  // namespace
}  // namespace subquad::cli
