// Error metrics against plain double-precision computations of their definitions.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "diagnose/gram_matrix.h"
#include "subquad/error.h"
#include "subquad/measure.h"
#include "support/owned_problem.h"
#include "support/reference_attention.h"
#include "support/tensor_buffer.h"

namespace subquad::testing {
namespace {

struct Matrix {
  std::int64_t rows, columns;
  std::vector<double> entries;
};

// One head of a dense tensor as (position, channel).
Matrix head_of(const DenseTensor& tensor, std::int64_t b, std::int64_t h) {
  const double* begin = tensor.row(b, h, 0);
  return {tensor.shape[2], tensor.shape[3], {begin, begin + tensor.shape[2] * tensor.shape[3]}};
}

// |M|_op by power iteration on M^T M, until nothing changes.
double dense_norm(const Matrix& m) {
  std::vector<double> x(static_cast<std::size_t>(m.columns));
  for (std::size_t n = 0; n < x.size(); ++n) x[n] = std::sin(static_cast<double>(n) + 1);
  double norm = 0, before = -1;
  for (int step = 0; step < 20'000 && std::fabs(norm - before) > 1e-13 * norm; ++step) {
    before = norm;
    std::vector<double> next(x.size(), 0.0);
    for (std::int64_t i = 0; i < m.rows; ++i) {
      const double* row = m.entries.data() + i * m.columns;
      double product = 0;
      for (std::size_t n = 0; n < x.size(); ++n) product += row[n] * x[n];
      for (std::size_t n = 0; n < x.size(); ++n) next[n] += row[n] * product;
    }
    double length = 0;
    for (const double value : next) length += value * value;
    norm = std::pow(length, 0.25);
    if (norm == 0) return 0;
    for (std::size_t n = 0; n < x.size(); ++n) x[n] = next[n] / std::sqrt(length);
  }
  return norm;
}

// The softmax weights: attention with the identity as values, (B, Hq, Lq, Lk).
DenseTensor softmax_weights(const OwnedProblem& owned) {
  const std::int64_t keys = owned.key.shape()[2];
  TensorBuffer identity(DType::f32, {owned.key.shape()[0], owned.key.shape()[1], keys, keys});
  identity.for_each([&](auto b, auto h, auto j, auto c) { identity.set(b, h, j, c, j == c); });
  Problem problem = owned.problem;
  problem.value = identity.view();
  return ReferenceAttention(problem).out;
}

// A problem, its exact output and an approximation that the test spoils.
struct Case {
  OwnedProblem owned;
  TensorBuffer exact, approx;

