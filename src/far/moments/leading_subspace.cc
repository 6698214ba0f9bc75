#include "far/moments/leading_subspace.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/rng.h"

namespace subquad {
namespace {

// Squared lengths below this share of what they were before projection are rounding.
constexpr float kRankTolerance = 1e-5f;

void add_multiple(float* x, float factor, const float* y, std::int64_t n) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) x[i] += factor * y[i];
}

void scale_row(float* x, float factor, std::int64_t n) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) x[i] *= factor;
}

}  // namespace

float dot_f32(const float* x, const float* y, std::int64_t n) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < n; ++i) sum += x[i] * y[i];
  return sum;
}

// Random and always the same: uniform on [-1/2, 1/2).
void LeadingSubspace::start(std::int64_t p, std::int64_t m) {
  if (start_.rows() != p || start_.columns() != m) {
    const Rng rng(0, 0);
    start_.reset(p, m);
    for (std::int64_t i = 0; i < p; ++i)
      for (std::int64_t j = 0; j < m; ++j) {
        const auto bits = rng.bits(Purpose::cluster, static_cast<std::uint32_t>(i),
                                   static_cast<std::uint32_t>(j));
        start_.row(i)[j] = static_cast<float>(bits >> 40) * 0x1p-24f - 0.5f;
      }
  }
  basis_ = start_;
}

// Takes row i, of length 1, out of row j.
void LeadingSubspace::take_out(std::int64_t i, std::int64_t j) {
  const std::int64_t m = basis_.columns();
  const float share = -dot_f32(basis_.row(j), products_.row(i), m);
  add_multiple(basis_.row(j), share, basis_.row(i), m);
  add_multiple(products_.row(j), share, products_.row(i), m);
}

float LeadingSubspace::length2(std::int64_t i) const {
  return dot_f32(basis_.row(i), products_.row(i), basis_.columns());
}

// Gives row i length 1, or 0 if too little is left of its squared length `before` projection.
bool LeadingSubspace::normalize(std::int64_t i, float before) {
  const float left = length2(i);
  const bool kept = left > kRankTolerance * before;
  const float factor = kept ? 1.0f / std::sqrt(left) : 0.0f;
  scale_row(basis_.row(i), factor, basis_.columns());
  scale_row(products_.row(i), factor, basis_.columns());
  return kept;
}

// Row i starts again, orthogonal to the rows before it.
bool LeadingSubspace::renew(std::int64_t i, const SmallMatrix& k) {
  const std::int64_t m = basis_.columns();
  std::copy_n(start_.row(i), m, basis_.row(i));
  kernels::gemm({basis_.row(i), m, 1}, k.right(), 1, m, m, products_.row(i), m, false);
  const float before = length2(i);
  for (std::int64_t j = 0; j < i; ++j) take_out(j, i);
  return normalize(i, before);
}

// Rows that vanish stay zero, or start again.
void LeadingSubspace::orthonormalize(const SmallMatrix& k, bool renewing) {
  const std::int64_t p = basis_.rows();
  products_.set_product(basis_, k);
  lengths_.resize(static_cast<std::size_t>(p));
  for (std::int64_t i = 0; i < p; ++i) lengths_[static_cast<std::size_t>(i)] = length2(i);
  for (std::int64_t i = 0; i < p; ++i) {
    const bool kept =
        normalize(i, lengths_[static_cast<std::size_t>(i)]) || (renewing && renew(i, k));
    for (std::int64_t j = i + 1; kept && j < p; ++j) take_out(i, j);
  }
}

void LeadingSubspace::find(const SmallMatrix* h, const SmallMatrix& k, std::int64_t p) {
  start(p, k.rows());
  for (int iteration = 0; iteration < kIterations; ++iteration) {
    orthonormalize(k, true);
    if (h == nullptr) {
      std::swap(basis_, products_);
    } else {
      next_.set_product(products_, *h);
      std::swap(basis_, next_);
    }
  }
  orthonormalize(k, false);
  orthonormalize(k,
                 false);  // once more: the first pass loses digits where rows were nearly parallel
}

void semidefinite_cholesky(std::span<double> a, std::int64_t n) {
  const auto at = [&](std::int64_t i, std::int64_t j) -> double& {
    return a[static_cast<std::size_t>(i * n + j)];
  };
  for (std::int64_t j = 0; j < n; ++j) {
    double pivot = at(j, j);
    for (std::int64_t k = 0; k < j; ++k) pivot -= at(j, k) * at(j, k);
    const bool kept = pivot > 1e-13 * at(j, j);
    at(j, j) = kept ? std::sqrt(pivot) : 0;
    for (std::int64_t i = j + 1; i < n; ++i) {
      double sum = at(i, j);
      for (std::int64_t k = 0; k < j; ++k) sum -= at(i, k) * at(j, k);
      at(i, j) = kept ? sum / at(j, j) : 0;
    }
  }
}

}  // namespace subquad
