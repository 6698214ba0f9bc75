// Polynomial attention, forward and backward, against its definition in double precision, and that
// against central differences.
#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "subquad/attention.h"
#include "support/gradient_differences.h"
#include "support/isa.h"
#include "support/owned_problem.h"
#include "support/plain_poly.h"
#include "support/random_problem.h"

namespace subquad::testing {
namespace {

// Relative to the largest |V|.
double forward_error(const Problem& problem, const PlainPolySetup& setup, const ForwardRun& run) {
  double error = 0, size = 1e-3;
  std::int64_t exact_rows = 0;
  for (const HeadProblem& head : split_heads(problem)) {
    const PlainTensors tensors(head);
    const PlainPoly plain(head, setup);
    exact_rows += plain.exact_rows(tensors);
    for (std::int64_t i = 0; i < head.num_rows(); ++i) {
      const PlainRow row = plain.row(tensors, i);
      if (head.visible(i).empty()) continue;
      const std::int64_t h = head.query_head(i), t = head.query_begin + head.position(i);
      for (std::int64_t c = 0; c < head.value_dim(); ++c)
        error = std::max(error, std::fabs(run.out.get(head.batch, h, t, c) - row.out[at(c)]));
      error = std::max(error, std::fabs(run.lse.get(head.batch, h, t, 0) - row.lse));
      for (const double v : row.out) size = std::max(size, std::fabs(v));
    }
  }
  EXPECT_EQ(run.report.fallback_rows, exact_rows) << setup.spec;
  return error / size;
}

void expect_definition(const Problem& problem, const PlainPolySetup& setup, double tolerance = 3e-5,
                       std::int64_t entries = 60) {
  SCOPED_TRACE(setup.spec);
  const Upstream upstream = random_upstream(problem, 3, DType::f32);
  const MethodCase run{problem, setup.spec, upstream};
  EXPECT_LE(forward_error(problem, setup, forward_of(run)), tolerance);
  const double error = largest_error(run, entries, [&](const HeadProblem& head) {
    return [plain = PlainPoly(head, setup)](const PlainTensors& tensors) {
      return [&](std::int64_t i) { return plain.row(tensors, i); };
    };
  });
  EXPECT_LE(error, tolerance);
}

PolyOptions degree(std::int64_t g, ExpFit fit = ExpFit::minimax) {
  PolyOptions options;
  options.degree = g;
  options.fit = fit;
  return options;
}

TEST(Poly, DegreesAndFits) {
  const OwnedProblem owned = gaussian_problem(
      {.queries = 50, .keys = 70, .head_dim = 5, .value_dim = 3}, 31, DType::f32, 0.6);
  for (const std::int64_t g : {1, 2, 3, 6})
    expect_definition(owned.problem, {"chebyshev(g=" + std::to_string(g) + ")", degree(g)});
  expect_definition(owned.problem, {"as23(degree=4,fit=taylor)", degree(4, ExpFit::taylor)});
  on_every_isa([&] {
    expect_definition(owned.problem, {"chebyshev(g=4,fit=chebyshev)", degree(4, ExpFit::chebyshev)},
                      3e-5, 20);
  });
}

// More than a panel of monomials, and more than one vector of values.
TEST(Poly, ManyMonomials) {
  const OwnedProblem owned = gaussian_problem(
      {.queries = 60, .keys = 90, .head_dim = 40, .value_dim = 37}, 32, DType::f32, 0.4);
  expect_definition(owned.problem, {"chebyshev(g=2)", degree(2)});
  const OwnedProblem narrow = gaussian_problem(
      {.queries = 30, .keys = 40, .head_dim = 16, .value_dim = 5}, 33, DType::f32, 0.5);
  expect_definition(narrow.problem, {"chebyshev(g=4)", degree(4)});
}

TEST(Poly, BesideHeavyParts) {
  const OwnedProblem owned = gaussian_problem(
      {.queries = 60, .keys = 70, .head_dim = 6, .value_dim = 4}, 34, DType::f32, 0.7);
  for (const std::string heavy : {"window(9)", "sortlsh(block=16,bits=4)+sink(3)", "topk(k=5)"})
    expect_definition(owned.problem, {heavy + "+chebyshev(g=3)", degree(3)});
}

TEST(Poly, SupportBasis) {
  const OwnedProblem owned = gaussian_problem(
      {.queries = 80, .keys = 90, .head_dim = 6, .value_dim = 4}, 35, DType::f32, 0.7);
  const HeadProblem head = split_heads(owned.problem)[0];
  const PlainPolySetup setup{"support_basis(t=1.4,degree=3)", degree(3), 1.4};
  const std::int64_t heavy = PlainPoly(head, setup).heavy_count();
  EXPECT_GT(heavy, 500);
  EXPECT_LT(heavy, 80 * 90 - 500);
  expect_definition(owned.problem, setup);
  expect_definition(owned.problem, {"window(7)+support_basis(t=1.4,degree=2)", degree(2), 1.4});
}

// Rows whose interval is too wide are exact; those of degree 1 with a sum below 0 too.
TEST(Poly, FallsBack) {
  const OwnedProblem calm = gaussian_problem(
      {.queries = 80, .keys = 30, .head_dim = 6, .value_dim = 4}, 36, DType::f32, 0.9);
  PolyOptions limited = degree(3);
  limited.error = 0.5;
  const HeadProblem head = split_heads(calm.problem)[0];
  const PlainPolySetup setup{"chebyshev(g=3,error=0.5)", limited};
  const std::int64_t exact = PlainPoly(head, setup).exact_rows(PlainTensors(head));
  EXPECT_GT(exact, 5);
  EXPECT_LT(exact, 75);
  expect_definition(calm.problem, setup);
  const OwnedProblem owned = gaussian_problem(
      {.queries = 80, .keys = 30, .head_dim = 6, .value_dim = 4}, 36, DType::f32, 1.6);
  PolyOptions taylor = degree(1, ExpFit::taylor);
  taylor.bound = 2;
  expect_definition(owned.problem, {"chebyshev(g=1,fit=taylor,bound=2)", taylor}, 2e-4);
}

// Some chunks of rows, their keys exactly and those before by the polynomial; in groups, batches,
// both alignments and half precision.
TEST(Poly, Causal) {
  for (const Causal causal : {Causal::top_left, Causal::bottom_right}) {
    OwnedProblem owned = gaussian_problem({.batch = 1,
                                           .heads = 2,
                                           .kv_heads = 1,
                                           .queries = 150,
                                           .keys = 160,
                                           .head_dim = 4,
                                           .value_dim = 3},
                                          37, DType::f32, 0.7);
    owned.problem.causal = causal;
    const HeadProblem head = split_heads(owned.problem)[0];
    const PlainPolySetup setup{"chebyshev(g=3,chunk=1)", degree(3)};
    EXPECT_LT(PlainPoly(head, setup).heavy_count(), 0.9 * 300 * 160);
    expect_definition(owned.problem, setup, 3e-5, 10);
    expect_definition(owned.problem, {"sink(2)+support_basis(t=2,degree=2,chunk=1)", degree(2), 2},
                      3e-5, 10);
  }
}

// Each bucket of keys has intervals of its own.
TEST(Poly, Buckets) {
  OwnedProblem owned = gaussian_problem(
      {.heads = 2, .kv_heads = 1, .queries = 40, .keys = 60, .head_dim = 6, .value_dim = 4}, 40,
      DType::f32, 0.7);
  owned.sink_logits = {0.3F, -0.5F};
  owned.problem.sink_logits = owned.sink_logits;
  PolyOptions options = degree(3);
  options.buckets = 3;
  expect_definition(owned.problem, {"chebyshev(g=3,buckets=3)", options});
  expect_definition(owned.problem,
                    {"window(9)+sink(3)+support_basis(t=1.4,degree=3,buckets=3)", options, 1.4});
}

TEST(Poly, SinksGroupsBatchesAndHalfInputs) {
  OwnedProblem owned = gaussian_problem({.batch = 2,
                                         .heads = 4,
                                         .kv_heads = 2,
                                         .queries = 25,
                                         .keys = 40,
                                         .head_dim = 8,
                                         .value_dim = 5},
                                        38, DType::bf16, 0.5);
  owned.sink_logits = {0.3F, -0.5F, 1.5F, 2.0F};
  owned.problem.sink_logits = owned.sink_logits;
  expect_definition(owned.problem, {"chebyshev(g=3)", degree(3)});
}

// Algorithm 1 as printed: U1 U2^T of the small channels everywhere, exp(s) - 1 at large entries.
TEST(Poly, Printed) {
  const OwnedProblem owned = gaussian_problem(
      {.queries = 40, .keys = 50, .head_dim = 6, .value_dim = 4}, 41, DType::f32, 0.6);
  const double t = 1.1;
  const HeadProblem head = split_heads(owned.problem)[0];
  const PlainTensors plain(head);
  PlainTensors small = plain;
  const double scale = double{resolved_scale(owned.problem)};
  for (double& x : small.query.values) x = std::fabs(x) > t * scale ? 0 : x;
  for (double& x : small.key.values) x = std::fabs(x) > t ? 0 : x;
  const ForwardRun run = run_forward(owned.problem, DType::f32, 1, {},
                                     "support_basis(t=1.1,degree=3,bound=2,printed=true)");
  const ExpPolynomial p = fit_exp(ExpFit::minimax, 3, 2);
  std::int64_t large = 0;
  for (std::int64_t i = 0; i < 40; ++i) {
    std::vector<double> sums(5, 0.0);
    for (std::int64_t k = 0; k < 50; ++k) {
      const bool split =
          !std::equal(plain.query.row(i), plain.query.row(i) + 6, small.query.row(i)) ||
          !std::equal(plain.key.row(k), plain.key.row(k) + 6, small.key.row(k));
      double weight = p.scaled_value(small.score(i, k)) * std::exp(p.bound);
      if (split) weight += std::exp(plain.score(i, k)) - 1;
      large += split ? 1 : 0;
      add_scaled(weight, plain.value.row(k), 4, sums.data());
      sums.back() += weight;
    }
    for (std::int64_t c = 0; c < 4; ++c)
      EXPECT_NEAR(run.out.get(0, 0, i, c), sums[at(c)] / sums.back(), 1e-5);
  }
  EXPECT_GT(large, 200);
  EXPECT_LT(large, 1800);
}

// The bound of the card: |P - D^-1 A V|_max <= 2 eps / (1 - eps) |V|_max, on inputs of any size.
TEST(Poly, HoldsTheErrorItIsAskedFor) {
  for (const double spread : {0.2, 0.5, 1.0, 2.0})
    for (const std::string spec :
         {"chebyshev(g=3,error=0.05)", "support_basis(degree=3,error=0.05,t=1.5)",
          "chebyshev(g=2,error=0.05,fit=chebyshev)", "chebyshev(g=5,error=0.05,buckets=4)"}) {
      const OwnedProblem owned =
          gaussian_problem({.heads = 2, .queries = 70, .keys = 120, .head_dim = 7, .value_dim = 5},
                           39, DType::f32, spread);
      const ReferenceAttention reference(owned.problem);
      const ForwardRun run = run_forward(owned.problem, DType::f32, 1, {}, spec);
      EXPECT_LE(max_difference(run.out, reference.out),
                (2 * 0.05 / 0.95 + 1e-4) * reference.max_value)
          << spec << " " << spread;
    }
}

}  // namespace
}  // namespace subquad::testing
