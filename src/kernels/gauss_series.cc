#include "kernels/gauss_series.h"

#include <algorithm>
#include <cmath>

#include "core/targets.h"
#include "kernels/gauss.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gauss_series.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace subquad::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<double>;
using V = hn::Vec<D>;

// Vectors of queries that share a pass over the moments: enough to hide the latency of Horner's
// rule.
constexpr int kVectors = 4;

struct Points {
  V u[kSeriesDims][kVectors];
};

// Horner's rule, variable by variable; `moments` are of degree `degree`.
template <int kVariable, int kDim>
HWY_INLINE void horner(const Points& points, const double* moments, int64_t degree, int64_t used,
                       V* out) {
  const D d;
  const V* u = points.u[kVariable];
  V total[kVectors];
  for (V& t : total) t = hn::Zero(d);
  if constexpr (kVariable + 1 == kDim) {
    for (int64_t j = used - 1; j >= 0; --j) {
      const V moment = hn::Set(d, moments[j]);
      for (int i = 0; i < kVectors; ++i) total[i] = hn::MulAdd(total[i], u[i], moment);
    }
  } else {
    const double* block = moments + series_terms(kDim - kVariable, degree);
    for (int64_t j = degree - 1; j >= 0; --j) {
      block -= series_terms(kDim - kVariable - 1, degree - j);
      if (j >= used) continue;
      V inner[kVectors];
      horner<kVariable + 1, kDim>(points, block, degree - j, used - j, inner);
      for (int i = 0; i < kVectors; ++i) total[i] = hn::MulAdd(total[i], u[i], inner[i]);
    }
  }
  for (int i = 0; i < kVectors; ++i) out[i] = total[i];
}

template <int kDim>
void SumSeries(const double* u, int64_t num_queries, const Series& series, int64_t used,
               double* sums) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t terms = series_terms(kDim, series.degree);
  for (int64_t q = 0; q < num_queries; q += kVectors * lanes) {
    Points points;
    V factor[kVectors];
    for (int i = 0; i < kVectors; ++i) {
      V square = hn::Zero(d);
      for (int c = 0; c < kDim; ++c) {
        points.u[c][i] = hn::Load(d, u + c * kGaussQueries + q + i * lanes);
        square = hn::MulAdd(points.u[c][i], points.u[c][i], square);
      }
      factor[i] = hn::Exp(d, hn::Mul(square, hn::Set(d, -0.5)));
    }
    for (int64_t c = 0; c < series.channels; ++c) {
      V total[kVectors];
      horner<0, kDim>(points, series.moments + c * terms, series.degree, used, total);
      for (int i = 0; i < kVectors; ++i) {
        double* at = sums + c * kGaussQueries + q + i * lanes;
        hn::Store(hn::MulAdd(factor[i], total[i], hn::Load(d, at)), d, at);
      }
    }
  }
}

void GaussSeries(const double* u, int64_t num_queries, const Series& series, int64_t used,
                 double* sums) {
  static constexpr void (*kOf[])(const double*, int64_t, const Series&, int64_t, double*) = {
      SumSeries<1>, SumSeries<2>, SumSeries<3>, SumSeries<4>, SumSeries<5>, SumSeries<6>};
  kOf[series.dim - 1](u, num_queries, series, used, sums);
}

}  // namespace subquad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace subquad::kernels {
namespace {

// Writes factor * b^a / a! for all a of the variables from `offset` on; returns behind the last.
double* write_powers(const double* offset, std::int64_t dim, std::int64_t degree, double factor,
                     double* out) {
  for (std::int64_t j = 0; j < degree; ++j) {
    if (dim == 1)
      *out++ = factor;
    else
      out = write_powers(offset + 1, dim - 1, degree - j, factor, out);
    factor *= offset[0] / static_cast<double>(j + 1);
  }
  return out;
}

}  // namespace

HWY_EXPORT(GaussSeries);

void add_moments(const double* offset, const float* values, const Series& shape, double* moments) {
  constexpr std::int64_t kMostTerms = 1024;
  double powers[kMostTerms];
  double square = 0;
  for (std::int64_t c = 0; c < shape.dim; ++c) square += offset[c] * offset[c];
  const std::int64_t terms =
      write_powers(offset, shape.dim, shape.degree, std::exp(-square / 2), powers) - powers;
  for (std::int64_t c = 0; c < shape.channels; ++c)
    for (std::int64_t a = 0; a < terms; ++a)
      moments[c * terms + a] += static_cast<double>(values[c]) * powers[a];
}

void gauss_series(const double* u, std::int64_t num_queries, const Series& series,
                  std::int64_t used, double* sums) {
  HWY_DYNAMIC_DISPATCH(GaussSeries)(u, num_queries, series, used, sums);
}

}  // namespace subquad::kernels
#endif
