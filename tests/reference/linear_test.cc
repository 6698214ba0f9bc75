// Linear attention, forward and backward, against its definition in double precision, and that
// against finite differences.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/backward.h"
#include "support/differences.h"
#include "support/isa.h"
#include "support/linear_model.h"
#include "support/linear_scene.h"
#include "subquad/attention.h"

namespace subquad::testing {
namespace {

constexpr ProblemLimits limits{.max_length = 300, .max_head_dim = 80, .max_work = 500'000};

// Heavy parts before the linear one; with map = none only where all sums are positive.
const std::vector<std::string> heavy_parts{"", "sink(3)", "window(9)", "sink(4)+window(20)",
                                           "sortlsh(block=16,bits=4)+sink(2)"};

// Largest error of a row over its own tolerance.
double worst_row(const TensorBuffer& got, const DenseTensor& want, const DenseTensor& condition,
                 double unit, double rounding) {
  double worst = 0;
  got.for_each([&](auto b, auto h, auto i, auto c) {
    const double expected = want.row(b, h, i)[c], found = got.get(b, h, i, c);
    if (found == expected || (std::isnan(found) && std::isnan(expected))) return;
    const double allowed = 2e-6 * condition.row(b, h, i)[0] * unit + rounding * std::fabs(expected);
    const double ratio = std::fabs(found - expected) / std::max(allowed, 1e-30);
    worst = std::isnan(ratio) ? HUGE_VAL : std::max(worst, ratio);
  });
  return worst;
}

// A problem, a method, and what its definition gives.
struct Case {
  Case(std::uint64_t seed, FeatureMap map_, std::string heavy_)
      : owned(linear_problem(seed, map_, !heavy_.empty(), limits)),
        map(map_),
        heavy(std::move(heavy_)),
        spec(joined(heavy, linear_spec(map))),
        model(owned.problem, map, heavy),
        in(model.inputs()),
        want(model.forward(in)) {}

  OwnedProblem owned;
  FeatureMap map;
  std::string heavy, spec;
  LinearModelCase model;
  LinearModelCase::Inputs in;
  LinearModelCase::Outputs want;
};

void expect_forward_model(const Case& c, DType out_type) {
  const ForwardRun run = run_forward(c.owned.problem, out_type, 1, {}, c.spec);
  const double unit = std::max(c.in.value.max_abs(), c.want.out.max_abs());
  EXPECT_LE(worst_row(run.out, c.want.out, c.want.condition, unit, forward_tolerance(out_type)), 1);
  EXPECT_LE(worst_row(run.lse, c.want.lse, c.want.condition, 1, 1e-6), 1);
  EXPECT_EQ(run.report.negative_rows, c.want.negative_rows);
  EXPECT_EQ(run.report.fallback_rows, c.want.fallback_rows);
}

class LinearReference : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(LinearReference, ForwardIsItsDefinition) {
  for (const FeatureMap map : all_maps)
    for (const std::string& heavy : heavy_parts) {
      const Case c(81'000 + GetParam(), map, heavy);
      SCOPED_TRACE(c.owned.description + " " + c.spec);
      on_every_isa(
          [&] { expect_forward_model(c, GetParam() % 3 == 0 ? DType::bf16 : DType::f32); });
    }
}

// Largest error of a gradient over the size of its own terms.
double worst_gradient(const TensorBuffer& got, const DenseTensor& want, const DenseTensor& size) {
  double worst = 0;
  got.for_each([&](auto b, auto h, auto i, auto c) {
    const double error = std::fabs(got.get(b, h, i, c) - want.row(b, h, i)[c]);
    if (error == 0) return;
    const double ratio = error / std::max(size.row(b, h, i)[c], 1e-30);
    worst = std::isnan(ratio) ? HUGE_VAL : std::max(worst, ratio);
  });
  return worst;
}

void expect_backward_model(const Case& c, const Upstream& upstream,
                           const LinearModelCase::Gradients& expected) {
  const Problem& problem = c.owned.problem;
  const ForwardRun forward = run_forward(problem, DType::f32, 2, {}, c.spec);
  BackwardRun run{TensorBuffer(DType::f32, problem.query.shape, {.row_padding = 3}),
                  TensorBuffer(DType::f32, problem.key.shape, {.row_padding = 1}),
                  TensorBuffer(DType::f32, problem.value.shape),
                  {}};
  Options options;
  options.threads = 2;
  run.report =
      attend_backward(problem, c.spec, backward_arguments(forward, upstream, run), options);
  constexpr double tolerance = 2e-6;
  EXPECT_LE(worst_gradient(run.query, expected.values.query, expected.sizes.query), tolerance);
  EXPECT_LE(worst_gradient(run.key, expected.values.key, expected.sizes.key), tolerance);
  EXPECT_LE(worst_gradient(run.value, expected.values.value, expected.sizes.value), tolerance);
  EXPECT_EQ(run.report.fallback_rows, c.want.fallback_rows);
  EXPECT_TRUE(run.query.outside_untouched() && run.key.outside_untouched());
}

TEST_P(LinearReference, BackwardIsItsDerivative) {
  for (const FeatureMap map : all_maps)
    for (const std::string& heavy : heavy_parts) {
      const Case c(82'000 + GetParam(), map, heavy);
      SCOPED_TRACE(c.owned.description + " " + c.spec);
      const Upstream upstream = random_upstream(c.owned.problem, GetParam(), DType::f32);
      const auto expected =
          c.model.backward(c.in, c.want, read_tensor(upstream.out.view()), upstream.dense_lse());
      on_every_isa([&] { expect_backward_model(c, upstream, expected); });
    }
}
INSTANTIATE_TEST_SUITE_P(Problems, LinearReference, ::testing::Range<std::uint64_t>(0, 10));

// Rounding does not grow with the length: n = 131,072 against running sums in double.
TEST(LinearReferenceLong, SumsKeepTheirPrecision) {
  constexpr std::int64_t n = 131'072, dim = 8, value_dim = 3, width = value_dim + 1;
  const OwnedProblem owned = gaussian_problem(
      {.queries = n, .keys = n, .head_dim = dim, .value_dim = value_dim}, 9, DType::f32);
  const auto feature = [](double x) { return x > 0 ? x + 1 : std::exp(x); };
  for (const Causal causal : {Causal::none, Causal::top_left}) {
    Problem problem = owned.problem;
    problem.causal = causal;
    const ForwardRun run = run_forward(problem, DType::f32, 2, {}, "linear(map=elu)");
    std::vector<double> sums(dim * width, 0.0);
    const auto add_key = [&](std::int64_t j) {
      for (std::int64_t c = 0; c < dim; ++c)
        for (std::int64_t e = 0; e < width; ++e)
          sums[static_cast<std::size_t>(c * width + e)] +=
              feature(owned.key.get(0, 0, j, c)) *
              (e < value_dim ? owned.value.get(0, 0, j, e) : 1.0);
    };
    for (std::int64_t j = 0; j < n && causal == Causal::none; ++j) add_key(j);
    double largest = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      if (causal != Causal::none) add_key(i);
      std::vector<double> row(width, 0.0);
      for (std::int64_t c = 0; c < dim; ++c)
        for (std::int64_t e = 0; e < width; ++e)
          row[static_cast<std::size_t>(e)] +=
              feature(owned.query.get(0, 0, i, c)) * sums[static_cast<std::size_t>(c * width + e)];
      for (std::int64_t e = 0; e < value_dim; ++e)
        largest = std::max(largest, std::fabs(run.out.get(0, 0, i, e) -
                                              row[static_cast<std::size_t>(e)] / row[value_dim]));
    }
    // Values are of size 1; outputs are means of up to n of them. Measured: 2.4e-7.
    EXPECT_LE(largest, 2e-6);
  }
}

double loss(const LinearModelCase& model, const LinearModelCase::Inputs& in,
            const DenseTensor& grad_out, const DenseTensor& grad_lse) {
  const auto outputs = model.forward(in);
  double sum = 0;
  for (std::size_t n = 0; n < grad_out.values.size(); ++n)
    sum += outputs.out.values[n] * grad_out.values[n];
  for (std::size_t n = 0; n < grad_lse.values.size(); ++n)
    if (outputs.sum.values[n] != 0)
      sum += std::log(std::fabs(outputs.sum.values[n])) * grad_lse.values[n];
  return sum;
}

// The yardstick's own derivative, rows with negative sums included.
TEST(LinearReferenceSmall, FiniteDifferencesAgree) {
  const ProblemLimits small{.max_length = 12, .max_head_dim = 5, .max_work = 3'000};
  std::int64_t negative = 0;
  for (std::uint64_t seed = 83'000; seed < 83'012; ++seed)
    for (const FeatureMap map : all_maps)
      for (const std::string heavy : {"", "sink(2)+window(3)"}) {
        OwnedProblem owned = linear_problem(seed, map, !heavy.empty(), small);
        if (map == FeatureMap::relu) give_signs(owned, seed, true);  // away from the kink
        SCOPED_TRACE(owned.description + " " + joined(heavy, linear_spec(map)));
        const Upstream upstream = random_upstream(owned.problem, seed, DType::f32);
        const DenseTensor grad_out = read_tensor(upstream.out.view()),
                          grad_lse = upstream.dense_lse();
        const LinearModelCase model(owned.problem, map, heavy);
        const auto in = model.inputs();
        const auto outputs = model.forward(in);
        negative += outputs.negative_rows;
        const auto formula = model.backward(in, outputs, grad_out, grad_lse).values;
        using Inputs = LinearModelCase::Inputs;
        const auto loss_of = [&](const Inputs& inputs) {
          return loss(model, inputs, grad_out, grad_lse);
        };
        for (const auto tensor : {&Inputs::query, &Inputs::key, &Inputs::value}) {
          const double scale = std::max((formula.*tensor).max_abs(), 1.0);
          EXPECT_LE(difference_error(in, tensor, formula.*tensor, std::ldexp(1.0, -15), loss_of),
                    1e-6 * scale);
        }
      }
  EXPECT_GT(negative, 20);
}

}  // namespace
}  // namespace subquad::testing
