// The metrics of k-NN attention's analysis against dense double loops.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "io_support.h"
#include "subquad/attention_metrics.h"
#include "support/dense_softmax.h"
#include "support/isa.h"
#include "support/random_problem.h"

namespace subquad::testing {
namespace {

using io::expect_error;

constexpr std::array kTypes{DType::f32, DType::bf16, DType::f16};

// --- tokens ------------------------------------------------------------------------------------

double norm_of(const TensorBuffer& x, std::int64_t b, std::int64_t h, std::int64_t i) {
  double sum = 0;
  for (std::int64_t c = 0; c < x.shape()[3]; ++c) sum += std::pow(x.get(b, h, i, c), 2);
  return std::sqrt(sum);
}

double cosine(const TensorBuffer& x, std::int64_t b, std::int64_t h, std::int64_t i,
              std::int64_t j) {
  double dot = 0;
  for (std::int64_t c = 0; c < x.shape()[3]; ++c) dot += x.get(b, h, i, c) * x.get(b, h, j, c);
  const double norms = norm_of(x, b, h, i) * norm_of(x, b, h, j);
  return norms == 0 ? 0 : dot / norms;
}

TEST(AttentionMetrics, TokenSimilarity) {
  Draw draw(5);
  for (const DType type : kTypes) {
    TensorBuffer tokens(type, {2, 3, 19, 11}, random_layout(draw));
    tokens.fill([&] { return 0.5 + draw.normal(); });
    for (std::int64_t c = 0; c < 11; ++c) tokens.set(1, 2, 4, c, 0);  // a row without direction
    const std::vector<double> found = token_similarity(tokens.view());
    ASSERT_EQ(found.size(), 6u);
    for (std::int64_t n = 0; n < 6; ++n) {
      double sum = 0;
      for (std::int64_t i = 0; i < 19; ++i)
        for (std::int64_t j = 0; j < 19; ++j)
          if (i != j) sum += cosine(tokens, n / 3, n % 3, i, j);
      EXPECT_NEAR(found[static_cast<std::size_t>(n)], sum / (19 * 18), 1e-12);
    }
  }
}

TEST(AttentionMetrics, TokenSimilarityAtTheEnds) {
  const std::vector<float> same(12, 3.0F);
  EXPECT_NEAR(token_similarity(dense_view(same.data(), DType::f32, {1, 1, 4, 3}))[0], 1, 1e-12);
  EXPECT_TRUE(std::isnan(token_similarity(dense_view(same.data(), DType::f32, {1, 1, 1, 3}))[0]));
  EXPECT_TRUE(std::isnan(token_similarity(dense_view(same.data(), DType::f32, {1, 1, 0, 3}))[0]));
  const std::vector<float> opposite{1, -1};
  EXPECT_NEAR(token_similarity(dense_view(opposite.data(), DType::f32, {1, 1, 2, 1}))[0], -1,
              1e-12);
}

TEST(AttentionMetrics, ResidualRatio) {
  Draw draw(6);
  TensorBuffer main(DType::f32, {2, 2, 7, 5}, random_layout(draw)),
      branch(DType::bf16, {2, 2, 7, 5}, random_layout(draw));
  main.fill([&] { return draw.normal(); });
  branch.fill([&] { return 0.3 * draw.normal(); });
  const std::vector<double> found = residual_ratio(branch.view(), main.view());
  ASSERT_EQ(found.size(), 4u);
  for (std::int64_t n = 0; n < 4; ++n) {
    double a = 0, b = 0;
    for (std::int64_t i = 0; i < 7; ++i) {
      a += std::pow(norm_of(branch, n / 2, n % 2, i), 2);
      b += std::pow(norm_of(main, n / 2, n % 2, i), 2);
    }
    EXPECT_NEAR(found[static_cast<std::size_t>(n)], std::sqrt(a / b), 1e-12);
  }
  expect_error([&] { residual_ratio(branch.view(), TensorView{}); }, "main");
  const std::vector<float> zeros(3, 0.0F), ones(3, 1.0F);
  const auto view = [](const std::vector<float>& x) {
    return dense_view(x.data(), DType::f32, {1, 1, 3, 1});
  };
  EXPECT_EQ(residual_ratio(view(zeros), view(zeros))[0], 0);
  EXPECT_EQ(residual_ratio(view(ones), view(zeros))[0], std::numeric_limits<double>::infinity());
}

// --- weights -----------------------------------------------------------------------------------

struct Expected {
  std::int64_t rows = 0;
  double weight_std = 0, nonlocality = 0, leading_weight = 0;
};

// The kept keys of a row: visible, the `keep` largest weights.
std::vector<char> kept_of(const DenseHead& dense, std::int64_t i, std::int64_t keep) {
  std::vector<std::int64_t> order;
  for (std::int64_t j = 0; j < dense.keys; ++j)
    if (dense.sees(i, j)) order.push_back(j);
  std::stable_sort(order.begin(), order.end(),
                   [&](auto a, auto b) { return dense.weight(i, a) > dense.weight(i, b); });
  if (keep > 0 && keep < std::ssize(order)) order.resize(static_cast<std::size_t>(keep));
  std::vector<char> kept(static_cast<std::size_t>(dense.keys));
  for (const std::int64_t j : order) kept[static_cast<std::size_t>(j)] = 1;
  return kept;
}

Expected plain_statistics(const DenseHead& dense, const AttentionStatisticsOptions& options,
                          double sink_logit) {
  Expected expected;
  double placed = 0;
  for (std::int64_t i = 0; i < dense.rows; ++i) {
    const std::vector<char> kept = kept_of(dense, i, options.keep);
    std::int64_t seen = 0;
    double total = 0;
    for (std::int64_t j = 0; j < dense.keys; ++j) {
      seen += dense.sees(i, j);
      if (kept[static_cast<std::size_t>(j)]) total += dense.weight(i, j);
    }
    if (seen == 0) continue;
    ++expected.rows;
    placed += i >= options.leading;
    total += std::exp(sink_logit - dense.lse[static_cast<std::size_t>(i)]);
    double sum = 0, square = 0;
    for (std::int64_t j = 0; j < dense.keys; ++j) {
      if (!kept[static_cast<std::size_t>(j)]) continue;
      const double p = dense.weight(i, j) / total;
      sum += p;
      square += p * p;
      if (options.positions.empty() || i < options.leading) continue;
      if (j < options.leading) {
        expected.leading_weight += p;
        continue;
      }
      const Position a = options.positions[static_cast<std::size_t>(i - options.leading)],
                     b = options.positions[static_cast<std::size_t>(j - options.leading)];
      expected.nonlocality += p * std::hypot(double{a[0] - b[0]}, double{a[1] - b[1]});
    }
    const auto n = static_cast<double>(seen);
    expected.weight_std += std::sqrt(std::max(0.0, square / n - sum * sum / n / n));
  }
  expected.weight_std /= static_cast<double>(expected.rows);
  expected.nonlocality /= placed;
  expected.leading_weight /= placed;
  return expected;
}

void expect_same(double found, double expected, double tolerance) {
  if (std::isnan(expected)) {
    EXPECT_TRUE(std::isnan(found)) << found;
  } else {
    EXPECT_NEAR(found, expected, tolerance * std::max(1.0, std::fabs(expected)));
  }
}

void check_statistics(const Problem& problem, const AttentionStatisticsOptions& options) {
  const std::vector<DenseHead> heads = dense_softmax(problem);
  const auto found = attention_statistics(problem, options);
  ASSERT_EQ(found.size(), heads.size());
  for (std::size_t n = 0; n < heads.size(); ++n) {
    const auto head = static_cast<std::size_t>(heads[n].head);
    const double sink = problem.sink_logits.empty() ? -std::numeric_limits<double>::infinity()
                                                    : double{problem.sink_logits[head]};
    const Expected expected = plain_statistics(heads[n], options, sink);
    const double tolerance = 2e-5 * std::max(1.0, heads[n].max_score);
    EXPECT_EQ(found[n].sequence, heads[n].sequence);
    EXPECT_EQ(found[n].head, heads[n].head);
    EXPECT_EQ(found[n].rows, expected.rows);
    expect_same(found[n].weight_std, expected.weight_std, tolerance);
    if (options.positions.empty()) {
      EXPECT_TRUE(std::isnan(found[n].nonlocality));
    } else {
      expect_same(found[n].nonlocality, expected.nonlocality, tolerance);
      expect_same(found[n].leading_weight, expected.leading_weight, tolerance);
    }
  }
}

// Every mask, layout and type; f32 keeps the order of scores that k-NN attention chooses by.
TEST(AttentionMetrics, SpreadOfRandomProblems) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const OwnedProblem random = random_problem(
        seed, kTypes[seed % 3], {.max_length = 80, .max_head_dim = 64, .max_work = 2'000'000});
    SCOPED_TRACE(random.description);
    check_statistics(random.problem, {});
  }
}

