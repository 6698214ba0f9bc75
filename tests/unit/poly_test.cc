// Polynomials for exp, monomials, and what the polynomial parts refuse.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "light/poly/exp_polynomial.h"
#include "light/poly/monomials.h"
#include "subquad/attention.h"
#include "support/draw.h"
#include "support/forward.h"
#include "support/invalid.h"
#include "support/isa.h"
#include "support/owned_problem.h"

namespace subquad::testing {
namespace {

// Largest |P(x) exp(-x) - 1|, and how often it is reached with alternating signs.
struct Equal {
  double largest = 0;
  int turns = 0;
};

double relative(const ExpPolynomial& p, double x) {
  return p.scaled_value(x) * std::exp(p.bound - x) - 1;
}

Equal measure(const ExpPolynomial& p) {
  constexpr int steps = 20000;
  Equal result;
  for (int i = 0; i <= steps; ++i)
    result.largest =
        std::max(result.largest, std::fabs(relative(p, p.bound * (2.0 * i / steps - 1))));
  int sign = 0;
  for (int i = 0; i <= steps; ++i) {
    const double error = relative(p, p.bound * (2.0 * i / steps - 1));
    if (std::fabs(error) < 0.98 * result.largest || (error > 0 ? 1 : -1) == sign) continue;
    sign = error > 0 ? 1 : -1;
    ++result.turns;
  }
  return result;
}

TEST(PolyFit, ErrorIsWhatAFineGridFinds) {
  for (const ExpFit fit : {ExpFit::chebyshev, ExpFit::minimax, ExpFit::taylor})
    for (const std::int64_t degree : {1, 2, 5, 12})
      for (const double bound : {0.1, 1.0, 4.0}) {
        const ExpPolynomial p = fit_exp(fit, degree, bound);
        EXPECT_NEAR(measure(p).largest, p.error, 0.01 * p.error + 1e-13) << degree << " " << bound;
        EXPECT_EQ(p.degree(), degree);
      }
}

// Chebyshev's theorem: degree + 2 equal errors of alternating sign, so that none is better.
TEST(PolyFit, MinimaxAlternates) {
  for (const std::int64_t degree : {1, 2, 4, 7})
    for (const double bound : {0.5, 2.0, 6.0}) {
      const ExpPolynomial best = fit_exp(ExpFit::minimax, degree, bound);
      EXPECT_EQ(measure(best).turns, degree + 2) << degree << " " << bound;
      EXPECT_LE(best.error, fit_exp(ExpFit::chebyshev, degree, bound).error);
      EXPECT_LE(best.error, fit_exp(ExpFit::taylor, degree, bound).error);
      EXPECT_LT(best.error, 1);
    }
}

// As the card says.
TEST(PolyFit, SignsOfCoefficients) {
  const auto negative = [](ExpFit fit, std::int64_t degree, double bound) {
    const ExpPolynomial p = fit_exp(fit, degree, bound);
    return std::count_if(p.coefficients.begin(), p.coefficients.end(),
                         [](double c) { return c < 0; });
  };
  for (const double bound : {0.5, 1.0, 2.0, 4.0, 8.0, 16.0})
    for (std::int64_t degree = 1; degree <= 10; ++degree) {
      EXPECT_EQ(negative(ExpFit::taylor, degree, bound), 0);
      EXPECT_EQ(negative(ExpFit::minimax, degree, bound), 0) << degree << " " << bound;
    }
  EXPECT_GT(negative(ExpFit::chebyshev, 3, 4), 0);
}

TEST(PolyFit, DegreeIsTheSmallest) {
  for (const double error : {0.1, 1e-3, 1e-6})
    for (const double bound : {0.5, 2.0, 5.0}) {
      const std::int64_t degree = degree_for(ExpFit::minimax, error, bound);
      EXPECT_LE(fit_exp(ExpFit::minimax, degree, bound).error, error);
      ASSERT_GE(degree, 1);
      EXPECT_GT(fit_exp(ExpFit::minimax, degree - 1, bound).error, error);
    }
  EXPECT_EQ(degree_for(ExpFit::taylor, 1e-12, 32), kMostDegree + 1);
}

double power(double x, std::int64_t n) {
  double result = 1;
  for (std::int64_t i = 0; i < n; ++i) result *= x;
  return result;
}

// sum_m c_m <x, y>^m, by the features and as it is.
void expect_product(std::int64_t dim, std::int64_t degree) {
  SCOPED_TRACE(::testing::Message() << dim << " channels, degree " << degree);
  const MonomialLayout layout(dim, degree);
  Draw draw(static_cast<std::uint64_t>(dim * 100 + degree));
  std::vector<float> x(static_cast<std::size_t>(2 * dim) + kernels::kMonomialSlack),
      chain(static_cast<std::size_t>(2 * layout.chain_stride())),
      features(static_cast<std::size_t>(2 * layout.panel_stride())), factors;
  for (float& v : x) v = static_cast<float>(draw.normal()) * 0.7F;
  for (std::int64_t i = 0; i < 2 * (degree + 1); ++i)
    factors.push_back(i <= degree ? static_cast<float>(draw.normal()) : 1.0F);
  layout.fill_chain(x.data(), dim, 2, chain.data());
  double sum = 0, size = 0, expected = 0, product = 0;
  std::int64_t count = 0;
  for (const MonomialPanel& panel : layout.panels()) {
    kernels::expand_monomials(
        panel.segments,
        {x.data(), dim, chain.data(), layout.chain_stride(), factors.data(), degree + 1, 2},
        features.data(), layout.panel_stride(), panel.count, nullptr);
    EXPECT_EQ(panel.begin, count);
    count += panel.count;
    for (std::int64_t f = 0; f < panel.count; ++f) {
      const double term = double{layout.weight(panel.begin + f)} *
                          double{features[static_cast<std::size_t>(f)]} *
                          double{features[static_cast<std::size_t>(layout.panel_stride() + f)]};
      sum += term;
      size += std::fabs(term);
    }
  }
  for (std::int64_t c = 0; c < dim; ++c)
    product +=
        double{x[static_cast<std::size_t>(c)]} * double{x[static_cast<std::size_t>(dim + c)]};
  for (std::int64_t m = 0; m <= degree; ++m)
    expected += double{factors[static_cast<std::size_t>(m)]} * power(product, m);
  EXPECT_NEAR(sum, expected, 1e-6 * size);
  EXPECT_EQ(static_cast<double>(count), count_monomials(dim, degree));
}

TEST(PolyMonomials, AreAPolynomialOfTheDotProduct) {
  on_every_isa([] {
    for (const std::int64_t dim : {1, 2, 3, 7, 16, 33})
      for (const std::int64_t degree : {1, 2, 3, 4}) expect_product(dim, degree);
    expect_product(64, 2);
    expect_product(2, 9);
  });
}

TEST(PolyMonomials, CountsAreThoseOfTheDesign) {
  EXPECT_EQ(count_monomials(64, 2), 2145);
  EXPECT_EQ(count_monomials(64, 4), 814385);
}

TEST(PolyParts, RefuseBadOptions) {
  const OwnedProblem owned = gaussian_problem({.queries = 6, .keys = 6, .head_dim = 64}, 1);
  const auto run = [&](const std::string& spec) {
    return [&owned, spec] { run_forward(owned.problem, DType::f32, 1, {}, spec); };
  };
  expect_invalid("g = 0", run("chebyshev(g=0)"));
  expect_invalid("g = 33", run("chebyshev(g=33)"));
  expect_invalid("degree = -1", run("as23(degree=-1)"));
  expect_invalid("bound", run("chebyshev(bound=-1)"));
  expect_invalid("bound", run("chebyshev(bound=nan)"));
  expect_invalid("error", run("support_basis(error=2)"));
  expect_invalid("t ", run("threshold(t=-0.5)"));
  expect_invalid("c ", run("threshold(c=0)"));
  expect_invalid("printed needs", run("support_basis(printed=true)"));
  expect_invalid("buckets = 17", run("chebyshev(buckets=17)"));
  expect_invalid("GB", run("chebyshev(g=6)"));
}

TEST(PolyParts, RefuseMasksThatTheyCannotSee) {
  OwnedProblem owned = gaussian_problem({.queries = 6, .keys = 6}, 1);
  owned.problem.window.left = 2;
  expect_invalid("window", [&] { run_forward(owned.problem, DType::f32, 1, {}, "chebyshev"); });
  owned.problem.window.left = -1;
  owned.problem.causal = Causal::top_left;
  for (const std::string spec : {"chebyshev(buckets=2)", "support_basis(t=1,printed=true)"})
    expect_invalid("causal", [&] { run_forward(owned.problem, DType::f32, 1, {}, spec); });
  owned.problem.causal = Causal::none;
  owned.boolean_mask.assign(36, 1);
  owned.problem.mask = {MaskKind::boolean, owned.boolean_mask.data(), {1, 1, 6, 6}, {36, 36, 6, 1}};
  expect_invalid("mask", [&] { run_forward(owned.problem, DType::f32, 1, {}, "chebyshev"); });
}

// Padding is a mask that it takes: as without the keys.
TEST(PolyParts, TakePadding) {
  OwnedProblem owned = gaussian_problem({.queries = 9, .keys = 20, .head_dim = 4}, 2);
  OwnedProblem shorter = gaussian_problem({.queries = 9, .keys = 20, .head_dim = 4}, 2);
  owned.boolean_mask.assign(20, 1);
  for (std::size_t k = 13; k < 20; ++k) owned.boolean_mask[k] = 0;
  owned.problem.mask = {
      MaskKind::boolean, owned.boolean_mask.data(), {1, 1, 1, 20}, {20, 20, 20, 1}};
  shorter.problem.key.shape[2] = shorter.problem.value.shape[2] = 13;
  for (const std::string spec : {"chebyshev(g=3)", "support_basis(t=1.2)", "sink(2)+as23"})
    EXPECT_EQ(run_forward(owned.problem, DType::f32, 1, {}, spec).out.words(),
              run_forward(shorter.problem, DType::f32, 1, {}, spec).out.words())
        << spec;
}

}  // namespace
}  // namespace subquad::testing