  explicit Case(OwnedProblem problem)
      : owned(std::move(problem)), exact(DType::f32, owned.out_shape()), approx(exact) {
    refresh();
  }
  // After a change to the problem.
  void refresh() {
    const ReferenceAttention reference(owned.problem);
    exact.for_each([&](auto b, auto h, auto i, auto c) {
      exact.set(b, h, i, c, reference.out.row(b, h, i)[c]);
    });
    approx = exact;
  }
  std::vector<ErrorMetrics> measure(const MeasureOptions& options = {}) const {
    return measure_errors(owned.problem, approx.view(), exact.view(), options);
  }
  void add_noise(double size, std::uint64_t seed) {
    Draw draw(seed);
    approx.for_each([&](auto b, auto h, auto i, auto c) {
      approx.set(b, h, i, c, exact.get(b, h, i, c) + size * draw.normal());
    });
  }
};

TEST(MeasureErrors, IdenticalOutputsGiveZeros) {
  const Case same(
      gaussian_problem({.batch = 2, .heads = 4, .kv_heads = 2, .queries = 20, .keys = 30}, 1));
  const std::vector<ErrorMetrics> metrics = same.measure();
  ASSERT_EQ(metrics.size(), 5U);
  for (std::size_t n = 0; n < 5; ++n) {
    EXPECT_EQ(metrics[n].head, n < 4 ? static_cast<std::int64_t>(n) : -1);
    EXPECT_EQ(metrics[n].rel_fro, 0);
    EXPECT_EQ(metrics[n].max_over_vmax, 0);
    EXPECT_EQ(metrics[n].op_rel, 0);
    EXPECT_EQ(metrics[n].rows_over_1pct, 0);
  }
}

TEST(MeasureErrors, TenPercentOfEveryElement) {
  Case scaled(gaussian_problem({.heads = 2, .kv_heads = 2, .queries = 25, .keys = 30}, 2));
  double largest = 0, largest_value = 0;
  scaled.approx.for_each([&](auto b, auto h, auto i, auto c) {
    const double exact = scaled.exact.get(b, h, i, c);
    if (h == 1) scaled.approx.set(b, h, i, c, 1.1 * exact);
    if (h == 1) largest = std::max(largest, std::fabs(exact));
  });
  for (const double value : head_of(read_tensor(scaled.owned.problem.value), 0, 1).entries)
    largest_value = std::max(largest_value, std::fabs(value));
  const std::vector<ErrorMetrics> metrics = scaled.measure();
  EXPECT_EQ(metrics[0].rel_fro, 0);
  EXPECT_NEAR(metrics[1].rel_fro, 0.1, 1e-6);
  EXPECT_NEAR(metrics[1].max_over_vmax, 0.1 * largest / largest_value, 1e-6);
  EXPECT_EQ(metrics[1].rows_over_5pct, 1);
  EXPECT_EQ(metrics[1].rows_over_20pct, 0);
  EXPECT_LT(metrics[2].rel_fro, 0.1);
  EXPECT_EQ(metrics[2].max_over_vmax, metrics[1].max_over_vmax);
  EXPECT_EQ(metrics[2].rows_over_5pct, 0.5);
}

TEST(MeasureErrors, SharesCountRows) {
  Case rows(gaussian_problem({.queries = 10, .keys = 30}, 3));
  const double factors[] = {1.005, 1.02, 0.97, 1.08, 0.9, 1.15, 1.3, 0.5, 2.0, 1.0};
  rows.approx.for_each([&](auto b, auto h, auto i, auto c) {
    rows.approx.set(b, h, i, c, factors[i] * rows.exact.get(b, h, i, c));
  });
  const ErrorMetrics metrics = rows.measure()[0];
  EXPECT_DOUBLE_EQ(metrics.rows_over_1pct, 0.8);
  EXPECT_DOUBLE_EQ(metrics.rows_over_5pct, 0.6);
  EXPECT_DOUBLE_EQ(metrics.rows_over_20pct, 0.3);
}

// Queries 0..9 see no key: their exact rows are zero.
TEST(MeasureErrors, ZeroRowsCountOnlyWhenTheApproximationIsNotZero) {
  Case masked(gaussian_problem({.queries = 40, .keys = 30}, 4));
  masked.owned.problem.causal = Causal::bottom_right;
  masked.refresh();
  EXPECT_EQ(masked.measure()[0].rows_over_1pct, 0);
  masked.approx.set(0, 0, 3, 2, 1e-6);
  EXPECT_DOUBLE_EQ(masked.measure()[0].rows_over_20pct, 1.0 / 40);
}

TEST(MeasureErrors, NanCountsAsWrong) {
  Case poisoned(gaussian_problem({.queries = 10, .keys = 30}, 5));
  poisoned.approx.set(0, 0, 3, 2, std::nan(""));
  const ErrorMetrics metrics = poisoned.measure()[1];
  EXPECT_TRUE(std::isnan(metrics.rel_fro));
  EXPECT_TRUE(std::isnan(metrics.max_over_vmax));
  EXPECT_TRUE(std::isnan(metrics.op_rel));
  EXPECT_DOUBLE_EQ(metrics.rows_over_20pct, 0.1);
}

TEST(MeasureErrors, OperatorNormOnlyWhenAsked) {
  Case noisy(gaussian_problem({.queries = 10, .keys = 30}, 6));
  noisy.add_noise(0.1, 7);
  MeasureOptions options;
  options.operator_norm = false;
  for (const ErrorMetrics& metrics : noisy.measure(options)) {
    EXPECT_TRUE(std::isnan(metrics.op_rel));
    EXPECT_GT(metrics.rel_fro, 0);
  }
}

// op_rel of one head, from dense matrices: the largest over the batch.
double dense_op_rel(const Case& noisy, std::int64_t h) {
  const DenseTensor weights = softmax_weights(noisy.owned);
  const DenseTensor value = read_tensor(noisy.owned.problem.value);
  DenseTensor difference = read_tensor(noisy.approx.view());
  const DenseTensor exact = read_tensor(noisy.exact.view());
  for (std::size_t n = 0; n < exact.values.size(); ++n) difference.values[n] -= exact.values[n];
  const std::int64_t kv_head = h / (weights.shape[1] / value.shape[1]);
  double largest = 0;
  for (std::int64_t b = 0; b < weights.shape[0]; ++b)
    largest = std::max(
        largest, dense_norm(head_of(difference, b, h)) /
                     (dense_norm(head_of(weights, b, h)) * dense_norm(head_of(value, b, kv_head))));
  return largest;
}

void expect_dense_op_rel(const Case& noisy) {
  MeasureOptions careful;
  careful.max_iterations = 500;
  careful.tolerance = 1e-7;
  careful.threads = 1;
  const std::vector<ErrorMetrics> metrics = noisy.measure(careful), usual = noisy.measure();
  double largest = 0;
  for (std::int64_t h = 0; h < noisy.approx.shape()[1]; ++h) {
    const double expected = dense_op_rel(noisy, h);
    largest = std::max(largest, expected);
    EXPECT_NEAR(metrics[static_cast<std::size_t>(h)].op_rel / expected, 1, 1e-4);
    // The usual tolerance stops early: |P|_op comes out low, op_rel high, never the other way
    // round.
    EXPECT_GE(usual[static_cast<std::size_t>(h)].op_rel / expected, 1 - 1e-5);
    EXPECT_LE(usual[static_cast<std::size_t>(h)].op_rel / expected, 1.01);
  }
  EXPECT_NEAR(metrics.back().op_rel / largest, 1, 1e-4);
}

TEST(MeasureErrors, OperatorNormMatchesDenseMatrices) {
  const Dimensions sizes{
      .batch = 2, .heads = 4, .kv_heads = 2, .queries = 50, .keys = 60, .head_dim = 12};
  for (const Causal causal : {Causal::none, Causal::top_left, Causal::bottom_right}) {
    Case noisy(gaussian_problem(sizes, 8, DType::f32, 1.5));
    noisy.owned.problem.causal = causal;
    noisy.refresh();
    noisy.add_noise(0.05, 9);
    expect_dense_op_rel(noisy);
  }
}

TEST(MeasureErrors, OperatorNormWithSinksAndPackedSequences) {
  Case noisy(
      gaussian_problem({.heads = 3, .queries = 50, .keys = 60, .head_dim = 12}, 10, DType::bf16));
  const std::vector<float> sinks{1.0F, -2.0F, 5.0F};
  const std::vector<std::int64_t> query_offsets{0, 20, 35, 50}, key_offsets{0, 30, 30, 60};
  noisy.owned.problem.sink_logits = sinks;
  noisy.owned.problem.query_offsets = query_offsets;
  noisy.owned.problem.key_offsets = key_offsets;
  noisy.refresh();
  noisy.add_noise(0.05, 11);
  expect_dense_op_rel(noisy);
}

TEST(MeasureErrors, NoKeysOrNoQueries) {
  for (const ErrorMetrics& m : Case(gaussian_problem({.queries = 5, .keys = 0}, 12)).measure())
    EXPECT_EQ(m.op_rel, 0);
  for (const ErrorMetrics& m : Case(gaussian_problem({.queries = 0, .keys = 5}, 13)).measure()) {
    EXPECT_EQ(m.op_rel, 0);
    EXPECT_EQ(m.rows_over_1pct, 0);
  }
}

TEST(MeasureErrors, WrongArgumentsAreNamed) {
  const Case fine(gaussian_problem({.queries = 5, .keys = 6}, 14));
  const auto message_of = [&](TensorView approx, TensorView exact, const MeasureOptions& options) {
    try {
      measure_errors(fine.owned.problem, approx, exact, options);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  TensorView shorter = fine.exact.view();
  shorter.shape[2] = 4;
  EXPECT_EQ(message_of(shorter, fine.exact.view(), {}).find("approx"), 0U);
  EXPECT_EQ(message_of(fine.exact.view(), shorter, {}).find("exact"), 0U);
  MeasureOptions never;
  never.max_iterations = 0;
  EXPECT_EQ(message_of(fine.exact.view(), fine.exact.view(), never).find("max_iterations"), 0U);
}

TEST(GramMatrix, NormOfADiagonal) {
  GramMatrix gram(3);
  for (const std::vector<double>& row :
       std::vector<std::vector<double>>{{3, 0, 0}, {0, -5, 0}, {0, 0, 4}})
    gram.add_row(row.data());
  EXPECT_NEAR(gram.operator_norm(), 5, 1e-7);
}

TEST(GramMatrix, NormOfATallRandomMatrix) {
  Draw draw(15);
  Matrix matrix{200, 7, std::vector<double>(1400)};
  for (double& entry : matrix.entries) entry = draw.normal();
  GramMatrix gram(7);
  for (std::int64_t i = 0; i < 200; ++i) gram.add_row(matrix.entries.data() + i * 7);
  EXPECT_NEAR(gram.operator_norm(), dense_norm(matrix), 1e-6);
}

TEST(GramMatrix, NothingHasNormZero) { EXPECT_EQ(GramMatrix(4).operator_norm(), 0); }

}  // namespace
}  // namespace subquad::testing