struct Square {
  TensorBuffer query, key, value;
  Problem problem;
  Square(std::uint64_t seed, const Shape4& shape, std::int64_t kv_heads)
      : query(DType::f32, shape),
        key(DType::f32, {shape[0], kv_heads, shape[2], shape[3]}),
        value(DType::f32, {shape[0], kv_heads, shape[2], 2}) {
    Draw draw(seed);
    query.fill([&] { return draw.normal(); });
    key.fill([&] { return draw.normal(); });
    problem.query = query.view(), problem.key = key.view(), problem.value = value.view();
  }
};

TEST(AttentionMetrics, KnnAndPositions) {
  const std::vector<Position> grid = grid_positions(7, 9);
  for (const std::int64_t keep : {0, 1, 5, 40, 64, 1000}) {
    Square square(static_cast<std::uint64_t>(keep), {2, 4, 64, 16}, 2);
    SCOPED_TRACE(keep);
    check_statistics(square.problem, {keep, grid, 1, 2});
    square.problem.causal = Causal::top_left;
    check_statistics(square.problem, {keep, line_positions(64), 0, 2});
  }
}

// n beyond a tile of keys, and the same bits for any thread count.
TEST(AttentionMetrics, SameBitsForThreads) {
  const Square square(3, {1, 2, 700, 8}, 1);
  const std::vector<Position> line = line_positions(700);
  check_statistics(square.problem, {30, line, 0, 1});
  const auto one = attention_statistics(square.problem, {30, line, 0, 1});
  for (const int threads : {2, 5}) {
    const auto many = attention_statistics(square.problem, {30, line, 0, threads});
    for (std::size_t h = 0; h < 2; ++h) {
      EXPECT_EQ(many[h].weight_std, one[h].weight_std);
      EXPECT_EQ(many[h].nonlocality, one[h].nonlocality);
    }
  }
}

