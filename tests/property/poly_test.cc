// Polynomial parts: the same bits whatever the threads, forward and backward, and prefixes.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "property/heavy_light_support.h"
#include "property/same_bits_support.h"
#include "support/backward.h"
#include "support/gradient_differences.h"
#include "support/owned_problem.h"

namespace subquad::testing {
namespace {

const std::vector<std::string> poly_specs{"chebyshev(g=2,chunk=1)",
                                          "window(20)+chebyshev(g=3,chunk=1)",
                                          "support_basis(t=2,degree=2,chunk=1)"};

OwnedProblem long_problem(Causal causal, std::int64_t length) {
  OwnedProblem owned = gaussian_problem({.heads = 2,
                                         .kv_heads = 1,
                                         .queries = length,
                                         .keys = length,
                                         .head_dim = 10,
                                         .value_dim = 12},
                                        1, DType::f32, 0.7);
  owned.problem.causal = causal;
  return owned;
}

void expect_same_gradients(const Problem& problem, const std::string& spec) {
  const Upstream upstream = random_upstream(problem, 1, DType::f32);
  const MethodCase setup{problem, spec, upstream};
  const BackwardRun single = backward_of(setup, 1), many = backward_of(setup, 5);
  EXPECT_EQ(single.query.words(), many.query.words()) << spec;
  EXPECT_EQ(single.key.words(), many.key.words()) << spec;
  EXPECT_EQ(single.value.words(), many.value.words()) << spec;
}

TEST(PolyBits, ThreadsGiveTheSameBits) {
  for (const Causal causal : {Causal::none, Causal::bottom_right}) {
    const OwnedProblem owned = long_problem(causal, 700);
    for (const std::string& spec : poly_specs) {
      check_threads(owned.problem, spec);
      expect_same_gradients(owned.problem, spec);
    }
  }
  const OwnedProblem owned = long_problem(Causal::none, 300);
  check_threads(owned.problem, "window(5)+chebyshev(g=3,buckets=3)");
  expect_same_gradients(owned.problem, "window(5)+chebyshev(g=3,buckets=3)");
}

// Several pieces of keys, which threads share.
TEST(PolyBits, ThreadsGiveTheSameBitsOnLongKeys) {
  const OwnedProblem owned =
      gaussian_problem({.queries = 40, .keys = 9000, .head_dim = 8, .value_dim = 3}, 2);
  check_threads(owned.problem, "chebyshev(g=2)");
  expect_same_gradients(owned.problem, "chebyshev(g=2)");
}

// A gradient asked for alone is that of all together.
TEST(PolyBits, SingleGradients) {
  const OwnedProblem owned = long_problem(Causal::top_left, 200);
  const Upstream upstream = random_upstream(owned.problem, 1, DType::f32);
  for (const std::string& spec : poly_specs)
    expect_single_gradients({owned.problem, spec, upstream});
}

}  // namespace
}  // namespace subquad::testing
