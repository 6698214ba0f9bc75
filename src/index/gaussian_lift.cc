#include "index/gaussian_lift.h"

#include <algorithm>
#include <cmath>

namespace subquad {
namespace {

bool is_finite(const float* x, std::size_t dim) {
  return std::all_of(x, x + dim, [](float c) { return std::isfinite(c); });
}

double square_of(const float* key, const std::vector<float>& center) {
  double square = 0;
  for (std::size_t c = 0; c < center.size(); ++c) {
    const double difference = double{key[c]} - center[c];
    square += difference * difference;
  }
  return square;
}

double dot(const float* a, const float* b, std::size_t dim) {
  double sum = 0;
  for (std::size_t c = 0; c < dim; ++c) sum += double{a[c]} * b[c];
  return sum;
}

}  // namespace

KeyLift lift_from(const float* keys, std::int64_t n, std::int64_t dim) {
  const auto width = static_cast<std::size_t>(dim);
  std::vector<double> sum(width);
  double finite = 0;
  for (std::int64_t j = 0; j < n; ++j) {
    if (!is_finite(keys + j * dim, width)) continue;
    finite += 1;
    for (std::size_t c = 0; c < width; ++c) sum[c] += keys[j * dim + static_cast<std::int64_t>(c)];
  }
  KeyLift lift;
  for (const double s : sum) lift.center.push_back(static_cast<float>(s / std::max(finite, 1.0)));
  for (std::int64_t j = 0; j < n; ++j)
    if (is_finite(keys + j * dim, width))
      lift.largest = std::max(lift.largest, square_of(keys + j * dim, lift.center));
  return lift;
}

void KeyLift::lift_key(const float* key, float* out) const {
  std::transform(center.begin(), center.end(), key, out, [](float c, float k) { return k - c; });
  out[center.size()] =
      static_cast<float>(std::sqrt(std::max(0.0, largest - square_of(key, center))));
}

GaussianReduction reduce_attention(const float* queries, std::int64_t m, const float* keys,
                                   std::int64_t n, std::int64_t dim, double scale) {
  const KeyLift lift = lift_from(keys, n, dim);
  const double sign = scale < 0 ? -1 : 1;
  const auto width = static_cast<std::size_t>(dim);
  GaussianReduction made;
  made.dim = dim + 1;
  made.bandwidth = 1 / std::sqrt(std::abs(scale));
  made.keys.resize(static_cast<std::size_t>(n * made.dim));
  for (std::int64_t j = 0; j < n; ++j)
    lift.lift_key(keys + j * dim, made.keys.data() + j * made.dim);
  for (std::int64_t i = 0; i < m; ++i) {
    const float* q = queries + i * dim;
    for (std::size_t c = 0; c < width; ++c)
      made.queries.push_back(static_cast<float>(sign * double{q[c]}));
    made.queries.push_back(0);
    made.log_factor.push_back(std::abs(scale) * (dot(q, q, width) + lift.largest) / 2 +
                              scale * dot(q, lift.center.data(), width));
  }
  return made;
}

}  // namespace subquad
