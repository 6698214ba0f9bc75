// The residual's sample leaves no bias, for any far field, and states its error.
//
// 4 specs x 16 rows x 4 sums: 256 checks at bounds.h's rate each, and 3 of calibration.h.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "property/heavy_light_support.h"
#include "statistical/bounds.h"
#include "statistical/calibration.h"
#include "support/multipole_model.h"

namespace subquad::testing {
namespace {

constexpr Dimensions sizes{.queries = 16, .keys = 120, .head_dim = 4, .value_dim = 3};
constexpr int kDraws = 1000;
constexpr std::int64_t kSamples = 30;

// Of one row's sums over draws: how far they were from the exact ones, and what chance may do.
struct Deviation {
  std::vector<double> sum, variance, range, bias;  // bias: of the far field alone
};

// Adds what one draw gave, in units of the exact sum of weights.
void add_draw(const PlainPlan& plan, std::int64_t i, const MethodRun& run, Deviation& d) {
  const PlainFar& far = plan.far;
  const std::int64_t n = plan.tensors.keys, width = far.width();
  const std::vector<double> exact = far.exact(i), alone = far.estimate(i);
  const double l = std::exp(run.lse.get(0, 0, i, 0) - far.reference[at(i)]);
  Table terms(n, width);
  for (std::int64_t j = 0; j < n; ++j) far.add_residual(i, j, 1, terms.row(j));
  for (std::int64_t w = 0; w < width; ++w) {
    double mean = 0, square = 0, largest = 0;
    std::vector<double> away;
    for (std::int64_t j = 0; j < n; ++j) mean += terms.row(j)[w] / static_cast<double>(n);
    for (std::int64_t j = 0; j < n; ++j) {
      square += std::pow(terms.row(j)[w] - mean, 2) / static_cast<double>(n - 1);
      away.push_back(std::fabs(terms.row(j)[w] - mean));
    }
    std::sort(away.begin(), away.end(), std::greater<>());
    for (std::int64_t j = 0; j < kSamples; ++j) largest += away[at(j)];
    const auto m = static_cast<double>(kSamples), all = static_cast<double>(n);
    const double unit = exact.back(), found = w + 1 < width ? l * run.out.get(0, 0, i, w) : l;
    d.sum[at(w)] += (found - exact[at(w)]) / unit;
    d.bias[at(w)] += (alone[at(w)] - exact[at(w)]) / unit;
    d.variance[at(w)] += all * all / m * (1 - m / all) * square / (unit * unit) / kDraws;
    d.range[at(w)] = std::max(d.range[at(w)], all / m * largest / unit);
  }
}

// Every draw has clusters and opened ones of its own; given those, its sums have the mean, the
// variance and the range that Bernstein's bound takes.
void expect_no_bias(const std::string& spec) {
  SCOPED_TRACE(spec);
  const OwnedProblem owned = gaussian_problem(sizes, 1);
  const HeadProblem head = split_heads(owned.problem)[0];
  const std::vector<double> zeros(at(sizes.value_dim + 1), 0.0);
  std::vector<Deviation> rows(at(sizes.queries), Deviation{zeros, zeros, zeros, zeros});
  for (int seed = 0; seed < kDraws; ++seed) {
    const auto s = static_cast<std::uint64_t>(seed);
    const MethodRun run = run_method(owned.problem, spec, 1, s);
    ASSERT_EQ(run.report.fallback_rows, 0);
    const PlainPlan plan(head, spec, s, false);
    for (std::int64_t i = 0; i < sizes.queries; ++i) add_draw(plan, i, run, rows[at(i)]);
  }
  double most_bias = 0;
  for (const Deviation& d : rows)
    for (std::size_t w = 0; w < zeros.size(); ++w) {
      const double limit = mean_deviation_limit(d.variance[w], d.range[w], kDraws);
      EXPECT_LE(std::fabs(d.sum[w]) / kDraws, limit + 1e-4);
      most_bias = std::max(most_bias, std::fabs(d.bias[w]) / kDraws / limit);
    }
  EXPECT_GT(most_bias, 1.5);  // without the sample the check would fail
}

TEST(MultipoleResidual, LeavesNoBias) {
  for (const std::string spec :
       {"multipole(clusters=4,residual=30)", "window(9)+multipole(clusters=4,residual=30)",
        "multipole(clusters=6,fit=8,open=0.3,group=8,residual=30)",
        "multipole(clusters=4,order=1,rank=4,residual=30)"})
    expect_no_bias(spec);
}

// Random eighths of the sample: the errors of all rows of a head, squared, on average.
TEST(MultipoleResidual, StatesItsError) {
  const OwnedProblem owned = gaussian_problem(
      {.queries = 100, .keys = 600, .head_dim = 8, .value_dim = 8}, 5, DType::f32, 0.7);
  for (const std::string spec : {"multipole(clusters=8,residual=200)",
                                 "multipole(clusters=8,fit=50,open=0.5,group=16,residual=203)",
                                 "window(20)+multipole(clusters=8,order=1,residual=200)"}) {
    EXPECT_GT(error_pair(owned, ReferenceAttention(owned.problem), spec, 0).measured, 1e-3);
    check_calibrated(owned, spec, 0.06, 200);
  }
}

}  // namespace
}  // namespace subquad::testing
