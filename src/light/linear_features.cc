#include "light/linear_features.h"

#include "exact/head_rows.h"
#include "kernels/feature_map.h"
#include "kernels/gemm.h"

namespace subquad {

LinearModel linear_model(FeatureMap map, float scale, std::int64_t head_dim) {
  return {map, map == FeatureMap::none ? scale : 1.0f / static_cast<float>(head_dim)};
}

void load_query_features(const HeadProblem& head, const IndexList& rows, const LinearModel& model,
                         float* out) {
  const std::int64_t stride = feature_stride(head.head_dim());
  load_head_rows(head, head.problem->query, rows, 1.0f, out, stride);
  kernels::map_features(model.map, model.factor, out, rows.count * stride);
}

void load_features(const kernels::RowSource& source, FeatureMap map, float factor, float* out) {
  const std::int64_t stride = feature_stride(source.width);
  kernels::load_rows(source, 1.0f, out, stride, stride);
  if (map != FeatureMap::none || factor != 1.0f)
    kernels::map_features(map, factor, out, source.count * stride);
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
