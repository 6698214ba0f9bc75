#include "support/dense_softmax.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace subquad::testing {
namespace {

DenseHead dense_head(const Problem& problem, const ReferenceAttention& reference,
                     const SequenceRange& range, std::int64_t b, std::int64_t h) {
  DenseHead dense;
  dense.head = h;
  dense.rows = range.query_end - range.query_begin;
  dense.keys = range.key_end - range.key_begin;
  dense.max_score = reference.max_score;
  for (std::int64_t i = 0; i < dense.rows; ++i) {
    const double* row = reference.out.row(b, h, range.query_begin + i);
    dense.lse.push_back(reference.lse.row(b, h, range.query_begin + i)[0]);
    for (std::int64_t j = 0; j < dense.keys; ++j) {
      dense.weights.push_back(row[range.key_begin + j]);
      const double hidden = -std::numeric_limits<double>::infinity();
      dense.visible.push_back(in_band(problem, range, i, j) &&
                              mask_entry(problem.mask, b, h, i, j) != hidden);
    }
  }
  return dense;
}

}  // namespace

double DenseHead::column_square(std::int64_t j) const {
  double sum = 0;
  for (std::int64_t i = 0; i < rows; ++i) sum += weight(i, j) * weight(i, j);
  return sum;
}

double DenseHead::frobenius_square() const {
  double sum = 0;
  for (const double w : weights) sum += w * w;
  return sum;
}

double DenseHead::operator_norm() const {
  std::vector<double> x(static_cast<std::size_t>(keys), 1.0);
  double norm = 0, before = -1;
  for (int step = 0; step < 4'000 && std::fabs(norm - before) > 1e-12 * norm; ++step) {
    before = norm;
    std::vector<double> next(x.size(), 0.0);
    for (std::int64_t i = 0; i < rows; ++i) {
      double product = 0;
      for (std::int64_t j = 0; j < keys; ++j)
        product += weight(i, j) * x[static_cast<std::size_t>(j)];
      for (std::int64_t j = 0; j < keys; ++j)
        next[static_cast<std::size_t>(j)] += weight(i, j) * product;
    }
    double length = 0, old = 0;
    for (const double value : next) length += value * value;
    for (const double value : x) old += value * value;
    if (length == 0) return 0;
    norm = std::pow(length / old, 0.25);
    for (std::size_t j = 0; j < x.size(); ++j) x[j] = next[j] / std::sqrt(length);
  }
  return norm;
}

std::vector<DenseHead> dense_softmax(const Problem& problem) {
  const Shape4& k = problem.key.shape;
  TensorBuffer identity(DType::f32, {k[0], k[1], k[2], k[2]});
  identity.for_each([&](auto b, auto h, auto j, auto c) { identity.set(b, h, j, c, j == c); });
  Problem with_identity = problem;
  with_identity.value = identity.view();
  const ReferenceAttention reference(with_identity);
  std::vector<DenseHead> heads;
  std::int64_t sequence = 0;
  for (const SequenceRange& range : sequence_ranges(problem))
    for (std::int64_t b = 0; b < problem.query.batch(); ++b, ++sequence)
      for (std::int64_t h = 0; h < problem.query.heads(); ++h) {
        heads.push_back(dense_head(problem, reference, range, b, h));
        heads.back().sequence = sequence;
      }
  return heads;
}

}  // namespace subquad::testing
