// Recursion and prefix samples from end to end: every row's sums without bias, honest row errors.
//
// With a window or a triangle every row has a heavy key, so that none falls back to exact: l =
// exp(lse) and o = out l are then the method's own sums, and their mean over seeds (of hashes and
// samples) must be the exact ones.
//
// False alarms: 6 specs * 2 windows * 120 rows * 4 sums = 5,760 proved bounds (bounds.h) at 1e-10:
// below 6e-7; the calibration checks (10) stand 7 standard errors off, 3e-12 each for a normal
// mean.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "statistical/bounds.h"
#include "statistical/calibration.h"
#include "subquad/attention.h"
#include "support/causal_halves.h"
#include "support/owned_problem.h"
#include "support/reference_attention.h"

namespace subquad::testing {
namespace {

constexpr std::int64_t heads = 2, queries = 60, keys = 150, head_dim = 8, value_dim = 3;
constexpr std::int64_t sums = 1 + value_dim;  // l and the channels of o
constexpr double most_rounding = 4e-6;

// One number for each (head, row, sum).
using AllSums = std::vector<double>;

std::size_t place(std::int64_t h, std::int64_t i, std::int64_t c) {
  return static_cast<std::size_t>((h * queries + i) * sums + c);
}

// terms[key] of a row's sum.
std::vector<double> terms_of(const Problem& p, std::int64_t h, std::int64_t i, std::int64_t c) {
  std::vector<double> terms(keys, 0.0);
  for (std::int64_t j = 0; j < keys; ++j) {
    if (!in_band(p, {0, queries, 0, keys}, i, j)) continue;
    double score = 0;
    for (std::int64_t x = 0; x < head_dim; ++x)
      score += read_element(p.query, p.query.offset(0, h, i) + x) *
               read_element(p.key, p.key.offset(0, 0, j) + x);
    const double w = std::exp(score * static_cast<double>(resolved_scale(p)));
    const double value = c == 0 ? 1 : read_element(p.value, p.value.offset(0, 0, j) + c - 1);
    terms[static_cast<std::size_t>(j)] = w * value;
  }
  return terms;
}

// A part's sample of `drawn` of `size` keys, for the keys of one row.
struct Sample {
  double size, drawn, squares = 0, largest = 0;

