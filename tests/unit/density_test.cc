// Density indices: what they refuse, ids, files.
#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "subquad/density.h"
#include "support/density_cloud.h"
#include "support/invalid.h"

namespace subquad::testing {
namespace {

const std::array kOne{1.0};

TEST(DensityArguments, FitRefuses) {
  const PointRows points = mixture(20, 3, 1);
  const auto fit = [&](const std::vector<double>& bandwidth) {
    return DensityIndex::fit(points.view(), bandwidth);
  };
  expect_invalid("bandwidth", [&] { fit({}); });
  expect_invalid("bandwidth", [&] { fit({1, 1}); });
  for (const double bad : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()})
    expect_invalid("bandwidth", [&] { fit({bad}); });
  expect_invalid("points", [&] { fit({1e-18}); });
  expect_invalid("threads", [&] { DensityIndex::fit(points.view(), kOne, {-1}); });
  PointRows odd = points;
  odd.values[7] = std::numeric_limits<float>::quiet_NaN();
  expect_invalid("points: row 2, column 1", [&] { DensityIndex::fit(odd.view(), kOne); });
  TensorView heads = points.view();
  heads.shape = {1, 2, 10, 3};
  expect_invalid("points", [&] { DensityIndex::fit(heads, kOne); });
  expect_invalid("points", [&] { DensityIndex::fit(TensorView{}, kOne); });
}

// One group of tables has an interval too.
TEST(DensityArguments, OneGroup) {
  const PointRows points = mixture(400, 3, 4);
  const DensityIndex index = DensityIndex::fit(points.view(), kOne);
  const DensityResult result = index.query(points.view(), {.method = "hbe(tables=8,groups=1)"});
  for (const double error : result.error) EXPECT_GT(error, 0);
}

// What rounding leaves of a constant is no deviation.
TEST(DensityArguments, ConstantColumns) {
  PointRows points = mixture(500, 2, 5);
  for (std::size_t i = 1; i < points.values.size(); i += 2) points.values[i] = 3.1f;
  expect_invalid("column 1", [&] { density_bandwidth(points.view(), BandwidthRule::scott); });
}

TEST(DensityArguments, QueryRefuses) {
  const PointRows points = mixture(20, 3, 1);
  const DensityIndex index = DensityIndex::fit(points.view(), kOne);
  const auto ask = [&](const DensityQuery& how) { return index.query(points.view(), how); };
  for (const double bad : {-0.1, 1.1, std::nan("")}) {
    expect_invalid("rel_error", [&] { ask({.rel_error = bad}); });
    expect_invalid("mu", [&] { ask({.mu = bad}); });
    expect_invalid("confidence", [&] { ask({.confidence = bad}); });
  }
  expect_invalid("confidence", [&] { ask({.confidence = 1}); });
  expect_invalid("known: auto, exact, sampled", [&] { ask({.method = "magic"}); });
  expect_invalid("method", [&] { ask({.method = "exact+exact"}); });
  expect_invalid("bars", [&] { ask({.method = "sampled(bars=9)"}); });
  expect_invalid("tables", [&] { ask({.method = "hbe(tables=0)"}); });
  const DensityIndex large = DensityIndex::fit(mixture(20000, 1, 2).view(), kOne);
  expect_invalid("4096 tables of 20000 points",
                 [&] { large.query(mixture(2, 1, 3).view(), {.method = "hbe(tables=4096)"}); });
  expect_invalid("recall", [&] { ask({.method = "ckns(recall=1)"}); });
  expect_invalid("order", [&] { ask({.method = "far(order=7)"}); });
  expect_invalid("queries", [&] { index.query(mixture(2, 4, 1).view()); });
  PointRows odd = points;
  odd.values[0] = std::numeric_limits<float>::infinity();
  expect_invalid("queries: row 0, column 0", [&] { index.query(odd.view()); });
}

TEST(DensityArguments, BandwidthRulesRefuse) {
  const PointRows same{{1, 2, 1, 3, 1, 4}, 2};
  expect_invalid("column 0", [&] { density_bandwidth(same.view(), BandwidthRule::scott); });
  expect_invalid("points",
                 [&] { density_bandwidth(same.part(0, 1).view(), BandwidthRule::scott); });
  expect_invalid("target", [&] { bandwidth_for_density(same.view(), kOne, 0); });
  expect_invalid("shape", [&] { bandwidth_for_density(same.view(), {}, 0.1); });
  const PointRows one{{1, 2, 1, 2, 1, 2}, 2};
  expect_invalid("points", [&] { bandwidth_for_density(one.view(), kOne, 0.1); });
  const PointRows twice{{1, 2, 1, 2, 3, 9}, 2};
  expect_invalid("target", [&] { bandwidth_for_density(twice.view(), kOne, 0.01); });
}

TEST(DensityIds, InsertAndEraseAreAFitOfTheRest) {
  const PointRows points = mixture(120, 2, 2), queries = mixture(30, 2, 3);
  DensityIndex index = DensityIndex::fit(points.part(0, 70).view(), kOne);
  EXPECT_EQ(index.insert(points.part(70, 120).view()), 70);
  const std::array<std::int64_t, 2> gone{119, 0};
  index.erase(gone);
  EXPECT_EQ(index.size(), 118);
  const DensityResult wanted = densities(points.part(1, 119), queries, kOne, {});
  for (std::size_t i = 0; i < 30; ++i)
    EXPECT_NEAR(index.query(queries.view()).value[i], wanted.value[i], 1e-6);
  EXPECT_EQ(index.insert(points.part(0, 1).view()), 120);
}

TEST(DensityIds, UnknownOnesChangeNothing) {
  DensityIndex index = DensityIndex::fit(mixture(5, 2, 2).view(), kOne);
  const std::array<std::int64_t, 2> unknown{1, 5}, twice{3, 3};
  expect_invalid("id 5", [&] { index.erase(unknown); });
  expect_invalid("ids: 3", [&] { index.erase(twice); });
  EXPECT_EQ(index.size(), 5);
  expect_invalid("points", [&] { index.insert(mixture(5, 3, 2).view()); });
}

TEST(DensityIds, NoPointsAreDensityZero) {
  DensityIndex index = DensityIndex::fit(mixture(0, 2, 1).view(), kOne);
  const PointRows queries = mixture(3, 2, 1);
  for (const char* method : {"auto", "exact", "sampled", "deann", "hbe(tables=2)", "ckns", "far"})
    EXPECT_EQ(index.query(queries.view(), {.method = method}).value, std::vector<double>(3, 0.0));
  EXPECT_EQ(index.insert(queries.view()), 0);
  EXPECT_GT(index.query(queries.view()).value[0], 0);
  EXPECT_TRUE(index.query(mixture(0, 2, 1).view()).value.empty());
}

class DensityFiles : public ::testing::Test {
 protected:
  DensityFiles()
      : path_(::testing::TempDir() + "density_" +
              ::testing::UnitTest::GetInstance()->current_test_info()->name() + ".sqd") {}
  ~DensityFiles() override { std::filesystem::remove(path_); }

