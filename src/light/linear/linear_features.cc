#include "light/linear/linear_features.h"

#include <algorithm>

#include "kernels/feature_map.h"
#include "kernels/gemm.h"

namespace subquad {

LinearModel linear_model(FeatureMap map, float scale, std::int64_t head_dim) {
  return {map, map == FeatureMap::none ? scale : 1.0f / static_cast<float>(head_dim)};
}

void load_query_features(const HeadProblem& head, const IndexList& rows, const LinearModel& model,
                         float* out) {
  load_query_features(head, rows, model, out, feature_stride(head.head_dim()));
}

// A run of rows: one strided load for each query head of the group.
void load_query_features(const HeadProblem& head, const IndexList& rows, const LinearModel& model,
                         float* out, std::int64_t stride) {
  const TensorView& query = head.problem->query;
  const std::int64_t padded = feature_stride(head.head_dim());
  kernels::RowSource run{nullptr, query.dtype, query.stride[2], head.head_dim(), nullptr, 0, 1};
  const std::int64_t runs = rows.contiguous() ? std::min(head.group, rows.count) : rows.count;
  for (std::int64_t i = 0; i < runs; ++i) {
    run.base = head.row_in(query, rows[i]);
    if (rows.contiguous()) run.count = (rows.count - i + head.group - 1) / head.group;
    kernels::load_features(run, model.map, model.factor, out + i * stride, head.group * stride,
                           padded, nullptr);
  }
}

void load_features(const kernels::RowSource& source, FeatureMap map, float factor, float* out,
                   float* sums) {
  const std::int64_t stride = feature_stride(source.width);
  kernels::load_features(source, map, factor, out, stride, stride, sums);
}

void load_sum_values(const kernels::RowSource& values, float* out) {
  const std::int64_t stride = sum_stride(values.width);
  kernels::load_rows(values, 1.0f, out, stride, stride);
  for (std::int64_t i = 0; i < values.count; ++i) out[i * stride + values.width] = 1.0f;
}

void add_outer_products(const float* features, const float* values, std::int64_t count,
                        std::int64_t head_dim, std::int64_t value_dim, float* sums) {
  const std::int64_t stride = sum_stride(value_dim);
  kernels::gemm({features, 1, feature_stride(head_dim)},
                {values, kernels::blocking().panel, stride}, head_dim, value_dim + 1, count, sums,
                stride, true);
}

}  // namespace subquad
