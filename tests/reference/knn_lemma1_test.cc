// KVT (paper 000), Lemma 1: with Q = x W_Q, K = x W_K, V = x W_V and no scale, the derivative of
// row l of the output by W_Q is
//   d V_l / d W_Q,ij = x_li  W_K,j^T Var_a(x) W_V,   Var_a(x) = E_a[x^T x] - E_a[x^T] E_a[x],
// E_a[.] the mean over the keys with the weights a_l of the row, those of top-k attention or of
// exact attention; W_K,j is column j. So for a loss that reads row l alone the library's gradient
// of the query, taken back to W_Q, is x_l^T (W_K^T Var_a(x) W_V g)^T. The lemma's second formula
// prints x_li for W_K; K = x W_K holds every token, not only token l: the derivative of the row is
// sum_t a_lt (x_t - E_a[x])_i (x_t W_V) (x_l W_Q)_j = (Var_a(x) W_V)_i. (x_l W_Q)_j. Tested so.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "subquad/attention.h"
#include "support/differences.h"
#include "support/draw.h"

namespace subquad::testing {
namespace {

constexpr std::int64_t tokens = 60, width = 7, head_dim = 5, value_dim = 4;

struct Matrix {
  std::int64_t rows = 0, columns = 0;
  std::vector<double> values;

