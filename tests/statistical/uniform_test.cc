// The uniform light part: every key equally likely, sums without bias, honest row errors.
//
// False alarms: the unbiasedness and inclusion checks are proved bounds (bounds.h) at 1e-10, fewer
// than 5,000 of them; the chi-square checks (6) use the tail bound of Laurent and Massart at 1e-10
// on an asymptotic law; the calibration checks (8) stand 7 standard errors off, 3e-12 each for a
// normal mean. In all below 5e-7 + 1e-9 + 3e-11 < 1e-6.
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "parts/heavy.h"
#include "core/sampling.h"
#include "parts/spec.h"
#include "methods/method.h"
#include "statistical/bounds.h"
#include "statistical/calibration.h"
#include "subquad/attention.h"
#include "support/forward.h"
#include "support/owned_problem.h"

namespace subquad::testing {
namespace {

// --- Inclusion ---------------------------------------------------------------------------------

struct Inclusions {
  std::vector<std::int64_t> single, pair;  // pair[a * n + b] for a < b
};

Inclusions count_inclusions(std::int64_t n, std::int64_t m, std::int64_t draws) {
  Inclusions counts{std::vector<std::int64_t>(static_cast<std::size_t>(n)),
                    std::vector<std::int64_t>(static_cast<std::size_t>(n * n))};
  for (std::int64_t seed = 0; seed < draws; ++seed) {
    const auto sample = sample_without_replacement(n, m, Rng(static_cast<std::uint64_t>(seed), 2));
    for (std::size_t a = 0; a < sample.size(); ++a) {
      ++counts.single[static_cast<std::size_t>(sample[a])];
      for (std::size_t b = a + 1; b < sample.size(); ++b)
        ++counts.pair[static_cast<std::size_t>(sample[a] * n + sample[b])];
    }
  }
  return counts;
}

// Sum of the squared deviations over their common variance: chi-square with n - 1 degrees of
// freedom, after the factor for the fixed sample size. |X - k| <= 2 sqrt(k x) + 2 x but for 2
// exp(-x) (Laurent and Massart 2000, Lemma 1).
void check_chi_square(const std::vector<std::int64_t>& counts, std::int64_t m, std::int64_t draws) {
  const double n = static_cast<double>(counts.size()), p = static_cast<double>(m) / n;
  const double expected = static_cast<double>(draws) * p;
  double sum = 0;
  for (const std::int64_t count : counts) sum += std::pow(static_cast<double>(count) - expected, 2);
  const double statistic = sum / (expected * (1 - p)) * (n - 1) / n, freedom = n - 1;
  const double x = std::log(2 / false_alarm);
  EXPECT_LE(statistic, freedom + 2 * std::sqrt(freedom * x) + 2 * x);
  EXPECT_GE(statistic, freedom - 2 * std::sqrt(freedom * x));
}

void check_inclusion(std::int64_t n, std::int64_t m) {
  SCOPED_TRACE(::testing::Message() << m << " of " << n);
  constexpr std::int64_t draws = 20'000;
  const Inclusions counts = count_inclusions(n, m, draws);
  check_chi_square(counts.single, m, draws);
  const auto share = [](std::int64_t a, std::int64_t b) {
    return static_cast<double>(a) / static_cast<double>(b);
  };
  for (std::int64_t a = 0; a < n; ++a) {
    EXPECT_TRUE(binomial_plausible(counts.single[static_cast<std::size_t>(a)], draws, share(m, n)))
        << a;
    if (m < 2) continue;
    for (std::int64_t b = a + 1; b < n; ++b)
      EXPECT_TRUE(binomial_plausible(counts.pair[static_cast<std::size_t>(a * n + b)], draws,
                                     share(m, n) * share(m - 1, n - 1)))
          << a << ", " << b;
  }
}

TEST(UniformSample, KeysAndPairsAreEquallyLikely) {
  check_inclusion(10, 1);
  check_inclusion(10, 3);
  check_inclusion(30, 7);
  check_inclusion(30, 29);
  check_inclusion(41, 20);
}

TEST(UniformSample, LargeSamplesAreUniform) {
  constexpr std::int64_t n = 1000, m = 100, draws = 3000;
  check_chi_square(count_inclusions(n, m, draws).single, m, draws);
}

TEST(UniformSample, DistinctAndAscending) {
  for (const std::int64_t n : {1, 2, 10, 1000, 1'000'000})
    for (const std::int64_t m : {1, 2, 9, 10, 11, 900}) {
      const auto sample = sample_without_replacement(n, m, Rng(3, 1));
      ASSERT_EQ(static_cast<std::int64_t>(sample.size()), std::min(m, n));
      for (std::size_t i = 0; i < sample.size(); ++i) {
        ASSERT_GE(sample[i], i == 0 ? 0 : sample[i - 1] + 1);
        ASSERT_LT(sample[i], n);
      }
    }
}

// --- Unbiased sums -----------------------------------------------------------------------------

constexpr std::int64_t rows = 6, keys = 150, head_dim = 8, value_dim = 3, samples = 30;

// l, then the channels of o: the sums of a row without their reference.
using Sums = std::vector<double>;

// Runs one light part over the rows of one head, with the heavy parts left out.
class LightSums {
 public:
  LightSums(const Problem& problem, const std::string& heavy, bool replace)
      : head_(split_heads(problem).front()),
        replace_(replace),
        rows_(head_dim, value_dim, rows),
        scratch_(head_dim, value_dim) {
    const std::string light = replace ? "uniform(m=30,replace=true)" : "uniform(m=30)";
    method_ = parse_method(heavy.empty() ? light : heavy + "+" + light);
    for (const auto& rule : method_.heavy)
      for (auto& set : rule->find(head_, Rng(1, 0), 1)) sets_.push_back(std::move(set));
    for (const auto& set : sets_) left_out_.push_back(set.get());
  }