  std::string bytes() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // The error of a file of these bytes begins with the path and names `word`.
  void expect_refused(const std::string& bytes, const std::string& word) const {
    std::ofstream(path_, std::ios::binary) << bytes;
    expect_invalid(path_ + ": " + word, [&] { DensityIndex::load(path_); });
  }

  std::string path_;
};

TEST_F(DensityFiles, LoadedIsAsSaved) {
  const PointRows points = mixture(3000, 3, 4), queries = mixture(40, 3, 5);
  const std::array sigma{0.5, 1.0, 2.0};
  DensityIndex index = DensityIndex::fit(points.view(), sigma, {1, 77, true});
  const std::array<std::int64_t, 1> gone{2999};
  index.erase(gone);
  index.save(path_);
  DensityIndex loaded = DensityIndex::load(path_);
  EXPECT_EQ(loaded.bandwidth(), index.bandwidth());
  for (const char* method : {"exact", "sampled(m=500)", "deann(k=10,m=300)"}) {
    const DensityQuery how{.method = method};
    EXPECT_EQ(loaded.query(queries.view(), how).value, index.query(queries.view(), how).value);
  }
  EXPECT_EQ(loaded.insert(queries.view()), 3000);
}

TEST_F(DensityFiles, WhatIsNoSuchFile) {
  DensityIndex::fit(mixture(10, 2, 4).view(), kOne).save(path_);
  const std::string good = bytes();
  for (std::size_t size = 0; size < good.size(); size += 7)
    expect_refused(good.substr(0, size), "");
  for (std::size_t at = 0; at < good.size(); at += 5) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    expect_refused(bad, "");
  }
  std::string other = good;
  other[8] = 9;
  expect_refused(other, "version");
  other = good;
  other.back() = static_cast<char>(other.back() ^ 1);
  expect_refused(other, "checksum");
  expect_refused(good + "x", "end");
  expect_refused("nothing of the kind", "magic");
  expect_invalid("none", [&] { DensityIndex::load("/none/none.sqd"); });
  expect_invalid("none", [&] { DensityIndex::fit(mixture(1, 2, 4).view(), kOne).save("/none/a"); });
}

}  // namespace
}  // namespace subquad::testing
