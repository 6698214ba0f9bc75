// Every heavy part with every light part: exact in its limit, and the same bits whatever the
// threads and the batch.
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "property/heavy_light_support.h"
#include "property/same_bits_support.h"
#include "support/seeds.h"
#include "support/isa.h"

namespace subquad::testing {
namespace {

constexpr ProblemLimits limits{.max_length = 150, .max_head_dim = 80, .max_work = 1'500'000};

void expect_exact(const Problem& problem, const ReferenceAttention& reference,
                  const std::string& spec) {
  SCOPED_TRACE(spec);
  expect_forward(problem, run_forward(problem, DType::f32, 1, {}, spec), reference);
}

void expect_all_exact(const std::vector<std::string>& specs, std::uint64_t first_seed) {
  for (const std::uint64_t seed : Seeds(first_seed, 60)) {
    const OwnedProblem random = random_problem(seed, type_of(seed), limits);
    SCOPED_TRACE(random.description);
    const ReferenceAttention reference(random.problem);
    on_every_isa([&] {
      for (const std::string& spec : specs) expect_exact(random.problem, reference, spec);
    });
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(HeavyLight, AllKeysSampledIsExact) {
  std::vector<std::string> specs;
  for (const std::string& heavy : heavy_specs)
    for (const std::string light : {"uniform(m=150)", "prefix(m=150)"})
      specs.push_back(joined(heavy, light));
  expect_all_exact(specs, 100);
}

// A heavy part that holds every entry leaves nothing to the light part, whatever that is.
TEST(HeavyLight, HeavyPartOfEverythingIsExact) {
  std::vector<std::string> specs;
  for (const std::string all :
       {"sink(150)", "window(700)", "sortlsh(block=150)",
        "sortlsh(block=150,rounds=2,bits=3)+sink(4)", "sortlsh(block=4,neighbors=40)",
        "window(9)+sink(150)+sortlsh(block=8,neighbors=1)", "topk(k=150)", "topk(k=2)+knn(k=1000)"})
    for (const std::string light :
         {"drop", "uniform(m=7)", "uniform(m=7,replace=true)", "prefix(m=7)"})
      specs.push_back(joined(all, light));
  expect_all_exact(specs, 200);
}

// The light part may stand anywhere in the spec, and may be left out.
TEST(HeavyLight, RoundsThatFindNothingCostNothing) {
  const OwnedProblem owned = gaussian_problem({.queries = 90, .keys = 70}, 13);
  for (const std::string once : {"sortlsh(block=90", "sortlsh(block=16,neighbors=5"}) {
    const MethodRun one = run_method(owned.problem, once + ")+uniform(m=20)", 1);
    const MethodRun many = run_method(owned.problem, once + ",rounds=64)+uniform(m=20)", 1);
    EXPECT_EQ(many.report.scored_entries, one.report.scored_entries);
    EXPECT_EQ(many.out.words(), one.out.words());
  }
}

TEST(HeavyLight, PlaceOfTheLightPartDoesNotMatter) {
  const OwnedProblem random = random_problem(301, DType::f32, limits);
  const auto words = [&](const std::string& spec) {
    return run_method(random.problem, spec).out.words();
  };
  EXPECT_EQ(words("uniform(m=9)+sink(3)+window(5)"), words("sink(3)+window(5)+uniform(m=9)"));
  EXPECT_EQ(words("sink(3)+drop"), words("sink(3)"));
}

const std::vector<std::string> light_specs{"drop", "uniform(m=13)", "uniform(m=40,replace=true)",
                                           "prefix(m=13)"};

template <typename Check>
void for_problems_and_specs(std::uint64_t first_seed, std::uint64_t count, Check check) {
  for_problems_and_specs(first_seed, count, limits, light_specs, check);
}

TEST(HeavyLight, ThreadsGiveTheSameBits) { for_problems_and_specs(400, 8, check_threads); }

TEST(HeavyLight, ThreadsGiveTheSameBitsOnEveryIsa) {
  on_every_isa([] { for_problems_and_specs(430, 2, check_threads); });
}

TEST(HeavyLight, ThreadsGiveTheSameBitsOnOneLongHead) {
  OwnedProblem owned = gaussian_problem({.queries = 600, .keys = 1500, .head_dim = 32}, 1);
  owned.problem.causal = Causal::bottom_right;
  for (const std::string& heavy : heavy_specs)
    for (const std::string light : {"uniform(m=50)", "prefix(m=50)"})
      check_threads(owned.problem, joined(heavy, light));
}

TEST(HeavyLight, ABatchElementDoesNotDependOnTheOthers) {
  for_problems_and_specs(500, 24, check_batch);
}

TEST(HeavyLight, SeedsGiveDifferentSamples) {
  const OwnedProblem owned = gaussian_problem({.queries = 40, .keys = 400, .head_dim = 16}, 1);
  for (const std::string spec :
       {"uniform(m=20)", "uniform(m=20,replace=true)", "prefix(m=20)", "sortlsh(block=20)"})
    EXPECT_NE(run_method(owned.problem, spec, 1, 1).out.words(),
              run_method(owned.problem, spec, 1, 2).out.words())
        << spec;
}

}  // namespace
}  // namespace subquad::testing
