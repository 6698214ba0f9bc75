// multipole(residual=m): exact with every key drawn, equal to a plain model with any number of
// them, the same for any threads and batch; its parameters' limits.
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "property/exact_support.h"
#include "property/heavy_light_support.h"
#include "property/multipole_support.h"
#include "property/same_bits_support.h"
#include "subquad/error.h"

namespace subquad::testing {
namespace {

constexpr ProblemLimits limits{.max_length = 150, .max_head_dim = 64, .max_work = 1'000'000};

OwnedProblem drawn(std::uint64_t seed) {
  return maskless(random_problem(seed, type_of(seed), limits), Causal::none);
}
OwnedProblem calm_drawn(std::uint64_t seed) { return calm(drawn(seed), 4); }

// Against its clusters' weights the estimate is a difference: scores of moderate size.
OwnedProblem calm_causal(std::uint64_t seed) {
  return calm(maskless(random_problem(seed, type_of(seed), limits),
                       seed % 2 == 0 ? Causal::top_left : Causal::bottom_right),
              4);
}

std::vector<std::string> with_heavy(const std::vector<std::string>& lights) {
  std::vector<std::string> specs;
  for (const std::string& heavy : heavy_specs)
    for (const std::string& light : lights) specs.push_back(joined(heavy, light));
  return specs;
}

TEST(MultipoleResidual, OfAllKeysIsExact) {
  expect_all_exact(with_heavy({"multipole(clusters=5,residual=1000)",
                               "multipole(clusters=7,residual=1000,cluster=kmeans)",
                               "multipole(clusters=9,fit=40,open=0.02,group=8,residual=1000)"}),
                   2600, 5, calm_drawn);
}

TEST(MultipoleResidual, OfAllKeysIsExactAtHigherOrder) {
  expect_all_exact(
      with_heavy({"multipole(clusters=5,order=1,rank=3,residual=1000)",
                  "multipole(clusters=7,order=1,rank=4,residual=1000)",
                  "multipole(clusters=9,fit=40,order=1,open=0.02,group=8,residual=1000)"}),
      2620, 5, calm_drawn);
}

TEST(MultipoleResidual, OfAllKeysIsExactWithACausalMask) {
  expect_all_exact(with_heavy({"multipole(clusters=5,chunk=64,residual=1000)",
                               "multipole(clusters=7,chunk=64,cluster=lsh,residual=1000)"}),
                   2640, 10, calm_causal);
}

void expect_model(const Problem& problem, const std::string& spec) {
  SCOPED_TRACE(spec);
  const MethodRun run = run_method(problem, spec, 1, 7);
  if (run.report.fallback_rows > 0) return;  // computed again exactly: not the model's
  const ModelErrors errors = model_errors(problem, run, [&](const HeadProblem& head) {
    return std::vector{plain_multipole(head, spec, 7, true), plain_multipole(head, spec, 7, false)};
  });
  EXPECT_LE(errors.out, 2e-4);
  EXPECT_LE(errors.lse, 2e-4);
}

TEST(MultipoleResidual, OfSomeKeysIsItsPlainModel) {
  for_drawn_and_specs(calm_drawn, 2660, 5,
                      {"multipole(clusters=9,residual=70)",
                       "multipole(clusters=9,fit=40,ridge=1e-2,open=0.02,group=8,residual=70)",
                       "multipole(clusters=6,order=1,rank=64,residual=70)"},
                      expect_model);
}

const std::vector<std::string> light_specs{
    "multipole(clusters=7,residual=20)", "multipole(clusters=8,order=1,residual=20)",
    "multipole(clusters=9,fit=40,open=0.02,group=8,residual=30)"};

TEST(MultipoleResidual, ThreadsGiveTheSameBits) {
  for_drawn_and_specs(drawn, 2700, 2, light_specs, check_threads);
  const OwnedProblem owned = gaussian_problem({.queries = 700, .keys = 900, .head_dim = 32}, 1);
  for (const std::string heavy : {"", "sortlsh(block=64)+window(30)"})
    check_threads(owned.problem, joined(heavy, "multipole(clusters=50,residual=80)"));
}

TEST(MultipoleResidual, ABatchElementDoesNotDependOnTheOthers) {
  for_drawn_and_specs(drawn, 2720, 8, light_specs, check_batch);
}

// Equal rows of one block have one sample, those of another block another.
TEST(MultipoleResidual, BlocksOfRowsHaveSamplesOfTheirOwn) {
  OwnedProblem owned = gaussian_problem({.queries = 600, .keys = 400, .head_dim = 16}, 1);
  owned.query.for_each([&](auto b, auto h, auto i, auto c) {
    owned.query.set(b, h, i, c, owned.query.get(b, h, 0, c));
  });
  const MethodRun run = run_method(owned.problem, "multipole(clusters=9,residual=50)");
  EXPECT_NEAR(run.out.get(0, 0, 0, 0), run.out.get(0, 0, 9, 0), 1e-5);
  EXPECT_GT(std::fabs(run.out.get(0, 0, 0, 0) - run.out.get(0, 0, 599, 0)), 1e-3);
}

TEST(MultipoleResidual, HugeScoresStayFinite) {
  for (const double size : {1e2, 1e4}) {
    const OwnedProblem owned = gaussian_problem({.queries = 60, .keys = 200, .head_dim = 16}, 3,
                                                DType::f32, std::sqrt(size));
    for (const std::string& spec : light_specs) {
      SCOPED_TRACE(spec);
      const MethodRun run = run_method(owned.problem, spec);
      run.out.for_each([&](auto b, auto h, auto i, auto c) {
        ASSERT_TRUE(std::isfinite(run.out.get(b, h, i, c)));
      });
    }
  }
}

TEST(MultipoleResidual, ChecksItsParameter) {
  const OwnedProblem owned = gaussian_problem({.queries = 6, .keys = 9, .head_dim = 8}, 3);
  for (const std::string value : {"-1", "2000000", "nan", "all"})
    EXPECT_THROW(run_method(owned.problem, "multipole(residual=" + value + ")"), Error) << value;
  EXPECT_THROW(run_method(owned.problem, "multipole(error=0.1,residual=10)"), Error);
  EXPECT_THROW(run_method(owned.problem, "multipole(fit=9,residual=10)"), Error);
  EXPECT_THROW(run_method(owned.problem, "multipole(order=2,residual=10)"), Error);
  EXPECT_NO_THROW(run_method(owned.problem, "multipole(fit=9,open=0.1,residual=10)"));
}

}  // namespace
}  // namespace subquad::testing
