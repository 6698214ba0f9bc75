// Algorithms 2 and 3 against plain double-precision loops at the library's own draws; the sampling
// matrix; what the functions refuse.
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "subquad/error.h"
#include "subquad/hyper.h"
#include "support/isa.h"
#include "support/plain_hyper.h"
#include "support/random_problem.h"

namespace subquad::testing {
namespace {

constexpr ProblemLimits limits{.max_length = 90, .max_head_dim = 40, .max_work = 400'000};

const std::vector<ApproxDOptions> variants{
    {.heavy = "", .num_samples = 20, .tau_samples = 7},
    {.heavy = "sink(3)", .num_samples = 9, .epsilon = 1.0, .kappa = 2, .cap_constant = 30},
    {.heavy = "window(9)", .num_samples = 15, .kappa = 4, .cap_constant = 1e9, .replace = false},
    {.heavy = "sortlsh(block=16,bits=4)",
     .num_samples = 12,
     .epsilon = 0.9,
     .kappa = 10,
     .cap_constant = 20,
     .floor = false},
    {.heavy = "sortlsh(block=24)+sink(2)+window(5)", .num_samples = 31, .kappa = 1.5, .cap = false},
    {.heavy = "sink(2)", .num_samples = 25, .cap = false, .floor = false, .replace = false},
};

struct RowSums {
  TensorBuffer log_row_sums;
  ApproxDReport report;
};

RowSums run_row_sums(const Problem& problem, const ApproxDOptions& approx_d, std::uint64_t seed,
                     int threads = 1) {
  const Shape4& q = problem.query.shape;
  RowSums run{TensorBuffer(DType::f32, {q[0], q[1], q[2], 1}), {}};
  run.report = approximate_row_sums(problem, approx_d, run.log_row_sums.mutable_view(),
                                    {.threads = threads, .seed = seed});
  return run;
}

const ApproxDHead& record_of(const std::vector<ApproxDHead>& records, const Problem& problem,
                             const PlainHead& plain) {
  const std::int64_t at = plain.sequence * problem.key.heads() + plain.kv_head;
  return records.at(static_cast<std::size_t>(at));
}

double sink_of(const Problem& problem, std::int64_t head) {
  if (problem.sink_logits.empty()) return nothing;
  return static_cast<double>(problem.sink_logits[static_cast<std::size_t>(head)]);
}

double log_tolerance(const PlainHead& head) { return 4e-6 * std::max(4.0, head.max_score); }

void expect_log(double found, double expected, double tolerance) {
  if (expected == nothing) {
    ASSERT_EQ(found, nothing);
  } else {
    ASSERT_NEAR(found, expected, tolerance + 1.2e-7 * std::fabs(expected));
  }
}

void check_row_sums(const Problem& problem, const ApproxDOptions& approx_d, std::uint64_t seed) {
  const RowSums run = run_row_sums(problem, approx_d, seed);
  std::int64_t capped = 0, floored = 0, found_capped = 0, found_floored = 0;
  for (const PlainHead& head : plain_heads(problem, approx_d.heavy, seed)) {
    if (head.rows == 0) continue;
    const ApproxDHead& record = record_of(run.report.heads, problem, head);
    const PlainApproxD plain = plain_approx_d(head, approx_d, record);
    capped += plain.capped;
    floored += plain.floored;
    if (head.in_group == 0) {
      found_capped += record.capped_samples;
      found_floored += record.floored_rows;
    }
    if (head.visible > 0 && (approx_d.cap || approx_d.floor))
      expect_log(record.log_tau.at(static_cast<std::size_t>(head.in_group)), plain.log_tau,
                 log_tolerance(head));
    for (std::int64_t i = 0; i < head.rows; ++i)
      expect_log(
          run.log_row_sums.get(head.b, head.head, head.query_begin + i, 0),
          log_add(plain.log_row_sums[static_cast<std::size_t>(i)], sink_of(problem, head.head)),
          log_tolerance(head));
  }
  EXPECT_EQ(found_capped, capped);
  EXPECT_EQ(found_floored, floored);
}

template <typename Check>
void for_problems_and_variants(std::uint64_t first_seed, std::uint64_t count, Check check) {
  for (std::uint64_t seed = first_seed; seed < first_seed + count; ++seed) {
    const OwnedProblem random = random_problem(seed, DType::f32, limits);
    SCOPED_TRACE(random.description);
    for (const ApproxDOptions& approx_d : variants) {
      SCOPED_TRACE(fmt::format("heavy '{}' m {}", approx_d.heavy, approx_d.num_samples));
      check(random.problem, approx_d, seed);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(ApproxD, IsAlgorithm2) { for_problems_and_variants(1, 60, check_row_sums); }

TEST(ApproxD, IsAlgorithm2OnEveryIsa) {
  on_every_isa([] { for_problems_and_variants(100, 8, check_row_sums); });
}

// Scores of 5e4: A itself would overflow any floating type.
TEST(ApproxD, HugeScoresDoNotOverflow) {
  OwnedProblem owned = gaussian_problem({.queries = 50, .keys = 70, .head_dim = 16}, 3);
  owned.problem.scale = 4000.0F;
  for (const ApproxDOptions& approx_d : variants) check_row_sums(owned.problem, approx_d, 5);
}

TEST(ApproxD, CapAndFloorDoAct) {
  const OwnedProblem owned = gaussian_problem({.queries = 60, .keys = 80, .head_dim = 16}, 4);
  ApproxDOptions approx_d{.heavy = "sink(2)", .num_samples = 20, .kappa = 1.5, .cap_constant = 20};
  const ApproxDHead both = run_row_sums(owned.problem, approx_d, 1).report.heads[0];
  EXPECT_GT(both.capped_samples, 0);
  EXPECT_GT(both.floored_rows, 0);
  approx_d.cap = approx_d.floor = false;
  const ApproxDHead neither = run_row_sums(owned.problem, approx_d, 1).report.heads[0];
  EXPECT_EQ(neither.capped_samples, 0);
  EXPECT_EQ(neither.floored_rows, 0);
}

TEST(ApproxD, DrawsAreWhatTheOptionsSay) {
  const OwnedProblem owned =
      gaussian_problem({.heads = 4, .kv_heads = 2, .queries = 30, .keys = 40}, 5);
  const auto draws = [&](const ApproxDOptions& approx_d) {
    return run_row_sums(owned.problem, approx_d, 2).report.heads;
  };
  const auto drawn = draws({.heavy = "", .num_samples = 100, .tau_samples = 8});
  ASSERT_EQ(drawn.size(), 2U);
  EXPECT_EQ(drawn[1].kv_head, 1);
  EXPECT_EQ(drawn[0].samples.size(), 100U);
  EXPECT_EQ(drawn[0].tau_positions.size(), 8U);
  EXPECT_EQ(drawn[0].log_tau.size(), 2U);
  EXPECT_NE(drawn[0].samples, drawn[1].samples);
  const auto distinct = draws({.heavy = "", .num_samples = 25, .replace = false});
  EXPECT_EQ(std::set<std::int64_t>(distinct[0].samples.begin(), distinct[0].samples.end()).size(),
            25U);
  EXPECT_EQ(distinct[0].tau_positions.size(), 25U);  // |T| = m
  EXPECT_EQ(draws({.heavy = "", .num_samples = 500, .replace = false})[0].samples.size(), 40U);
}

// All keys sampled, nothing capped or raised: D itself.
TEST(ApproxD, AllKeysSampledIsExact) {
  for (std::uint64_t seed = 200; seed < 230; ++seed) {
    const OwnedProblem random = random_problem(seed, DType::f32, limits);
    SCOPED_TRACE(random.description);
    for (const std::string heavy : {"", "sink(3)", "sortlsh(block=16,bits=4)+window(6)"}) {
      const RowSums run = run_row_sums(
          random.problem,
          {.heavy = heavy, .num_samples = 90, .cap = false, .floor = false, .replace = false},
          seed);
      const ReferenceAttention exact(random.problem);
      run.log_row_sums.for_each([&](auto b, auto h, auto i, auto c) {
        const double lse = exact.lse.row(b, h, i)[c];
        expect_log(run.log_row_sums.get(b, h, i, c), lse, 2e-6 * std::max(4.0, exact.max_score));
      });
    }
  }
}

// --- Algorithm 3 -------------------------------------------------------------------------------

struct HyperRun {
  TensorBuffer out, lse, row_error;
  HyperReport report;
};

HyperRun run_hyper(const Problem& problem, const ApproxDOptions& approx_d,
                   const SampleOptions& sample, std::uint64_t seed, int threads = 1) {
  const Shape4& q = problem.query.shape;
  HyperRun run{TensorBuffer(DType::f32, {q[0], q[1], q[2], problem.value.channels()}),
               TensorBuffer(DType::f32, {q[0], q[1], q[2], 1}),
               TensorBuffer(DType::f32, {q[0], q[1], q[2], 1}),
               {}};
  run.report = hyper_attention(
      problem, approx_d, sample,
      {run.out.mutable_view(), run.lse.mutable_view(), run.row_error.mutable_view()},
      {.threads = threads, .seed = seed});
  return run;
}

// One row of D~^-1 A S^T S V, and the sum of the terms' sizes.
struct PlainRow {
  std::vector<double> out, size;
};

PlainRow plain_row(const Problem& problem, const PlainHead& head, const SamplingMatrix& s,
                   std::int64_t i, double log_row_sum) {
  const TensorView& v = problem.value;
  const auto width = static_cast<std::size_t>(v.channels());
  PlainRow row{std::vector<double>(width), std::vector<double>(width)};
  if (log_row_sum == nothing) return row;
  for (std::size_t r = 0; r < s.indices.size(); ++r) {
    const double score = head.score(i, s.indices[r]);
    const double weight = std::exp(score - log_row_sum) * s.weights[r] * s.weights[r];
    const std::int64_t at = v.offset(head.b, head.kv_head, head.key_begin + s.indices[r]);
    for (std::size_t c = 0; c < width; ++c) {
      row.out[c] += weight * read_element(v, at + static_cast<std::int64_t>(c));
      row.size[c] += weight * std::fabs(read_element(v, at + static_cast<std::int64_t>(c)));
    }
  }
  return row;
}

// D~ has no lower cap in some variants: rows whose D~ is 0 are exact then.
bool is_exact_row(const PlainHead& head, const ApproxDHead& draws, bool floored, std::int64_t i) {
  if (floored || head.log_sum(i, true) != nothing) return false;
  for (const std::int64_t j : draws.samples)
    if (!head.in_mask(i, j) && head.score(i, j) != nothing) return false;
  return true;
}

void check_hyper(const Problem& problem, const ApproxDOptions& approx_d, std::uint64_t seed) {
  const SampleOptions sample{.num_samples = 17, .replace = seed % 2 == 0};
  const HyperRun run = run_hyper(problem, approx_d, sample, seed);
  const RowSums sums = run_row_sums(problem, approx_d, seed);
  const auto matrices = sample_value_rows(problem, sample, {.seed = seed});
  ASSERT_EQ(matrices.size(), run.report.samples.size());
  for (const PlainHead& head : plain_heads(problem, approx_d.heavy, seed)) {
    const std::int64_t at = head.sequence * problem.key.heads() + head.kv_head;
    const SamplingMatrix& matrix = matrices.at(static_cast<std::size_t>(at));
    EXPECT_EQ(matrix.indices, run.report.samples[static_cast<std::size_t>(at)].indices);
    const ApproxDHead& record = record_of(run.report.heads, problem, head);
    for (std::int64_t i = 0; i < head.rows; ++i) {
      const bool floored = approx_d.floor && !record.log_tau.empty() &&
                           record.log_tau[static_cast<std::size_t>(head.in_group)] != nothing;
      if (is_exact_row(head, record, floored, i)) continue;
      const double log_sum = run.lse.get(head.b, head.head, head.query_begin + i, 0);
      expect_log(sums.log_row_sums.get(head.b, head.head, head.query_begin + i, 0), log_sum,
                 log_tolerance(head));
      const PlainRow plain = plain_row(problem, head, matrix, i, log_sum);
      for (std::int64_t c = 0; c < problem.value.channels(); ++c) {
        const auto channel = static_cast<std::size_t>(c);
        ASSERT_NEAR(run.out.get(head.b, head.head, head.query_begin + i, c), plain.out[channel],
                    1e-5 * std::max(1.0, head.max_score) * plain.size[channel] + 1e-30)
            << "row " << i;
      }
    }
  }
}

TEST(HyperAttention, IsAlgorithm3) { for_problems_and_variants(300, 40, check_hyper); }

TEST(HyperAttention, ThreadsGiveTheSameBits) {
  const OwnedProblem owned =
      gaussian_problem({.heads = 4, .kv_heads = 2, .queries = 300, .keys = 900, .head_dim = 16}, 6);
  for (const ApproxDOptions& approx_d : variants) {
    const HyperRun single = run_hyper(owned.problem, approx_d, {}, 3, 1);
    for (const int threads : {2, 5}) {
      const HyperRun several = run_hyper(owned.problem, approx_d, {}, 3, threads);
      EXPECT_EQ(single.out.words(), several.out.words());
      EXPECT_EQ(single.lse.words(), several.lse.words());
      EXPECT_EQ(single.row_error.words(), several.row_error.words());
      EXPECT_EQ(single.report.heads[1].capped_samples, several.report.heads[1].capped_samples);
      EXPECT_EQ(single.report.heads[1].floored_rows, several.report.heads[1].floored_rows);
      EXPECT_EQ(single.report.heads[1].log_tau, several.report.heads[1].log_tau);
    }
  }
}

// --- S -----------------------------------------------------------------------------------------

std::vector<double> value_norms(const TensorView& value) {
  std::vector<double> norms;
  for (std::int64_t j = 0; j < value.length(); ++j) {
    double sum = 0;
    for (std::int64_t c = 0; c < value.channels(); ++c)
      sum += std::pow(read_element(value, value.offset(0, 0, j) + c), 2);
    norms.push_back(std::sqrt(sum));
  }
  return norms;
}

TEST(SamplingMatrix, WeightsAreLemma2s) {
  for (const DType type : {DType::f32, DType::bf16, DType::f16}) {
    const OwnedProblem owned = gaussian_problem({.queries = 3, .keys = 50}, 7, type);
    const std::vector<double> norms = value_norms(owned.problem.value);
    double frobenius = 0;
    for (const double norm : norms) frobenius += norm * norm;
    const SamplingMatrix s = sample_value_rows(owned.problem, {.num_samples = 33})[0];
    ASSERT_EQ(s.indices.size(), 33U);
    for (std::size_t r = 0; r < 33; ++r)
      EXPECT_NEAR(s.weights[r],
                  std::sqrt(frobenius / 33) / norms.at(static_cast<std::size_t>(s.indices[r])),
                  1e-12 * s.weights[r]);
  }
}

TEST(SamplingMatrix, DistinctKeysHaveTheirInclusionWeights) {
  OwnedProblem owned = gaussian_problem({.queries = 3, .keys = 60}, 8);
  for (std::int64_t c = 0; c < 8; ++c) owned.value.set(0, 0, 11, c, 100.0);  // takes a whole unit
  const std::vector<double> norms = value_norms(owned.problem.value);
  double rest = 0;
  for (std::size_t j = 0; j < 60; ++j) rest += j == 11 ? 0 : norms[j] * norms[j];
  const SamplingMatrix s =
      sample_value_rows(owned.problem, {.num_samples = 20, .replace = false})[0];
  EXPECT_EQ(std::set<std::int64_t>(s.indices.begin(), s.indices.end()).size(), 20U);
  for (std::size_t r = 0; r < s.indices.size(); ++r) {
    const auto j = static_cast<std::size_t>(s.indices[r]);
    const double chance = j == 11 ? 1 : 19 * norms[j] * norms[j] / rest;
    EXPECT_NEAR(s.weights[r], 1 / std::sqrt(chance), 1e-12 * s.weights[r]);
  }
}

TEST(SamplingMatrix, ZeroRowsAreNeverDrawn) {
  OwnedProblem owned = gaussian_problem({.queries = 3, .keys = 30}, 9);
  for (std::int64_t j = 0; j < 30; ++j)
    for (std::int64_t c = 0; c < 8; ++c)
      if (j % 3 != 1) owned.value.set(0, 0, j, c, 0.0);
  for (const bool replace : {false, true})
    for (const std::int64_t m : {1, 9, 10, 11, 500}) {
      const SamplingMatrix s =
          sample_value_rows(owned.problem, {.num_samples = m, .replace = replace})[0];
      EXPECT_EQ(static_cast<std::int64_t>(s.indices.size()),
                replace ? m : std::min<std::int64_t>(m, 10));
      for (const std::int64_t j : s.indices) EXPECT_EQ(j % 3, 1);
      for (const double weight : s.weights) EXPECT_TRUE(replace || m < 10 || weight == 1.0);
    }
  owned.value.fill([] { return 0.0; });
  EXPECT_TRUE(sample_value_rows(owned.problem, {})[0].indices.empty());
}

// A NaN in V must reach the rows that see it, sampled or not.
TEST(SamplingMatrix, NonFiniteRowsAreCertain) {
  OwnedProblem owned = gaussian_problem({.queries = 30, .keys = 40}, 10);
  owned.value.set(0, 0, 13, 2, std::nan(""));
  owned.value.set(0, 0, 31, 0, HUGE_VAL);
  for (const bool replace : {false, true}) {
    const SamplingMatrix s =
        sample_value_rows(owned.problem, {.num_samples = 5, .replace = replace})[0];
    ASSERT_EQ(s.indices.size(), 7U);
    EXPECT_EQ(s.indices[0], 13);
    EXPECT_EQ(s.indices[1], 31);
    EXPECT_EQ(s.weights[0], 1.0);
  }
  owned.problem.causal = Causal::top_left;  // rows 13 and on see key 13
  const HyperRun run = run_hyper(owned.problem, {.heavy = "sink(1)"}, {.num_samples = 5}, 1);
  for (std::int64_t i = 0; i < 30; ++i)
    EXPECT_EQ(std::isnan(run.out.get(0, 0, i, 2)), i >= 13) << i;
}

// --- Bad input ---------------------------------------------------------------------------------

void expect_error(const std::string& argument, const std::function<void()>& call) {
  try {
    call();
    ADD_FAILURE() << argument << ": no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
    EXPECT_NE(std::string(error.what()).find(argument), std::string::npos) << error.what();
  }
}

TEST(HyperErrors, NameTheArgument) {
  const OwnedProblem owned = gaussian_problem({.queries = 4, .keys = 6}, 1);
  TensorBuffer rows(DType::f32, owned.row_shape()), out(DType::f32, owned.out_shape());
  const auto sums = [&](const ApproxDOptions& options) {
    return [&, options] { approximate_row_sums(owned.problem, options, rows.mutable_view()); };
  };
  const double nan = std::nan("");
  expect_error("num_samples", sums({.num_samples = 0}));
  expect_error("num_samples", sums({.num_samples = (std::int64_t{1} << 30) + 1}));
  expect_error("tau_samples", sums({.tau_samples = -1}));
  for (const double bad : {0.0, -1.0, 1.5, nan}) expect_error("epsilon", sums({.epsilon = bad}));
  for (const double bad : {0.5, -2.0, HUGE_VAL, nan}) expect_error("kappa", sums({.kappa = bad}));
  for (const double bad : {0.0, -1.0, HUGE_VAL, nan})
    expect_error("cap_constant", sums({.cap_constant = bad}));
  for (const std::string heavy : {"exact", "uniform", "sink(4)+uniform(m=8)", "hyper"})
    expect_error("heavy", sums({.heavy = heavy}));
  expect_error("nosuch", sums({.heavy = "nosuch"}));
  expect_error("log_row_sums",
               [&] { approximate_row_sums(owned.problem, {}, out.mutable_view()); });
  expect_error("num_samples", [&] { sample_value_rows(owned.problem, {.num_samples = 0}); });
  expect_error("threads", [&] { sample_value_rows(owned.problem, {}, {.threads = -1}); });
  expect_error("out", [&] {
    hyper_attention(owned.problem, {}, {}, {rows.mutable_view(), {}, {}});
  });
}

TEST(HyperErrors, SpecPartsNameTheArgument) {
  const OwnedProblem owned = gaussian_problem({.queries = 4, .keys = 6}, 1);
  TensorBuffer out(DType::f32, owned.out_shape());
  for (const auto& [spec, argument] :
       std::vector<std::pair<std::string, std::string>>{{"approxd(m=0)", "m"},
                                                        {"approxd(eps=0)", "eps"},
                                                        {"approxd(kappa=0.9)", "kappa"},
                                                        {"approxd(cap=-1)", "cap"},
                                                        {"approxd(tau_samples=-1)", "tau_samples"},
                                                        {"approxd(values=-3)", "values"},
                                                        {"approxd(floor=maybe)", "floor"},
                                                        {"approxd(taus=3)", "taus"},
                                                        {"rownorm(m=0)", "m"},
                                                        {"rownorm(d=0)", "d"},
                                                        {"rownorm(replace=2)", "replace"},
                                                        {"rownorm+approxd", "more than one light"}})
    expect_error(argument, [&, s = spec] {
      attend(owned.problem, s, {out.mutable_view(), {}, {}});
    });
}

}  // namespace
}  // namespace subquad::testing