  // What one draw gives: (row, sum).
  std::vector<Sums> draw(std::uint64_t seed) {
    rows_.load(head_, index_range(0, rows));
    const LightPart part = method_.light->prepare(head_, left_out_, Rng(seed, 0), 1);
    RunList runs;
    part.sampler->add_runs(rows_.rows(), runs);
    for (const KeyRun& run : runs.runs()) attend_run(head_, rows_, run, left_out_, scratch_);
    std::vector<Sums> result;
    for (std::int64_t r = 0; r < rows; ++r) result.push_back(read(rows_.partial().slice(r, 1)));
    return result;
  }

  // The terms of each sum, key by key: terms(row)[key] = {exp(s), exp(s) v_0, ..}, 0 where the key
  // is hidden or heavy.
  std::vector<Sums> terms(std::int64_t row) const {
    const Problem& p = *head_.problem;
    std::vector<float> kept(keys, 0.0F);
    FilterScratch filter;
    for (const EntrySet* set : left_out_)
      set->remove(index_range(row, row + 1), index_range(0, keys), kept.data(), keys, filter);
    std::vector<Sums> result(keys, Sums(1 + value_dim, 0.0));
    for (std::int64_t j = 0; j < keys; ++j) {
      if (kept[static_cast<std::size_t>(j)] != 0.0F || !in_band(p, {0, rows, 0, keys}, row, j))
        continue;
      double score = 0;
      for (std::int64_t c = 0; c < head_dim; ++c)
        score += element(p.query, row, c) * element(p.key, j, c);
      Sums& term = result[static_cast<std::size_t>(j)];
      term[0] = std::exp(score * static_cast<double>(resolved_scale(p)));
      for (std::int64_t c = 0; c < value_dim; ++c)
        term[static_cast<std::size_t>(c + 1)] = term[0] * element(p.value, j, c);
    }
    return result;
  }
  bool replace() const { return replace_; }

 private:
  static double element(const TensorView& view, std::int64_t i, std::int64_t c) {
    return read_element(view, view.offset(0, 0, i) + c);
  }
  static Sums read(const Partial& row) {
    const double scale = row.m[0] == -HUGE_VALF ? 0.0 : std::exp2(static_cast<double>(row.m[0]));
    Sums sums{scale * static_cast<double>(row.l[0])};
    for (std::int64_t c = 0; c < value_dim; ++c)
      sums.push_back(scale * static_cast<double>(row.o[c]));
    return sums;
  }

