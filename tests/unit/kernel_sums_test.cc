// Kernel sums: arguments, special values, determinism, and the pieces of the far field.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "kernel_sums/kernel_block.h"
#include "kernel_sums/kernel_fit.h"
#include "kernel_sums/kernel_probes.h"
#include "kernel_sums/query_blocks.h"
#include "subquad/error.h"
#include "subquad/kernel_sums.h"
#include "support/draw.h"
#include "support/kernel_clouds.h"

namespace subquad::testing {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
const char* const kSpecs[] = {"exact", "far(clusters=8,fit=16,order=0)",
                              "far(clusters=8,fit=0,order=2)",
                              "far(clusters=8,fit=16,open=0.05,group=8)", "boxes(error=1e-5)"};

KernelCloud small_cloud() {
  return normal_cloud({.queries = 120, .keys = 150, .dim = 3, .channels = 2}, 1, 1);
}

std::string error_of(const KernelProblem& problem, std::string_view spec = "exact",
                     const Options& options = {}) {
  try {
    run_kernel_sums(problem, spec, options);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
    return error.what();
  }
  return "none";
}

TEST(KernelSumsArguments, EachErrorNamesItsArgument) {
  const KernelCloud cloud = small_cloud();
  for (const double bad : {0.0, -1.0, kNan, kInfinity}) {
    KernelProblem problem = cloud.problem();
    problem.bandwidth = bad;
    EXPECT_EQ(error_of(problem).rfind("bandwidth:", 0), 0u) << bad;
  }
  const TensorBuffer other(DType::f32, {1, 1, 7, 5}), batches(DType::f32, {2, 1, 150, 3});
  KernelProblem problem = cloud.problem();
  problem.key = other.view();
  EXPECT_EQ(error_of(problem).rfind("key: last extent", 0), 0u);
  problem.key = batches.view();
  EXPECT_EQ(error_of(problem).rfind("key: batch", 0), 0u);
  problem = cloud.problem();
  problem.value = other.view();
  EXPECT_EQ(error_of(problem).rfind("value: length", 0), 0u);
  problem = cloud.problem();
  problem.query.data = nullptr;
  EXPECT_EQ(error_of(problem).rfind("query: no data", 0), 0u);
  EXPECT_EQ(error_of(cloud.problem(), "exact", {.threads = -1}).rfind("threads:", 0), 0u);
}

TEST(KernelSumsArguments, BandwidthsByChannel) {
  const KernelCloud cloud = small_cloud();
  KernelProblem problem = cloud.problem();
  problem.bandwidths = {1, 1, 1};
  EXPECT_EQ(error_of(problem).rfind("bandwidth: 1, but bandwidths", 0), 0u);
  problem.bandwidth = 0;
  EXPECT_EQ(error_of(problem), "none");
  problem.bandwidths = {1, 1};
  EXPECT_EQ(error_of(problem).rfind("bandwidths: count is 2", 0), 0u);
  for (const double bad : {0.0, -1.0, kNan, kInfinity}) {
    problem.bandwidths = {1, bad, 1};
    EXPECT_EQ(error_of(problem).rfind("bandwidths: entry 1", 0), 0u) << bad;
  }
  problem.bandwidths = {1, 1, 1e-30};
  EXPECT_EQ(error_of(problem).rfind("bandwidths: entry 2", 0), 0u);
}

// A bandwidth beyond any float, either way.
TEST(KernelSumsEdges, BandwidthsOfAnySize) {
  KernelCloud cloud = normal_cloud({.queries = 20, .keys = 30, .dim = 2, .channels = 1}, 1e300, 9);
  EXPECT_LT(relative_error(cloud, run_kernel_sums(cloud.problem(), "exact").out), 1e-5);
  cloud.query.fill([] { return 0; });
  cloud.key.fill([] { return 0; });
  cloud.bandwidth = 1e-300;
  EXPECT_LT(relative_error(cloud, run_kernel_sums(cloud.problem(), "exact").out), 1e-5);
}

TEST(KernelSumsArguments, SpecsAreChecked) {
  const KernelCloud cloud = small_cloud();
  const KernelProblem problem = cloud.problem();
  const auto names = [&](const char* spec, const char* what) {
    return error_of(problem, spec).find(what) != std::string::npos;
  };
  EXPECT_TRUE(names("near", "unknown part 'near'"));
  EXPECT_TRUE(names("exact+far", "one part"));
  EXPECT_TRUE(names("exact(3)", "exact"));
  EXPECT_TRUE(names("far(clusters=0)", "clusters"));
  EXPECT_TRUE(names("far(order=1)", "order"));
  EXPECT_TRUE(names("far(colour=1)", "colour"));
  EXPECT_TRUE(names("far(open=0.1,error=0.1)", "open and error"));
  EXPECT_TRUE(names("far(fit=0,error=0.1)", "fit"));
  EXPECT_TRUE(names("boxes(error=0)", "error"));
  EXPECT_TRUE(names("boxes(floor=2)", "floor"));
  EXPECT_TRUE(names("boxes(groups=2)", "groups"));
}

TEST(KernelSumsArguments, OutMustFitAndIsLeftAloneOnErrors) {
  const KernelCloud cloud = small_cloud();
  TensorBuffer out(DType::f32, {1, 1, 120, 3});
  const auto before = out.words();
  EXPECT_THROW(kernel_sums(cloud.problem(), "exact", {out.mutable_view()}), Error);
  EXPECT_EQ(out.words(), before);
}

TEST(KernelSumsArguments, PointsBeyondAllBandwidths) {
  KernelCloud cloud = small_cloud();
  cloud.bandwidth = 1e-20;
  EXPECT_EQ(error_of(cloud.problem()).rfind("bandwidth:", 0), 0u);
}

TEST(KernelSumsEdges, NoQueriesNoKeysOneKey) {
  for (const char* spec : kSpecs) {
    SCOPED_TRACE(spec);
    const KernelCloud no_queries = normal_cloud({.queries = 0, .keys = 5, .dim = 2}, 1, 2);
    EXPECT_EQ(run_kernel_sums(no_queries.problem(), spec).report.rows, 0);
    const KernelCloud no_keys = normal_cloud({.queries = 5, .keys = 0, .dim = 2}, 1, 3);
    const KernelRun zeros = run_kernel_sums(no_keys.problem(), spec);
    for (std::int64_t i = 0; i < 5; ++i) EXPECT_EQ(zeros.out.get(0, 0, i, 0), 0);
    const KernelCloud one = normal_cloud({.queries = 9, .keys = 1, .dim = 2, .channels = 3}, 1, 4);
    EXPECT_LT(relative_error(one, run_kernel_sums(one.problem(), spec).out), 1e-5);
  }
}

TEST(KernelSumsEdges, FarQueriesGiveZeroAndNothingOverflows) {
  for (const double size : {1e3, 1e15, 1e30}) {
    KernelCloud cloud = small_cloud();
    cloud.bandwidth = std::max(1.0, size * 1e-16);
    for (std::int64_t d = 0; d < 3; ++d) {
      cloud.query.set(0, 0, 5, d, size);
      cloud.key.set(0, 0, 7, d, -size);
    }
    for (const char* spec : kSpecs) {
      const KernelRun run = run_kernel_sums(cloud.problem(), spec);
      for (std::int64_t i = 0; i < 120; ++i)
        for (std::int64_t c = 0; c < 2; ++c) {
          EXPECT_TRUE(std::isfinite(run.out.get(0, 0, i, c))) << spec << " row " << i;
          // A cluster with an outlier is wide, and so is what stands for it in order 2.
          if (spec == kSpecs[0] || spec == kSpecs[1] || spec == kSpecs[4]) {
            EXPECT_TRUE(i != 5 || run.out.get(0, 0, i, c) == 0) << spec;
          }
        }
    }
    EXPECT_LT(relative_error(cloud, run_kernel_sums(cloud.problem(), "exact").out), 1e-5) << size;
  }
}

// Which of the outputs differ from `before`: rows x columns of 'n' (NaN), 'z' (zero), 'x', '.'.
char change(const KernelRun& before, const KernelRun& after, std::int64_t i, std::int64_t c) {
  const double a = before.out.get(0, 0, i, c), b = after.out.get(0, 0, i, c);
  if (std::isnan(b)) return 'n';
  if (b == 0) return 'z';
  return std::abs(a - b) <= 0.5 * std::abs(a) + 5 ? '.' : 'x';
}

TEST(KernelSumsSpecialValues, NanQueryReachesItsRowOnlyAndInfiniteQueryIsZero) {
  for (const char* spec : kSpecs) {
    KernelCloud cloud = small_cloud();
    const KernelRun before = run_kernel_sums(cloud.problem(), spec);
    cloud.query.set(0, 0, 3, 1, kNan);
    cloud.query.set(0, 0, 4, 0, -kInfinity);
    const KernelRun after = run_kernel_sums(cloud.problem(), spec);
    for (std::int64_t i = 0; i < 120; ++i)
      EXPECT_EQ(change(before, after, i, 0), i == 3 ? 'n' : i == 4 ? 'z' : '.') << spec << i;
  }
}

TEST(KernelSumsSpecialValues, NanKeyReachesEveryRowAndInfiniteKeyNone) {
  for (const char* spec : kSpecs) {
    KernelCloud cloud = small_cloud();
    cloud.key.set(0, 0, 3, 1, kInfinity);
    cloud.value.set(0, 0, 3, 1, 1e30);
    EXPECT_LT(relative_error(cloud, run_kernel_sums(cloud.problem(), "exact").out), 1e-5);
    const KernelRun without = run_kernel_sums(cloud.problem(), spec);
    cloud.key.set(0, 0, 4, 2, kNan);
    const KernelRun all = run_kernel_sums(cloud.problem(), spec);
    for (std::int64_t i = 0; i < 120; ++i) {
      EXPECT_LT(std::abs(without.out.get(0, 0, i, 1)), 1e6) << spec << i;
      EXPECT_TRUE(std::isnan(all.out.get(0, 0, i, 0))) << spec << i;
    }
  }
}

TEST(KernelSumsSpecialValues, NanValueReachesItsColumnOfEveryRow) {
  for (const char* spec : kSpecs)
    for (const double wild : {kNan, kInfinity}) {
      KernelCloud cloud = small_cloud();
      const KernelRun before = run_kernel_sums(cloud.problem(), spec);
      cloud.value.set(0, 0, 140, 1, wild);
      const KernelRun after = run_kernel_sums(cloud.problem(), spec);
      for (std::int64_t i = 0; i < 120; ++i) {
        EXPECT_FALSE(std::isfinite(after.out.get(0, 0, i, 1))) << spec << i;
        EXPECT_EQ(change(before, after, i, 0), '.') << spec << i;
      }
      const std::string name = std::string(spec).substr(0, std::string(spec).find('('));
      EXPECT_EQ(after.report.path, name == "exact" ? name : name + ":exact(values)");
    }
}

// Near the largest float: sums of both signs that fit, and more draws of it than fit.
TEST(KernelSumsSpecialValues, HugeValuesHaveFiniteSumsWhereTheseFit) {
  for (const std::string spec : {"exact", "far(clusters=8,fit=16,order=0)", "far(error=0.01)"})
    for (const double size : {1e30, 3.4e38}) {
      KernelCloud cloud = small_cloud();
      Draw draw(5);
      cloud.value.fill([&] { return draw.one_of({-size, size}); });
      const KernelRun got = run_kernel_sums(cloud.problem(), spec);
      EXPECT_EQ(got.report.path, spec == "exact" ? spec : "far:exact(values)");
      got.out.for_each([&](auto b, auto h, auto i, auto c) {
        const double sum = plain_sums(cloud, b, h, i).sum[static_cast<std::size_t>(c)];
        if (std::fabs(sum) < 3.4e38)
          EXPECT_NEAR(got.out.get(b, h, i, c), sum, 1e-4 * size) << spec << i;
        else
          EXPECT_EQ(got.out.get(b, h, i, c), sum > 0 ? kInfinity : -kInfinity) << spec << i;
      });
    }
}

TEST(KernelSumsDeterminism, ThreadsDoNotChangeTheBitsSeedsDo) {
  const KernelCloud cloud =
      normal_cloud({.heads = 2, .queries = 1500, .keys = 1300, .dim = 5, .channels = 3}, 0.7, 6);
  for (const char* spec :
       {"exact", "far(clusters=40,fit=200,order=2)", "far(clusters=40,fit=200,open=0.01,group=32)",
        "far(clusters=40,fit=200,error=0.03,group=32)", "boxes"}) {
    SCOPED_TRACE(spec);
    const KernelRun one = run_kernel_sums(cloud.problem(), spec, {.threads = 1});
    for (const int threads : {2, 3, 7})
      EXPECT_EQ(run_kernel_sums(cloud.problem(), spec, {.threads = threads}).out.words(),
                one.out.words());
    const KernelRun other = run_kernel_sums(cloud.problem(), spec, {.threads = 1, .seed = 1});
    // What runs exactly has nothing to draw.
    EXPECT_TRUE(one.report.path.find("exact") != std::string::npos || one.report.path == "boxes" ||
                other.out.words() != one.out.words());
  }
}

// Each sequence of a batch gets the same draws.
TEST(KernelSumsDeterminism, TheBatchDoesNotChangeTheBits) {
  const KernelCloud cloud = small_cloud();
  KernelProblem twice = cloud.problem();
  for (TensorView* view : {&twice.query, &twice.key, &twice.value}) {
    view->shape[0] = 2;
    view->stride[0] = 0;
  }
  for (const char* spec : kSpecs) {
    const KernelRun one = run_kernel_sums(cloud.problem(), spec),
                    two = run_kernel_sums(twice, spec);
    for (std::int64_t i = 0; i < 120; ++i)
      for (std::int64_t b = 0; b < 2; ++b)
        EXPECT_EQ(two.out.get(b, 0, i, 1), one.out.get(0, 0, i, 1));
  }
}

TEST(KernelSumsReport, CountsWhatRan) {
  const KernelCloud cloud = small_cloud();
  const KernelReport exact = run_kernel_sums(cloud.problem(), "exact").report;
  EXPECT_EQ(exact.rows, 120);
  EXPECT_EQ(exact.scored_entries, 120 * 150);
  EXPECT_EQ(exact.opened_entries, 120 * 150);
  EXPECT_GT(exact.peak_extra_bytes, 0);
  const KernelReport far = run_kernel_sums(cloud.problem(), kSpecs[1]).report;
  EXPECT_EQ(far.path, "far");
  EXPECT_EQ(far.scored_entries, 120 * 8 + 16 * (150 + 2 * 8));
  EXPECT_EQ(far.opened_entries, 0);
  EXPECT_GT(far.estimated_error, 0);
  const KernelReport blind = run_kernel_sums(cloud.problem(), "far(clusters=8,fit=0)").report;
  EXPECT_TRUE(std::isnan(blind.estimated_error));
}

// Where no opening can keep the error that is asked for, none is tried: 30 probes meet all keys and
// 8 pseudo keys, as model and as weights, and at most 4 scouts of each of two blocks of queries
// meet all of them too.
TEST(KernelSumsReport, GivesUpWithoutTrialsWhereThresholdsTellThatNoneCanDo) {
  const KernelReport report =
      run_kernel_sums(small_cloud().problem(), "far(clusters=8,fit=30,order=0,error=1e-7,group=64)")
          .report;
  EXPECT_EQ(report.path, "far:exact(error)");
  EXPECT_EQ(report.scored_entries, 120 * 150 + 30 * (150 + 2 * 8) + 8 * (150 + 8));
}

// The block's own formula for a spread key, against the definition in kernel_block.h.
TEST(KernelBlock, WeighsKeysAndTheirSpread) {
  const std::vector<float> queries{0.5f, 1, 2, -1, 3, 0.25f}, keys{1, 1, -2, 0.5f};
  const std::vector<float> values{1, 1}, spread{0.75f, 4};
  const double sigma = 1.5, center[] = {0.5, 0.5};
  const std::vector<float> origin(center, center + 2);
  const std::vector<float> scales(2,
                                  static_cast<float>(std::sqrt(std::log2(std::exp(1.0))) / sigma));
  KernelBlock block(2, 1, scales, true);
  block.load(queries.data(), index_range(0, 3), origin);
  std::vector<float> plain(6), wide(6);
  block.weigh({keys.data(), values.data()}, index_range(0, 2), plain.data(), 2);
  block.weigh({keys.data(), values.data(), spread.data()}, index_range(0, 2), wide.data(), 2);
  for (std::size_t q = 0; q < 3; ++q)
    for (std::size_t k = 0; k < 2; ++k) {
      const double square = std::pow(double{queries[2 * q]} - double{keys[2 * k]}, 2) +
                            std::pow(double{queries[2 * q + 1]} - double{keys[2 * k + 1]}, 2);
      const double t = 1 + double{spread[k]};
      const double expected = std::exp(-square / (2 * sigma * sigma));
      EXPECT_NEAR(plain[2 * q + k], expected, 1e-5 * expected);
      const double broad = std::exp(-square / (2 * sigma * sigma * t)) / t;  // D = 2
      EXPECT_NEAR(wide[2 * q + k], broad, 1e-5 * broad);
    }
}

TEST(KernelProbes, ProbesAreDistinctAndScoutsAreOthers) {
  std::vector<QueryBlock> blocks;
  std::int32_t row = 0;
  for (const int size : {200, 1, 64, 3, 1, 1, 130}) {
    QueryBlock block;
    for (int i = 0; i < size; ++i) block.rows.push_back(row++);
    blocks.push_back(block);
  }
  const Rng rng(3, 0);
  const SampleRows probes = sample_evenly(lists_of(blocks), 100, rng);
  const SampleRows scouts = sample_others(lists_of(blocks), probes, 4, rng);
  std::set<std::int32_t> all(probes.rows.begin(), probes.rows.end());
  EXPECT_EQ(all.size(), 100u);
  all.insert(scouts.rows.begin(), scouts.rows.end());
  EXPECT_EQ(all.size(), 100u + scouts.rows.size());
  EXPECT_GE(scouts.rows.size(), 12u);
  std::int64_t covered = 0;
  for (const SampleRows* sample : {&probes, &scouts}) {
    EXPECT_TRUE(std::is_sorted(sample->group_of.begin(), sample->group_of.end()));
    for (const Range& batch : batch_rows(*sample)) {
      EXPECT_LE(batch.end - batch.begin, KernelBlock::kRows);
      covered += batch.end - batch.begin;
      const auto last = static_cast<std::size_t>(batch.end);
      EXPECT_TRUE(batch.end == sample->size() ||
                  sample->group_of[last] != sample->group_of[last - 1]);
    }
  }
  EXPECT_EQ(covered, probes.size() + scouts.size());
}

// Ridge regression by Gaussian elimination in double precision, of rows without `skip`.
std::vector<double> plain_ridge(const std::vector<double>& f, const std::vector<double>& t,
                                std::size_t r, double mu, std::size_t skip) {
  const std::size_t w = r + 1;
  std::vector<double> m(r * w, 0.0);
  for (std::size_t i = 0; i < t.size(); ++i)
    for (std::size_t a = 0; a < r && i != skip; ++a) {
      for (std::size_t b = 0; b < r; ++b) m[a * w + b] += f[i * r + a] * f[i * r + b];
      m[a * w + r] += f[i * r + a] * t[i];
    }
  for (std::size_t a = 0; a < r; ++a) m[a * w + a] += mu;
  for (std::size_t a = 0; a < r; ++a)
    for (std::size_t b = 0; b < r; ++b) {
      const double factor = m[b * w + a] / m[a * w + a];
      for (std::size_t c = a; c < w && b != a; ++c) m[b * w + c] -= factor * m[a * w + c];
    }
  std::vector<double> x(r);
  for (std::size_t a = 0; a < r; ++a) x[a] = m[a * w + r] / m[a * w + a];
  return x;
}

// The stated error is that of p fits, each without one probe, under the ridge of them all.
TEST(KernelFit, TheErrorIsThatOfLeavingEachProbeOut) {
  constexpr std::size_t p = 30, r = 4;
  Draw draw(9);
  KernelClusters clusters;
  std::vector<float> points;
  for (int i = 0; i < 40; ++i) points.push_back(static_cast<float>(draw.normal()));
  clusters.keys = cluster_points(points.data(), 40, 1, r, Clustering::kmeans, Rng(1, 0), 1);
  ASSERT_EQ(clusters.size(), static_cast<std::int64_t>(r));
  std::vector<float> weights;
  for (std::size_t i = 0; i < p * r; ++i) weights.push_back(static_cast<float>(draw.unit()));
  std::vector<double> exact, residual;
  for (std::size_t i = 0; i < p; ++i) {
    exact.push_back(5 + draw.normal());
    residual.push_back(draw.normal());
  }
  KernelFit fit(clusters, weights, exact, 1, 1);
  const double lambda = 0.03;
  fit.choose_ridge(lambda, residual);
  const KernelCorrection correction = fit.correct(residual);

  std::vector<double> features(p * r);
  double trace = 0, size = 0, left = 0;
  for (std::size_t i = 0; i < p * r; ++i) {
    features[i] =
        double{weights[i]} *
        static_cast<double>(clusters.keys.members(static_cast<std::int64_t>(i % r)).count);
    trace += features[i] * features[i];
  }
  const double mu = lambda * trace / r;
  for (std::size_t i = 0; i < p; ++i) {
    const std::vector<double> x = plain_ridge(features, residual, r, mu, i);
    double error = residual[i];
    for (std::size_t c = 0; c < r; ++c) error -= features[i * r + c] * x[c];
    left += error * error;
    size += exact[i] * exact[i];
  }
  EXPECT_NEAR(correction.error, std::sqrt(left / size), 1e-4 * correction.error);
  const std::vector<double> x = plain_ridge(features, residual, r, mu, p);
  for (std::size_t c = 0; c < r; ++c) {
    const auto n = static_cast<double>(clusters.keys.members(static_cast<std::int64_t>(c)).count);
    EXPECT_NEAR(correction.values[c], n * x[c], 1e-4 * (std::abs(n * x[c]) + 0.1));
  }
}

}  // namespace
}  // namespace subquad::testing
