// What `compare` calls faster than exact, the sentence that says so, and the labels of its picture.
#include "speed.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "point_labels.h"
#include "verdict.h"

namespace subquad::cli {
namespace {

using Seconds = std::vector<double>;

TEST(Speed, ExactsOwnCode) {
  for (const char* path :
       {"exact:packed", "exact", "hyper:exact:packed", "far:exact", "far:exact|exact:packed",
        "hyper:exact:backward", "far:sink+window+multipole|exact after all"})
    EXPECT_TRUE(runs_exact_code(path)) << path;
  for (const char* path :
       {"", "uniform", "far:multipole[1 of 3 heads exact]", "sink+window",
        "hyper:exact:packed|sortlsh+uniform", "inexact", "exactly:x", "exact:split3-amx",
        "exact:split3-amx+f32", "exact:split6-amx|f32 after all", "exact:skipped 20 % of tiles"})
    EXPECT_FALSE(runs_exact_code(path)) << path;
}

TEST(Speed, Spread) {
  EXPECT_FALSE(spread_of({3}).has_value());
  EXPECT_EQ(spread_of({3, 1, 2})->low, 1);
  EXPECT_EQ(spread_of({3, 1, 2})->high, 3);
  const Seconds nine{9, 1, 8, 2, 7, 3, 6, 4, 5};
  EXPECT_EQ(spread_of(nine)->low, 3);
  EXPECT_EQ(spread_of(nine)->high, 7);
}

TEST(Speed, FasterBeyondTheNoise) {
  const Seconds exact{10, 11, 12};
  EXPECT_EQ(compare_speed("uniform", {7, 8, 9.9}, exact), Speed::faster);
  EXPECT_EQ(compare_speed("uniform", {7, 8, 10.1}, exact), Speed::alike);
  EXPECT_EQ(compare_speed("uniform", {12.1, 13, 14}, exact), Speed::slower);
  EXPECT_EQ(compare_speed("hyper:exact:packed", {1, 1, 1}, exact), Speed::exact_code);
  EXPECT_EQ(compare_speed("uniform", {1}, {1.4}), Speed::alike);
  EXPECT_EQ(compare_speed("uniform", {1}, {1.6}), Speed::faster);
  EXPECT_EQ(compare_speed("uniform", {1.6}, {1}), Speed::slower);
}

// One disturbed round of many decides nothing.
TEST(Speed, AnOutlierOfManyRoundsDoesNotCount) {
  Seconds exact(9, 10.0), method(9, 5.0);
  method[4] = 40;
  exact[7] = 1;
  EXPECT_EQ(compare_speed("uniform", method, exact), Speed::faster);
}

RunRecord make_run(const std::string& method, const std::string& path, const Seconds& seconds,
                   double error) {
  RunRecord run;
  run.method = method;
  run.path = path;
  run.median_s = seconds[seconds.size() / 2];
  run.speedup_over_exact = 10 / *run.median_s;
  run.speed = compare_speed(path, seconds, {9.9, 10, 10.1});
  const auto spread = spread_of(seconds);
  run.time_low_s = spread->low;
  run.time_high_s = spread->high;
  run.rel_fro = error;
  return run;
}

std::string verdict_of(const std::vector<RunRecord>& methods) {
  Comparison comparison;
  comparison.runs.push_back(make_run("exact", "exact:packed", {9.9, 10, 10.1}, 0));
  comparison.runs.front().rel_fro.reset();
  comparison.runs.insert(comparison.runs.end(), methods.begin(), methods.end());
  return verdict(comparison, [](const std::string& name) { return "'" + name + "'"; });
}

TEST(Verdict, ExactsOwnCodeIsNeverFaster) {
  EXPECT_EQ(verdict_of({make_run("hyper", "hyper:exact:packed", {7, 7.1, 7.2}, 0)}),
            "Exact is the fastest here: nothing within 0.05 relative error is faster beyond the "
            "noise. 'hyper' runs exact's own code.");
}

TEST(Verdict, NoiseIsNotSpeed) {
  const std::string text = verdict_of({make_run("far", "far:multipole", {8, 9, 11}, 0.01)});
  EXPECT_EQ(text.rfind("Exact is the fastest here", 0), 0u) << text;
}

TEST(Verdict, FastestOfTheGood) {
  EXPECT_EQ(verdict_of({make_run("a", "a", {1, 1, 1}, 0.3), make_run("b", "b", {3, 4, 5}, 0.02),
                        make_run("c", "c", {4.5, 5, 6}, 0.01), make_run("d", "d", {6, 7, 8}, 0)}),
            "Fastest within 0.05 relative error: 'b', 2.5 times the speed of exact, error 0.02. As "
            "fast within the noise: 'c'.");
}

TEST(Verdict, NothingIsGood) {
  EXPECT_EQ(verdict_of({make_run("a", "a", {1, 1, 1}, 0.3), make_run("b", "b", {9, 10, 11}, 0.1)}),
            "No method here is within 0.05 relative error; closest: 'b', as fast as exact within "
            "the noise, error 0.1.");
}

// Apart from each other and from every point, also where the points lie in a heap.
TEST(PointLabels, DoNotOverlap) {
  std::mt19937 draw(5);
  std::normal_distribution<double> spread(200, 12);
  for (int round = 0; round < 20; ++round) {
    std::vector<PointSpot> points;
    for (int i = 0; i < 8; ++i) points.push_back({spread(draw), spread(draw)});
    const std::vector<LabelSpot> labels = place_labels(points, -1000);
    ASSERT_EQ(labels.size(), points.size());
    for (std::size_t i = 0; i < labels.size(); ++i)
      for (std::size_t j = 0; j < i; ++j)
        EXPECT_TRUE(std::fabs(labels[i].x - labels[j].x) >= 16 ||
                    std::fabs(labels[i].y - labels[j].y) >= 12)
            << round << ": " << i << ", " << j;
  }
}

}  // namespace
}  // namespace subquad::cli