  void add(double term) {
    squares += term * term;
    largest = std::max(largest, std::fabs(term));
  }
  // Without the key's own heavy parts, and without the mean: upper bounds.
  double variance(bool replace) const {
    if (drawn >= size) return 0;
    return replace ? size / drawn * squares
                   : size * (size - drawn) / (drawn * (size - 1)) * squares;
  }
  double range() const { return drawn >= size ? 0 : 2 * size * largest; }
};

struct Spread {
  double variance = 0, range = 0;
};

struct Causally {
  std::string spec;
  std::int64_t base;  // of the recursion; 0: prefix
  std::int64_t num_samples;
};

Spread spread_of(const Problem& problem, const Causally& method, std::int64_t i,
                 const std::vector<double>& terms) {
  std::vector<Sample> samples;
  std::vector<std::int64_t> begins;
  if (method.base == 0) {  // one block of rows, which see every key
    const std::int64_t first = problem.window.left >= 0
                                   ? std::max<std::int64_t>(0, keys - queries - problem.window.left)
                                   : 0;
    samples.push_back({double(keys - first), double(method.num_samples)});
  }
  for (std::int64_t j = 0; j < keys; ++j) {
    const double term = terms[static_cast<std::size_t>(j)];
    if (method.base == 0) {
      samples[0].add(term);
      continue;
    }
    const Halves node = halves_of(problem, method.base, i, j);
    if (term == 0 || node.size() == 0) continue;
    const auto at = std::find(begins.begin(), begins.end(), node.begin) - begins.begin();
    if (at == std::ssize(begins)) {
      begins.push_back(node.begin);
      samples.push_back({double(node.size()), double(method.num_samples)});
    }
    samples[static_cast<std::size_t>(at)].add(term);
  }
  Spread spread;
  for (const Sample& sample : samples) {
    spread.variance += sample.variance(method.base == 0);
    spread.range += sample.range();
  }
  return spread;
}

// l and o of every row under one seed, added to the means.
void add_sums(const OwnedProblem& owned, const std::string& spec, std::uint64_t seed, double share,
              AllSums& mean) {
  TensorBuffer out(DType::f32, owned.out_shape()), lse(DType::f32, owned.row_shape());
  Options options;
  options.seed = seed;
  options.threads = 1;
  const Report report =
      attend(owned.problem, spec, {out.mutable_view(), lse.mutable_view(), {}}, options);
  ASSERT_EQ(report.fallback_rows, 0);
  for (std::int64_t h = 0; h < heads; ++h)
    for (std::int64_t i = 0; i < queries; ++i) {
      const double l = std::exp(lse.get(0, h, i, 0));
      mean[place(h, i, 0)] += share * l;
      for (std::int64_t c = 1; c < sums; ++c)
        mean[place(h, i, c)] += share * l * out.get(0, h, i, c - 1);
    }
}

void check_unbiased(const OwnedProblem& owned, const Causally& method) {
  constexpr std::int64_t draws = 4000;
  SCOPED_TRACE(method.spec);
  AllSums mean(static_cast<std::size_t>(heads * queries * sums), 0.0);
  for (std::uint64_t seed = 0; seed < draws; ++seed)
    add_sums(owned, method.spec, seed, 1.0 / draws, mean);
  std::int64_t sharp = 0;
  for (std::int64_t h = 0; h < heads; ++h)
    for (std::int64_t i = 0; i < queries; ++i)
      for (std::int64_t c = 0; c < sums; ++c) {
        const std::vector<double> terms = terms_of(owned.problem, h, i, c);
        double sum = 0, size = 0;
        for (const double term : terms) {
          sum += term;
          size += std::fabs(term);
        }
        const Spread spread = spread_of(owned.problem, method, i, terms);
        const double limit = mean_deviation_limit(spread.variance, spread.range, draws);
        sharp += limit < 0.2 * size ? 1 : 0;
        EXPECT_NEAR(mean[place(h, i, c)], sum, limit + most_rounding * size)
            << "row " << h << ", " << i << " sum " << c;
        if (::testing::Test::HasFailure()) return;
      }
  EXPECT_GT(sharp, heads * queries * sums / 2) << "the limits are too wide to mean something";
}

const std::vector<Causally> unbiased_methods{
    {"recursion(block=8,m=8,base=16,bits=4)", 16, 8},
    {"recursion(block=3,m=12,base=20,bits=3,norm=true)", 20, 12},
    {"window(20)+sortlsh(block=8,bits=4)+recursion(block=8,m=8,base=16)+sink(3)", 16, 8},
    {"window(9)+prefix(m=25)", 0, 25},
    {"window(9)+prefix(m=64)", 0, 64},
    {"sink(2)+window(16)+sortlsh(block=8,neighbors=1,bits=4)+prefix(m=25)", 0, 25}};

OwnedProblem grouped_problem() {
  OwnedProblem owned = gaussian_problem({.heads = heads,
                                         .kv_heads = 1,
                                         .queries = queries,
                                         .keys = keys,
                                         .head_dim = head_dim,
                                         .value_dim = value_dim},
                                        21);
  owned.problem.causal = Causal::bottom_right;
  return owned;
}

TEST(CausalEstimate, SumsAreUnbiased) {
  const OwnedProblem owned = grouped_problem();
  for (const Causally& method : unbiased_methods) check_unbiased(owned, method);
}

TEST(CausalEstimate, SumsAreUnbiasedInAWindow) {
  OwnedProblem owned = grouped_problem();
  owned.problem.window = {70, -1, Alignment::bottom_right};
  for (const Causally& method : unbiased_methods) check_unbiased(owned, method);
}

// --- Calibrated errors -------------------------------------------------------------------------

OwnedProblem long_problem(std::int64_t rows, std::int64_t length, std::uint64_t seed) {
  OwnedProblem owned =
      gaussian_problem({.queries = rows, .keys = length, .head_dim = 16, .value_dim = 24}, seed);
  owned.problem.causal = Causal::bottom_right;
  return owned;
}

// Rows at the end of a long sequence: nodes of 750, 375 and 188 keys.
TEST(CausalEstimate, RowErrorOfRecursionIsCalibrated) {
  const OwnedProblem owned = long_problem(64, 1500, 31);
  for (const std::string spec :
       {"recursion(block=32,m=150,base=128)", "recursion(block=16,m=100,base=300,norm=true)",
        "sink(4)+window(60)+sortlsh(block=40)+recursion(block=32,m=150,base=128)"})
    check_calibrated(owned, spec, 0.08);
}

// All rows of a sequence: nodes of 400 and 200 keys and exact ones, rows with no node.
TEST(CausalEstimate, RowErrorOfRecursionIsCalibratedOverASequence) {
  check_calibrated(long_problem(800, 800, 32), "recursion(block=20,m=100,base=100)", 0.08, 150);
}

TEST(CausalEstimate, RowErrorOfPrefixIsCalibrated) {
  const OwnedProblem owned = long_problem(64, 1500, 33);
  for (const std::string spec :
       {"prefix(m=300)", "window(100)+prefix(m=400)", "prefix(m=1000)", "prefix(m=1400)",
        "sink(4)+window(60)+sortlsh(block=40,neighbors=1)+prefix(m=300)"})
    check_calibrated(owned, spec, 0.08);
}

TEST(CausalEstimate, RowErrorIsCalibratedInAWindow) {
  OwnedProblem owned = long_problem(64, 1500, 34);
  owned.problem.window = {1000, -1, Alignment::bottom_right};
  check_calibrated(owned, "window(60)+prefix(m=300)", 0.08);
}

}  // namespace
}  // namespace subquad::testing