// All scores equal: the lowest keys win.
TEST(AttentionMetrics, TiesGoToTheLowestKey) {
  Square square(4, {1, 1, 12, 4}, 1);
  square.query.fill([] { return 0.0; });
  const auto found = attention_statistics(square.problem, {3, line_positions(12), 0, 1});
  double expected = 0;
  for (int i = 0; i < 12; ++i)
    for (int j = 0; j < 3; ++j) expected += std::abs(i - j) / 3.0 / 12;
  EXPECT_NEAR(found[0].nonlocality, expected, 1e-6);
  EXPECT_NEAR(found[0].weight_std, std::sqrt(1.0 / 3 / 12 - 1.0 / 144), 1e-6);
}

TEST(AttentionMetrics, NotANumberStays) {
  Square square(4, {1, 2, 12, 4}, 2);
  square.key.set(0, 1, 3, 0, std::numeric_limits<double>::quiet_NaN());
  const auto found = attention_statistics(square.problem, {3, line_positions(12), 0, 1});
  EXPECT_FALSE(std::isnan(found[0].weight_std));
  EXPECT_TRUE(std::isnan(found[1].weight_std));
  EXPECT_TRUE(std::isnan(found[1].nonlocality));
}

TEST(AttentionMetrics, Refusals) {
  const Square square(4, {1, 1, 12, 4}, 1);
  const auto run = [&](const AttentionStatisticsOptions& options) {
    return [&square, options] { attention_statistics(square.problem, options); };
  };
  const std::vector<Position> line = line_positions(12), bad{{0, NAN}};
  expect_error(run({-1, {}, 0, 0}), "keep: -1");
  expect_error(run({0, {}, -1, 0}), "leading: -1");
  expect_error(run({0, line, 1, 0}), "positions: 12 and 1 leading");
  expect_error(run({0, bad, 11, 0}), "positions: must be finite");
  expect_error(run({0, {}, 0, -2}), "threads: -2");
  expect_error([] { grid_positions(-1, 2); }, "height: -1");
}

}  // namespace
}  // namespace subquad::testing