  HeadProblem head_;
  bool replace_;
  Method method_;
  std::vector<std::unique_ptr<HeavySet>> sets_;
  EntrySets left_out_;
  RowBlock rows_;
  TileScratch scratch_;
};

// Sum, variance of its estimate from `samples` of `keys` terms, and how far one estimate can be
// off.
struct Population {
  double sum = 0, variance = 0, range = 0;
};

Population population_of(const std::vector<Sums>& terms, std::size_t column, bool replace) {
  constexpr double n = keys, m = samples;
  Population population;
  double squares = 0, low = terms[0][column], high = low;
  for (const Sums& term : terms) {
    population.sum += term[column];
    low = std::min(low, term[column]);
    high = std::max(high, term[column]);
  }
  for (const Sums& term : terms) squares += std::pow(term[column] - population.sum / n, 2);
  population.variance = replace ? n * squares / m : n * n / m * (1 - m / n) * squares / (n - 1);
  population.range = n * (high - low);
  return population;
}

void check_unbiased(const Problem& problem, const std::string& heavy, bool replace) {
  constexpr std::int64_t draws = 6000;
  LightSums light(problem, heavy, replace);
  std::vector<Sums> mean(rows, Sums(1 + value_dim, 0.0));
  for (std::int64_t seed = 0; seed < draws; ++seed) {
    const std::vector<Sums> sums = light.draw(static_cast<std::uint64_t>(seed));
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t c = 0; c <= value_dim; ++c) mean[r][c] += sums[r][c] / draws;
  }
  for (std::size_t r = 0; r < rows; ++r) {
    const std::vector<Sums> terms = light.terms(static_cast<std::int64_t>(r));
    for (std::size_t c = 0; c <= value_dim; ++c) {
      const Population population = population_of(terms, c, replace);
      const double rounding = 2e-6 * population.range;
      EXPECT_NEAR(mean[r][c], population.sum,
                  mean_deviation_limit(population.variance, population.range, draws) + rounding)
          << "row " << r << " sum " << c;
    }
  }
}

// 4 heavy parts * 2 masks * 2 ways to draw * 6 rows * 4 sums: 384 checks.
TEST(UniformEstimate, SumsAreUnbiased) {
  OwnedProblem owned = gaussian_problem(
      {.queries = rows, .keys = keys, .head_dim = head_dim, .value_dim = value_dim}, 9);
  for (const Causal causal : {Causal::none, Causal::bottom_right})
    for (const std::string heavy :
         {"", "sink(20)", "window(60)+sink(4)", "sortlsh(block=40,rounds=2,bits=4)"})
      for (const bool replace : {false, true}) {
        SCOPED_TRACE(heavy + (replace ? " with" : " without") + " replacement");
        owned.problem.causal = causal;
        owned.problem.window.alignment = Alignment::bottom_right;
        check_unbiased(owned.problem, heavy, replace);
      }
}

// --- Calibrated errors -------------------------------------------------------------------------

const std::vector<std::string> calibrated_specs{
    "uniform(m=500)", "uniform(m=500,replace=true)", "sink(4)+window(100)+uniform(m=500)",
    "sortlsh(block=100,rounds=2)+uniform(m=400,replace=true)"};

TEST(UniformEstimate, RowErrorIsCalibrated) {
  const OwnedProblem owned =
      gaussian_problem({.queries = 24, .keys = 1500, .head_dim = 16, .value_dim = 24}, 4);
  for (const std::string& spec : calibrated_specs) check_calibrated(owned, spec);
}

TEST(UniformEstimate, RowErrorIsCalibratedUnderAMask) {
  OwnedProblem owned =
      gaussian_problem({.queries = 24, .keys = 1500, .head_dim = 16, .value_dim = 24}, 5);
  owned.problem.causal = Causal::bottom_right;
  owned.problem.window = {1000, -1, Alignment::bottom_right};
  for (const std::string& spec : calibrated_specs) check_calibrated(owned, spec);
}

// The sink's weight joins the denominator, so it shrinks the error too.
TEST(UniformEstimate, RowErrorKnowsTheSinkLogit) {
  OwnedProblem owned =
      gaussian_problem({.queries = 24, .keys = 1500, .head_dim = 16, .value_dim = 24}, 6);
  owned.sink_logits = {7.0F};  // about as much as 1,500 keys of exp(0.5) on average
  owned.problem.sink_logits = owned.sink_logits;
  check_calibrated(owned, "uniform(m=500)");
}

// A row whose output is NaN has no error to state, least of all 0.
TEST(UniformEstimate, RowErrorOfANanRowIsNan) {
  OwnedProblem owned = gaussian_problem({.queries = 4, .keys = 60, .head_dim = 16}, 8);
  owned.value.set(0, 0, 0, 3, std::nan(""));
  TensorBuffer out(DType::f32, owned.out_shape()), error(DType::f32, owned.row_shape());
  attend(owned.problem, "sink(1)+uniform(m=20)", {out.mutable_view(), {}, error.mutable_view()},
         {});
  for (std::int64_t i = 0; i < 4; ++i) {
    EXPECT_TRUE(std::isnan(out.get(0, 0, i, 3)));
    EXPECT_TRUE(std::isnan(error.get(0, 0, i, 0))) << error.get(0, 0, i, 0);
  }
}

TEST(UniformEstimate, AllKeysHaveNoError) {
  const OwnedProblem owned = gaussian_problem({.queries = 9, .keys = 60, .head_dim = 16}, 7);
  const ReferenceAttention exact(owned.problem);
  EXPECT_EQ(error_pair(owned, exact, "uniform(m=60)", 0).estimated, 0.0);
  EXPECT_GT(error_pair(owned, exact, "uniform(m=59)", 0).estimated, 0.0);
}

}  // namespace
}  // namespace subquad::testing
