// Rows as linear attention reads them: features of queries and keys, values with a one behind them.
#pragma once

#include <cstdint>

#include "rows/head_problem.h"
#include "core/index_list.h"
#include "kernels/gemm.h"
#include "kernels/pack.h"
#include "rows/head_rows.h"
#include "rows/partial.h"
#include "subquad/linear_attention.h"

namespace subquad {

// Weights are <phi_q(q), phi(k)> with phi_q = factor * phi.
struct LinearModel {
  FeatureMap map = FeatureMap::none;
  float factor = 1;
};

// As FeatureMap says. `scale` is that of the problem.
LinearModel linear_model(FeatureMap map, float scale, std::int64_t head_dim);

// Strides of dense rows, in floats.
inline std::int64_t feature_stride(std::int64_t head_dim) { return padded_values(head_dim); }
inline std::int64_t sum_stride(std::int64_t value_dim) { return padded_values(value_dim + 1); }

// Sums over keys: first those of phi(k), then those of phi(k) v^T, D rows `stride` floats apart.
struct SumLayout {
  std::int64_t head_dim, value_dim;

  std::int64_t stride() const { return padded_values(value_dim); }
  std::int64_t size() const { return feature_stride(head_dim) + head_dim * stride(); }
  template <typename Float>
  Float* products(Float* sums) const {
    return sums + feature_stride(head_dim);
  }
  // B of phi(Q) S.
  kernels::RightMatrix matrix(const float* sums) const {
    return {products(sums), kernels::blocking().panel, stride()};
  }
  // The sums of phi(k) v^T over `count` keys: rows of features, and of values `stride` apart.
  void add_products(const float* features, const float* values, std::int64_t count, float* sums,
                    bool accumulate) const {
    kernels::gemm({features, 1, feature_stride(head_dim)},
                  {values, kernels::blocking().panel, stride()}, head_dim, value_dim, count,
                  products(sums), stride(), accumulate);
  }
};
inline SumLayout sum_layout(const HeadProblem& head) { return {head.head_dim(), head.value_dim()}; }

// phi_q of the listed rows; rows feature_stride(head_dim), or `stride`, apart.
void load_query_features(const HeadProblem& head, const IndexList& rows, const LinearModel& model,
                         float* out);
void load_query_features(const HeadProblem& head, const IndexList& rows, const LinearModel& model,
                         float* out, std::int64_t stride);
// sums[c] += the sum of the rows' features, if not nullptr: feature_stride(head_dim) floats.
void load_features(const kernels::RowSource& source, FeatureMap map, float factor, float* out,
                   float* sums = nullptr);
// (v, 1): rows sum_stride(value_dim) apart, so that the last column of their sums is that of
// weights.
void load_sum_values(const kernels::RowSource& values, float* out);

// Adds sum_i features_i values_i^T to D rows of sum_stride(value_dim) floats: `count` rows of the
// layouts above, value_dim + 1 columns of the second.
void add_outer_products(const float* features, const float* values, std::int64_t count,
                        std::int64_t head_dim, std::int64_t value_dim, float* sums);

}  // namespace subquad
