// Eigenpairs, traces and solutions of kernel matrices against a dense double-precision matrix.
#include <algorithm>
#include <cmath>
#include <vector>

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <gtest/gtest.h>

#include "subquad/error.h"
#include "subquad/kernel_solve.h"
#include "subquad/spectrum.h"
#include "support/draw.h"
#include "support/plain_kernel.h"

namespace subquad::testing {
namespace {

using Dense = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr std::int64_t kPoints = 220, kDim = 3;

// Normal points, their operator and their matrix.
struct Scene {
  std::vector<float> points;
  double bandwidth;
  Dense matrix;

  explicit Scene(std::uint64_t seed, double sigma = 1.2) : bandwidth(sigma) {
    Draw draw(seed);
    for (std::int64_t i = 0; i < kPoints * kDim; ++i)
      points.push_back(static_cast<float>(draw.normal()));
    const std::vector<double> entries = plain_kernel(points, kDim, bandwidth);
    matrix = Eigen::Map<const Dense>(entries.data(), kPoints, kPoints);
  }
  KernelOperator kernel(std::string_view spec = "exact") const {
    return {matrix_view(points, kDim), bandwidth, spec};
  }
  // Descending.
  Eigen::VectorXd eigenvalues() const {
    return Eigen::SelfAdjointEigenSolver<Dense>(matrix).eigenvalues().reverse();
  }
};

Dense as_dense(const std::vector<float>& rows, std::int64_t columns) {
  using Floats = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  return Eigen::Map<const Floats>(rows.data(), static_cast<Eigen::Index>(rows.size()) / columns,
                                  columns)
      .cast<double>();
}

class SpectrumSolvers : public ::testing::TestWithParam<EigenSolver> {};

TEST_P(SpectrumSolvers, PairsAreThoseOfTheDenseMatrix) {
  for (const std::uint64_t seed : {1U, 2U}) {
    const Scene scene(seed);
    const Spectrum found = top_eigenpairs(
        scene.kernel(),
        {.count = 8, .solver = GetParam(), .tolerance = 1e-5, .exact_residuals = true});
    ASSERT_TRUE(found.converged);
    ASSERT_EQ(found.values.size(), 8u);
    const Eigen::VectorXd wanted = scene.eigenvalues();
    const Dense vectors = as_dense(found.vectors, 8);
    EXPECT_LT((vectors.transpose() * vectors - Dense::Identity(8, 8)).norm(), 1e-5);
    for (Eigen::Index i = 0; i < 8; ++i) {
      const auto at = static_cast<std::size_t>(i);
      // An eigenvalue is off by at most the residual, 1e-5 of the largest, and by rounding.
      EXPECT_NEAR(found.values[at], wanted[i], 2e-5 * wanted[0]);
      const double residual =
          (scene.matrix * vectors.col(i) - found.values[at] * vectors.col(i)).norm();
      EXPECT_LT(residual, 2e-5 * wanted[0]);
      EXPECT_NEAR(found.exact_residuals[at], residual, 2e-6 * wanted[0]);
      EXPECT_NEAR(found.exact_values[at], wanted[i], 2e-5 * wanted[0]);
      EXPECT_GT(vectors.col(i).maxCoeff(), -vectors.col(i).minCoeff());
    }
  }
}

// What approximate products give is said by the residuals, against the exact matrix.
TEST_P(SpectrumSolvers, ResidualsOfAnApproximateOperatorAreTrue) {
  const Scene scene(3);
  const Spectrum found =
      top_eigenpairs(scene.kernel("far(clusters=20,fit=40)"),
                     {.count = 4, .solver = GetParam(), .exact_residuals = true});
  const Eigen::VectorXd wanted = scene.eigenvalues();
  const Dense vectors = as_dense(found.vectors, static_cast<Eigen::Index>(found.values.size()));
  ASSERT_FALSE(found.values.empty());
  for (std::size_t i = 0; i < found.values.size(); ++i) {
    const auto column = vectors.col(static_cast<Eigen::Index>(i));
    const double residual = (scene.matrix * column - found.values[i] * column).norm();
    EXPECT_NEAR(found.exact_residuals[i], residual, 1e-5 * wanted[0]);
    const double nearest = (wanted.array() - found.values[i]).abs().minCoeff();
    EXPECT_LE(nearest, residual + 1e-5 * wanted[0]);
  }
}

TEST_P(SpectrumSolvers, OnePoint) {
  const std::vector<float> point{1, 2, 3};
  const KernelOperator kernel(matrix_view(point, 3), 1, "exact");
  if (GetParam() == EigenSolver::spectra) {
    EXPECT_THROW(top_eigenpairs(kernel, {.count = 1, .solver = GetParam()}), Error);
    return;
  }
  const Spectrum found = top_eigenpairs(kernel, {.count = 1});
  EXPECT_NEAR(found.values[0], 1, 1e-6);
  EXPECT_NEAR(found.vectors[0], 1, 1e-6);
}

// A numerical rank below the basis of Lanczos.
TEST_P(SpectrumSolvers, FewDistinctPoints) {
  for (const std::int64_t n : {20, 100, 101, 500}) {
    const std::vector<float> points(static_cast<std::size_t>(2 * n), 3.7f);
    const KernelOperator kernel(matrix_view(points, 2), 1, "exact");
    const Spectrum found = top_eigenpairs(kernel, {.count = 3, .solver = GetParam()});
    ASSERT_EQ(found.values.size(), 3u);
    EXPECT_NEAR(found.values[0], static_cast<double>(n), 1e-4 * static_cast<double>(n));
    EXPECT_NEAR(found.values[1], 0, 1e-4 * static_cast<double>(n));
    EXPECT_NEAR(found.values[2], 0, 1e-4 * static_cast<double>(n));
  }
}

INSTANTIATE_TEST_SUITE_P(Both, SpectrumSolvers,
                         ::testing::Values(EigenSolver::power, EigenSolver::spectra));

TEST(TraceOfFunction, OneIsCountedExactly) {
  const Scene scene(4);
  const TraceEstimate found =
      trace_of_function(scene.kernel(), [](double) { return 1.0; }, {.probes = 3, .steps = 5});
  EXPECT_NEAR(found.value, static_cast<double>(kPoints), 1e-9 * static_cast<double>(kPoints));
  EXPECT_NEAR(found.standard_error, 0, 1e-9 * static_cast<double>(kPoints));
  EXPECT_EQ(found.products, 15);
}

// The mean over N sign vectors of z^T A z is a chaos of order two with variance
// v = 2 sum_{i != j} A_ij^2 / N: P(|mean - trace| > t sqrt(v)) <= exp(-t / e - 1) (hypercontractive
// moments), 1e-6 at t = 35.
TEST(TraceOfFunction, LogarithmsOfRandomSigns) {
  const Scene scene(5);
  const auto log_of = [](double x) { return std::log1p(x / 0.1); };
  const Eigen::SelfAdjointEigenSolver<Dense> eigen(scene.matrix);
  const Eigen::VectorXd logs = eigen.eigenvalues().cwiseMax(0.0).unaryExpr(log_of);
  const Dense f = eigen.eigenvectors() * logs.asDiagonal() * eigen.eigenvectors().transpose();
  const double off = f.squaredNorm() - f.diagonal().squaredNorm();
  const TraceEstimate found =
      trace_of_function(scene.kernel(), log_of, {.probes = 512, .steps = 40, .seed = 7});
  const double deviation = std::sqrt(2 * off / 512);
  EXPECT_NEAR(found.value, f.trace(), 35 * deviation + 1e-3 * f.trace());
  EXPECT_GT(found.value, 0.5 * f.trace());
  // An estimate of the deviation itself, from 512 draws.
  EXPECT_GT(found.standard_error, deviation / 2);
  EXPECT_LT(found.standard_error, deviation * 2);
}

TEST(KernelSolve, SolutionsAreThoseOfTheDenseMatrix) {
  for (const double ridge : {1.0, 0.05}) {
    const Scene scene(6);
    Draw draw(7);
    std::vector<float> rhs, x(static_cast<std::size_t>(2 * kPoints));
    for (std::int64_t i = 0; i < 2 * kPoints; ++i) rhs.push_back(static_cast<float>(draw.normal()));
    const KernelOperator kernel = scene.kernel();
    const SolveReport report =
        solve_kernel(kernel, matrix_view(rhs, 2), matrix_view(x, 2),
                     {.ridge = ridge, .tolerance = 1e-4, .exact_residual = true});
    EXPECT_TRUE(report.converged);
    EXPECT_EQ(report.indefinite, 0);
    const Dense matrix = scene.matrix + ridge * Dense::Identity(kPoints, kPoints);
    const Dense b = as_dense(rhs, 2), found = as_dense(x, 2), wanted = matrix.llt().solve(b);
    const double residual =
        (b - matrix * found).colwise().norm().cwiseQuotient(b.colwise().norm()).maxCoeff();
    EXPECT_LT(residual, 1.1e-4) << ridge;
    EXPECT_NEAR(report.residual, residual, 5e-6);
    // |error| <= |residual| / ridge.
    EXPECT_LT((found - wanted).norm(), 1.1e-4 * b.norm() / ridge) << ridge;
  }
}

TEST(KernelSolve, DeflationSavesIterations) {
  const Scene scene(8);
  std::vector<float> rhs, x(static_cast<std::size_t>(kPoints));
  Draw draw(9);
  for (std::int64_t i = 0; i < kPoints; ++i) rhs.push_back(static_cast<float>(draw.normal()));
  const KernelOperator kernel = scene.kernel();
  SolveOptions options{.ridge = 0.05};
  const auto iterations = [&] {
    const SolveReport report =
        solve_kernel(kernel, matrix_view(rhs, 1), matrix_view(x, 1), options);
    EXPECT_TRUE(report.converged);
    return report.iterations;
  };
  const std::int64_t plain = iterations();
  const Spectrum pairs = top_eigenpairs(kernel, {.count = 40, .max_iterations = 5});
  options.deflation = &pairs;
  EXPECT_LT(iterations(), plain / 2);
}

// The recursion cannot know what the products are off by: the residual does, and exact ones lead
// rough products to the solution while what they are off by is below the ridge.
TEST(KernelSolve, ResidualsAreTrueAndExactOnesLeadOn) {
  const Scene scene(10);
  std::vector<float> rhs(static_cast<std::size_t>(kPoints), 1.0F), x(rhs.size());
  const KernelOperator rough = scene.kernel("far(clusters=40,fit=0,order=2)");
  for (const double ridge : {40.0, 0.01}) {
    const SolveReport report =
        solve_kernel(rough, matrix_view(rhs, 1), matrix_view(x, 1),
                     {.ridge = ridge, .tolerance = 1e-5, .exact_residual = true});
    const Dense found = as_dense(x, 1), b = as_dense(rhs, 1);
    const double residual = (b - scene.matrix * found - ridge * found).norm() / b.norm();
    EXPECT_NEAR(report.residual, residual, 2e-6) << ridge;
    EXPECT_EQ(report.converged, ridge > 1) << ridge;
    EXPECT_LE(report.residual, 1.0);
    if (report.converged) {
      EXPECT_GT(report.rounds, 1);
      EXPECT_LT(residual, 1.2e-5);
    }
  }
}

TEST(KernelSolve, NothingIsSolvedByZeros) {
  const Scene scene(11);
  std::vector<float> rhs(static_cast<std::size_t>(kPoints)), x(rhs.size(), 3.0F);
  const SolveReport report = solve_kernel(scene.kernel(), matrix_view(rhs, 1), matrix_view(x, 1),
                                          {.exact_residual = true});
  EXPECT_TRUE(report.converged);
  EXPECT_EQ(report.iterations, 0);
  EXPECT_EQ(report.residual, 0);
  EXPECT_EQ(x, rhs);
}

}  // namespace
}  // namespace subquad::testing
