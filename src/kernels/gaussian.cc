#include "kernels/gaussian.h"

#include "core/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gaussian.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/exp2-inl.h"

HWY_BEFORE_NAMESPACE();
namespace subquad::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// exponents[r][i] = -|q_r - p|^2 for R queries and two vectors of points.
template <int R>
HWY_INLINE void exponents_of(const float* queries, int64_t stride, const float* points, int64_t dim,
                             V (&exponents)[R][2]) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int r = 0; r < R; ++r) exponents[r][0] = exponents[r][1] = hn::Zero(d);
  for (int64_t c = 0; c < dim; ++c) {
    const V p0 = hn::LoadU(d, points + c * kPointColumns);
    const V p1 = hn::LoadU(d, points + c * kPointColumns + lanes);
    for (int r = 0; r < R; ++r) {
      const V q = hn::Set(d, queries[r * stride + c]);
      const V d0 = hn::Sub(q, p0), d1 = hn::Sub(q, p1);
      exponents[r][0] = hn::NegMulAdd(d0, d0, exponents[r][0]);
      exponents[r][1] = hn::NegMulAdd(d1, d1, exponents[r][1]);
    }
  }
}

// visit(first column, its two vectors' points) for every pair of vectors of the blocks.
template <class Visit>
HWY_INLINE void for_pairs(const PointBlocks& points, const Visit& visit) {
  const D d;
  const auto pair = static_cast<int64_t>(2 * hn::Lanes(d));
  for (int64_t b = 0; b < points.count; ++b)
    for (int64_t c = 0; c < kPointColumns; c += pair)
      visit(b * kPointColumns + c, points.data + b * points.dim * kPointColumns + c);
}

template <int R>
struct Totals {
  V sums[R], squares[R];

  HWY_INLINE Totals() {
    for (int r = 0; r < R; ++r) sums[r] = squares[r] = hn::Zero(D());
  }
  HWY_INLINE void add(int r, V exponent) {
    const V w = fast_exp2(D(), exponent);
    sums[r] = hn::Add(sums[r], w);
    squares[r] = hn::MulAdd(w, w, squares[r]);
  }
  HWY_INLINE void finish(float* sum, float* square) const {
    const D d;
    for (int r = 0; r < R; ++r) {
      sum[r] += hn::GetLane(hn::SumOfLanes(d, sums[r]));
      square[r] += hn::GetLane(hn::SumOfLanes(d, squares[r]));
    }
  }
};

template <int R>
HWY_INLINE void sum_rows(const float* queries, int64_t stride, const PointBlocks& points,
                         float* sums, float* squares) {
  const D d;
  const V least = hn::Set(d, -126.0f);
  Totals<R> totals;
  for_pairs(points, [&](int64_t, const float* pair) HWY_ATTR {
    V exponents[R][2];
    exponents_of<R>(queries, stride, pair, points.dim, exponents);
    for (int r = 0; r < R; ++r) {
      const V top = hn::Max(exponents[r][0], exponents[r][1]);
      if (hn::AllTrue(d, hn::Lt(top, least))) continue;
      totals.add(r, exponents[r][0]);
      totals.add(r, exponents[r][1]);
    }
  });
  totals.finish(sums, squares);
}

void GaussianSums(const float* queries, int64_t stride, int64_t rows, const PointBlocks& points,
                  float* sums, float* squares) {
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4)
    sum_rows<4>(queries + r * stride, stride, points, sums + r, squares + r);
  for (; r < rows; ++r) sum_rows<1>(queries + r * stride, stride, points, sums + r, squares + r);
}

void GaussianScoreSums(const float* scores, int64_t stride, int64_t rows, int64_t columns,
                       const Norms& norms, float* sums, float* squares) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const V two = hn::Set(d, 2.0f), zero = hn::Zero(d);
  for (int64_t r = 0; r < rows; ++r) {
    const V norm = hn::Set(d, norms.rows[r]);
    Totals<1> totals;
    for (int64_t c = 0; c < columns; c += lanes) {
      const V both = hn::Add(norm, hn::LoadU(d, norms.columns + c));
      const V score = hn::LoadU(d, scores + r * stride + c);
      totals.add(0, hn::Min(hn::MulSub(two, score, both), zero));
    }
    totals.finish(sums + r, squares + r);
  }
}

template <bool kWeights>
HWY_INLINE void each_point(const float* query, const PointBlocks& points, float* out) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for_pairs(points, [&](int64_t column, const float* pair) HWY_ATTR {
    V exponents[1][2];
    exponents_of<1>(query, 0, pair, points.dim, exponents);
    for (int i = 0; i < 2; ++i) {
      const V x = exponents[0][i];
      hn::StoreU(kWeights ? fast_exp2(d, x) : hn::Neg(x), d, out + column + i * lanes);
    }
  });
}

void GaussianDistances(const float* query, const PointBlocks& points, float* out) {
  each_point<false>(query, points, out);
}
void GaussianWeights(const float* query, const PointBlocks& points, float* out) {
  each_point<true>(query, points, out);
}

}  // namespace subquad::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace subquad::kernels {

HWY_EXPORT(GaussianSums);
HWY_EXPORT(GaussianScoreSums);
HWY_EXPORT(GaussianDistances);
HWY_EXPORT(GaussianWeights);

void gaussian_sums(const float* queries, std::int64_t stride, std::int64_t rows,
                   const PointBlocks& points, float* sums, float* squares) {
  HWY_DYNAMIC_DISPATCH(GaussianSums)(queries, stride, rows, points, sums, squares);
}

void gaussian_score_sums(const float* scores, std::int64_t stride, std::int64_t rows,
                         std::int64_t columns, const Norms& norms, float* sums, float* squares) {
  HWY_DYNAMIC_DISPATCH(GaussianScoreSums)(scores, stride, rows, columns, norms, sums, squares);
}

void gaussian_distances(const float* query, const PointBlocks& points, float* out) {
  HWY_DYNAMIC_DISPATCH(GaussianDistances)(query, points, out);
}

void gaussian_weights(const float* query, const PointBlocks& points, float* out) {
  HWY_DYNAMIC_DISPATCH(GaussianWeights)(query, points, out);
}

}  // namespace subquad::kernels
#endif
