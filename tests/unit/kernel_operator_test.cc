// Kernel operators, eigenpairs and solves: arguments, threads, other points.
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "subquad/kernel_solve.h"
#include "subquad/spectrum.h"
#include "support/draw.h"
#include "support/invalid.h"
#include "support/plain_kernel.h"

namespace subquad::testing {
namespace {

std::vector<float> normal_rows(std::int64_t count, std::uint64_t seed) {
  Draw draw(seed);
  std::vector<float> rows;
  for (std::int64_t i = 0; i < count; ++i) rows.push_back(static_cast<float>(draw.normal()));
  return rows;
}

KernelOperator small_operator(std::string_view spec = "exact", int threads = 1) {
  static const std::vector<float> points = normal_rows(90 * 2, 1);
  return {matrix_view(points, 2), 0.7, spec, {.threads = threads}};
}

TEST(KernelOperatorArguments, EachErrorNamesItsArgument) {
  std::vector<float> points = normal_rows(10 * 2, 2);
  const auto make = [&](const TensorView& view, double bandwidth, std::string_view spec) {
    KernelOperator(view, bandwidth, spec);
  };
  const TensorView good = matrix_view(std::as_const(points), 2);
  TensorView none = good, heads = good, wide = good;
  none.shape[2] = 0;
  heads.shape = {1, 2, 5, 2};
  wide.shape[3] = 0;
  expect_invalid("points: there are none", [&] { make(none, 1, "exact"); });
  expect_invalid("points: batch and heads", [&] { make(heads, 1, "exact"); });
  expect_invalid("points: last extent", [&] { make(wide, 1, "exact"); });
  for (const double bad : {0.0, -1.0, std::nan("")})
    expect_invalid("bandwidth:", [&] { make(good, bad, "exact"); });
  expect_invalid("'near'", [&] { make(good, 1, "near"); });
  points[7] = std::numeric_limits<float>::infinity();
  expect_invalid("points: row 3 holds inf", [&] { make(good, 1, "exact"); });
}

TEST(KernelOperatorArguments, ProductsAreChecked) {
  const KernelOperator kernel = small_operator();
  const std::vector<float> x(89), right(90);
  std::vector<float> out(90);
  const std::vector<float> rows(3 * 5);
  expect_invalid("x: length is 89", [&] { kernel.apply(matrix_view(x, 1), matrix_view(out, 1)); });
  expect_invalid("out: shape", [&] { kernel.apply(matrix_view(right, 1), matrix_view(out, 2)); });
  expect_invalid("out",
                 [&] { kernel.apply(matrix_view(std::as_const(out), 1), matrix_view(out, 1)); });
  expect_invalid("queries: last extent is 3", [&] {
    kernel.apply_at(matrix_view(rows, 3), matrix_view(right, 1), matrix_view(out, 1));
  });
}

TEST(KernelOperatorArguments, OptionsOfSolversAreChecked) {
  const KernelOperator kernel = small_operator();
  const auto pairs = [&](const SpectrumOptions& options) { top_eigenpairs(kernel, options); };
  expect_invalid("count: 91 of 90", [&] { pairs({.count = 91}); });
  expect_invalid("count: 0", [&] { pairs({.count = 0}); });
  expect_invalid("must be 1 to 89", [&] { pairs({.count = 90, .solver = EigenSolver::spectra}); });
  expect_invalid("tolerance", [&] { pairs({.tolerance = std::nan("")}); });
  expect_invalid("max_iterations", [&] { pairs({.max_iterations = 0}); });
  expect_invalid("oversample", [&] { pairs({.oversample = -2}); });
  const auto trace = [&](const TraceOptions& options) {
    trace_of_function(
        kernel, [](double x) { return x; }, options);
  };
  expect_invalid("probes", [&] { trace({.probes = 1}); });
  expect_invalid("steps", [&] { trace({.steps = 0}); });
  std::vector<float> b(90, 1.0F), x(90);
  const auto solve = [&](const SolveOptions& options) {
    solve_kernel(kernel, matrix_view(std::as_const(b), 1), matrix_view(x, 1), options);
  };
  for (const double bad : {0.0, -1.0, std::nan(""), HUGE_VAL})
    expect_invalid("ridge:", [&] { solve({.ridge = bad}); });
  expect_invalid("tolerance", [&] { solve({.tolerance = 1}); });
  expect_invalid("max_iterations", [&] { solve({.max_iterations = 0}); });
  const Spectrum other =
      top_eigenpairs(KernelOperator(matrix_view(std::as_const(b), 2), 1, "exact"), {.count = 2});
  expect_invalid("deflation:", [&] { solve({.deflation = &other}); });
  b[5] = std::nanf("");
  expect_invalid("rhs:", [&] { solve({}); });
  EXPECT_EQ(x, std::vector<float>(90));
}

TEST(KernelOperatorThreads, SameBitsForAnyNumber) {
  std::vector<float> b = normal_rows(90 * 2, 3), one(180), three(180);
  for (const std::string_view spec : {"exact", "far(clusters=8,fit=20)"}) {
    const KernelOperator first = small_operator(spec), second = small_operator(spec, 3);
    EXPECT_EQ(top_eigenpairs(first, {.count = 4}).vectors,
              top_eigenpairs(second, {.count = 4}).vectors);
    solve_kernel(first, matrix_view(std::as_const(b), 2), matrix_view(one, 2));
    solve_kernel(second, matrix_view(std::as_const(b), 2), matrix_view(three, 2));
    EXPECT_EQ(one, three);
  }
}

TEST(KernelOperatorApplies, AtOtherPointsAsAPlainLoop) {
  const std::vector<float> points = normal_rows(40 * 2, 4), queries = normal_rows(7 * 2, 5),
                           x = normal_rows(40, 6);
  std::vector<float> out(7), all = points;
  const KernelOperator kernel(matrix_view(points, 2), 0.9, "exact");
  kernel.apply_at(matrix_view(queries, 2), matrix_view(x, 1), matrix_view(out, 1));
  all.insert(all.end(), queries.begin(), queries.end());
  const std::vector<double> matrix = plain_kernel(all, 2, 0.9);
  for (std::size_t i = 0; i < 7; ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < 40; ++j) sum += matrix[(40 + i) * 47 + j] * double{x[j]};
    EXPECT_NEAR(out[i], sum, 1e-5);
  }
}

}  // namespace
}  // namespace subquad::testing