  Matrix(std::int64_t r, std::int64_t c)
      : rows(r), columns(c), values(static_cast<std::size_t>(r * c), 0.0) {}
  double& at(std::int64_t r, std::int64_t c) {
    return values[static_cast<std::size_t>(r * columns + c)];
  }
  double at(std::int64_t r, std::int64_t c) const {
    return values[static_cast<std::size_t>(r * columns + c)];
  }
};

Matrix product(const Matrix& a, const Matrix& b) {
  Matrix c(a.rows, b.columns);
  for (std::int64_t i = 0; i < a.rows; ++i)
    for (std::int64_t k = 0; k < a.columns; ++k)
      for (std::int64_t j = 0; j < b.columns; ++j) c.at(i, j) += a.at(i, k) * b.at(k, j);
  return c;
}

Matrix random_matrix(Draw& draw, std::int64_t rows, std::int64_t columns, double spread) {
  Matrix m(rows, columns);
  for (double& value : m.values) value = spread * draw.normal();
  return m;
}

struct Model {
  Matrix x, query, key, value;  // tokens and W_Q, W_K, W_V
};

Model random_model(std::uint64_t seed) {
  Draw draw(seed);
  return {random_matrix(draw, tokens, width, 1.0), random_matrix(draw, width, head_dim, 0.4),
          random_matrix(draw, width, head_dim, 0.4), random_matrix(draw, width, value_dim, 1.0)};
}

// Row l's weights over the keys, 0 where not among the k largest scores.
std::vector<double> weights(const Model& model, std::int64_t l, std::int64_t k) {
  const Matrix q = product(model.x, model.query), keys = product(model.x, model.key);
  std::vector<double> scores(tokens, 0.0);
  for (std::int64_t t = 0; t < tokens; ++t)
    for (std::int64_t c = 0; c < head_dim; ++c)
      scores[static_cast<std::size_t>(t)] += q.at(l, c) * keys.at(t, c);
  std::vector<double> sorted = scores;
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  double sum = 0;
  for (double& score : scores) {
    score = score >= sorted[static_cast<std::size_t>(k - 1)] ? std::exp(score - sorted[0]) : 0.0;
    sum += score;
  }
  for (double& score : scores) score /= sum;
  return scores;
}

// g . output of row l.
double loss(const Model& model, std::int64_t l, std::int64_t k, const Matrix& g) {
  const Matrix values = product(model.x, model.value);
  const std::vector<double> a = weights(model, l, k);
  double sum = 0;
  for (std::int64_t t = 0; t < tokens; ++t)
    for (std::int64_t c = 0; c < value_dim; ++c)
      sum += a[static_cast<std::size_t>(t)] * values.at(t, c) * g.at(c, 0);
  return sum;
}

Matrix variance(const Model& model, const std::vector<double>& a) {
  Matrix mean(1, width), var(width, width);
  for (std::int64_t t = 0; t < tokens; ++t)
    for (std::int64_t i = 0; i < width; ++i)
      mean.at(0, i) += a[static_cast<std::size_t>(t)] * model.x.at(t, i);
  for (std::int64_t i = 0; i < width; ++i)
    for (std::int64_t j = 0; j < width; ++j) {
      for (std::int64_t t = 0; t < tokens; ++t)
        var.at(i, j) += a[static_cast<std::size_t>(t)] * model.x.at(t, i) * model.x.at(t, j);
      var.at(i, j) -= mean.at(0, i) * mean.at(0, j);
    }
  return var;
}

// Var_a(x) W_V g.
Matrix pulled_variance(const Model& model, std::int64_t l, std::int64_t k, const Matrix& g) {
  return product(variance(model, weights(model, l, k)), product(model.value, g));
}

// d loss / d W_Q by the lemma.
Matrix lemma_query(const Model& model, std::int64_t l, std::int64_t k, const Matrix& g) {
  const Matrix v = pulled_variance(model, l, k, g);
  Matrix gradient(width, head_dim);
  for (std::int64_t i = 0; i < width; ++i)
    for (std::int64_t j = 0; j < head_dim; ++j)
      for (std::int64_t c = 0; c < width; ++c)
        gradient.at(i, j) += model.x.at(l, i) * model.key.at(c, j) * v.at(c, 0);
  return gradient;
}

Matrix lemma_key(const Model& model, std::int64_t l, std::int64_t k, const Matrix& g) {
  const Matrix v = pulled_variance(model, l, k, g), q = product(model.x, model.query);
  Matrix gradient(width, head_dim);
  for (std::int64_t i = 0; i < width; ++i)
    for (std::int64_t j = 0; j < head_dim; ++j) gradient.at(i, j) = v.at(i, 0) * q.at(l, j);
  return gradient;
}

Matrix differences(Model model, Matrix Model::*weight, std::int64_t l, std::int64_t k,
                   const Matrix& g) {
  Matrix gradient(width, head_dim);
  for (std::size_t n = 0; n < gradient.values.size(); ++n)
    gradient.values[n] = central_difference((model.*weight).values[n], std::ldexp(1.0, -16),
                                            [&] { return loss(model, l, k, g); });
  return gradient;
}

std::vector<float> as_floats(const Matrix& m) { return {m.values.begin(), m.values.end()}; }

Matrix transposed(const Matrix& m) {
  Matrix t(m.columns, m.rows);
  for (std::int64_t r = 0; r < m.rows; ++r)
    for (std::int64_t c = 0; c < m.columns; ++c) t.at(c, r) = m.at(r, c);
  return t;
}

struct Gradients {
  Matrix query, key;  // by W_Q and W_K
};

// The library's gradients of query and key, taken back through Q = x W_Q and K = x W_K.
Gradients library_gradients(const Model& model, std::int64_t l, const std::string& spec,
                            const Matrix& g) {
  const std::vector<float> q = as_floats(product(model.x, model.query)),
                           k = as_floats(product(model.x, model.key)),
                           v = as_floats(product(model.x, model.value));
  std::vector<float> out(v.size()), lse(tokens), grad_out(v.size(), 0.0F), grad_q(q.size()),
      grad_k(k.size());
  for (std::int64_t c = 0; c < value_dim; ++c)
    grad_out[static_cast<std::size_t>(l * value_dim + c)] = static_cast<float>(g.at(c, 0));
  const auto view = [](const std::vector<float>& tensor, std::int64_t columns) {
    return dense_view(static_cast<const void*>(tensor.data()), DType::f32, {1, 1, tokens, columns});
  };
  const auto target = [](std::vector<float>& tensor, std::int64_t columns) {
    return dense_view(static_cast<void*>(tensor.data()), DType::f32, {1, 1, tokens, columns});
  };
  Problem problem;
  problem.query = view(q, head_dim);
  problem.key = view(k, head_dim);
  problem.value = view(v, value_dim);
  problem.scale = 1.0F;
  attend(problem, spec, {target(out, value_dim), target(lse, 1), {}});
  BackwardArguments arguments;
  arguments.out = view(out, value_dim);
  arguments.lse = view(lse, 1);
  arguments.grad_out = view(grad_out, value_dim);
  arguments.grad_query = target(grad_q, head_dim);
  arguments.grad_key = target(grad_k, head_dim);
  attend_backward(problem, spec, arguments);
  Matrix by_query(tokens, head_dim), by_key(tokens, head_dim);
  by_query.values.assign(grad_q.begin(), grad_q.end());
  by_key.values.assign(grad_k.begin(), grad_k.end());
  const Matrix x = transposed(model.x);
  return {product(x, by_query), product(x, by_key)};
}

void expect_near(const Matrix& got, const Matrix& want, double tolerance) {
  double largest = 0;
  for (const double value : want.values) largest = std::max(largest, std::fabs(value));
  EXPECT_GT(largest, 1e-3);  // the comparison says something
  for (std::size_t n = 0; n < want.values.size(); ++n)
    EXPECT_NEAR(got.values[n], want.values[n], tolerance * largest) << n;
}

// k = tokens is exact attention.
TEST(KnnLemma1, GradientIsTheWeightedVariance) {
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    const Model model = random_model(seed);
    Draw draw(100 + seed);
    const Matrix g = random_matrix(draw, value_dim, 1, 1.0);
    const std::int64_t l = draw.integer(0, tokens - 1);
    for (const std::int64_t k : {std::int64_t{3}, std::int64_t{9}, std::int64_t{30}, tokens}) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", k " + std::to_string(k));
      const Matrix by_query = lemma_query(model, l, k, g), by_key = lemma_key(model, l, k, g);
      expect_near(differences(model, &Model::query, l, k, g), by_query, 1e-6);
      expect_near(differences(model, &Model::key, l, k, g), by_key, 1e-6);
      const std::string topk = "topk(k=" + std::to_string(k) + ")";
      for (const std::string& spec :
           k == tokens ? std::vector{topk, std::string("exact")} : std::vector{topk}) {
        SCOPED_TRACE(spec);
        const Gradients found = library_gradients(model, l, spec, g);
        expect_near(found.query, by_query, 2e-5);
        expect_near(found.key, by_key, 2e-5);
      }
    }
  }
}

}  // namespace
}  // namespace subquad::testing
