// rownorm and approxd with every heavy part: exact in their limits, and the same bits whatever the
// threads and the batch.
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "property/exact_support.h"
#include "property/heavy_light_support.h"
#include "property/same_bits_support.h"
#include "support/seeds.h"
#include "support/isa.h"

namespace subquad::testing {
namespace {

constexpr ProblemLimits limits{.max_length = 130, .max_head_dim = 64, .max_work = 1'000'000};

OwnedProblem drawn(std::uint64_t seed) { return random_problem(seed, type_of(seed), limits); }

TEST(RowNorm, AllKeysSampledIsExact) {
  std::vector<std::string> specs;
  for (const std::string& heavy : heavy_specs) {
    specs.push_back(joined(heavy, "rownorm(m=130,d=130)"));
    for (const std::string printed : {"false", "true"})
      specs.push_back(
          joined(heavy, "approxd(m=130,cap=0,floor=false,replace=false,printed=" + printed + ")"));
  }
  expect_all_exact(specs, 1500, 30, drawn);
}

// Nothing is left to estimate, to cap or to raise.
TEST(RowNorm, HeavyPartOfEverythingIsExact) {
  std::vector<std::string> specs;
  for (const std::string all : {"sink(130)", "window(700)", "sortlsh(block=130)",
                                "window(9)+sink(130)+sortlsh(block=8,neighbors=1)"})
    for (const std::string light :
         {"rownorm(m=7,d=9)", "rownorm(m=7,d=9,replace=true)", "approxd(m=8)",
          "approxd(m=30,kappa=1.5,eps=1,cap=1e-3,tau_samples=3,values=5,replace=false)"})
      specs.push_back(joined(all, light));
  expect_all_exact(specs, 1600, 30, drawn);
}

// Without caps approxd is rownorm with independent draws; cap and floor that cannot act change
// nothing.
TEST(RowNorm, ApproxDWithoutCapsIsRowNorm) {
  for (const std::uint64_t seed : Seeds(1700, 20)) {
    const OwnedProblem random = random_problem(seed, type_of(seed), limits);
    SCOPED_TRACE(random.description);
    for (const std::string& heavy : heavy_specs) {
      const auto run = [&](const std::string& light) {
        return run_method(random.problem, joined(heavy, light), 1, seed);
      };
      const MethodRun row_norm = run("rownorm(m=21,d=13,replace=true)");
      const MethodRun bare = run("approxd(m=13,values=21,cap=0,floor=false)");
      for_rows(random.problem, [&](auto b, auto h, auto i) {
        const double lse = row_norm.lse.get(b, h, i, 0);
        if (!std::isfinite(lse)) return;
        ASSERT_NEAR(bare.lse.get(b, h, i, 0), lse, 1e-6 * (std::fabs(lse) + 10)) << heavy;
      });
    }
  }
}

const std::vector<std::string> light_specs{
    "rownorm(m=11,d=17)", "rownorm(m=40,d=9,replace=true)", "approxd(m=13,kappa=3)",
    "approxd(m=13,values=9,tau_samples=4,cap=50,printed=true)"};

template <typename Check>
void for_problems_and_specs(std::uint64_t first_seed, std::uint64_t count, Check check) {
  for_problems_and_specs(first_seed, count, limits, light_specs, check);
}

TEST(RowNorm, ThreadsGiveTheSameBits) { for_problems_and_specs(1800, 6, check_threads); }

TEST(RowNorm, ABatchElementDoesNotDependOnTheOthers) {
  for_problems_and_specs(1900, 12, check_batch);
}

TEST(RowNorm, SeedsGiveDifferentSamples) {
  const OwnedProblem owned = gaussian_problem({.queries = 40, .keys = 400, .head_dim = 16}, 1);
  for (const std::string& spec : light_specs)
    EXPECT_NE(run_method(owned.problem, spec, 1, 1).out.words(),
              run_method(owned.problem, spec, 1, 2).out.words())
        << spec;
}

}  // namespace
}  // namespace subquad::testing
