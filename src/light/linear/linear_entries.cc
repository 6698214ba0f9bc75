#include "light/linear/linear_entries.h"

#include <algorithm>
#include <cmath>

#include "light/linear/linear_keys.h"
#include "rows/head_rows.h"
#include "rows/tile_sizes.h"

namespace subquad {

LinearEntries::LinearEntries(const HeadProblem& head, const LinearModel& model,
                             std::vector<float>& sizes)
    : head_(head),
      model_(model),
      sizes_(sizes),
      stride_(feature_stride(head.head_dim())),
      query_features_(most_rows() * stride_),
      key_features_(key_tile_size(head.head_dim(), head.value_dim()) * stride_),
      packed_(whole_panels(key_tile_size(head.head_dim(), head.value_dim())) * head.head_dim()) {}

std::int64_t LinearEntries::most_rows() const {
  return row_block_size(head_.head_dim(), head_.value_dim());
}

void LinearEntries::load_rows(const RowBlock& rows, const Range& part, float* m) {
  rows_ = rows.rows().slice(part.begin, part.end - part.begin);
  first_row_ = part.begin;
  row_sizes_.assign(static_cast<std::size_t>(rows_.count), 0.0f);
  load_query_features(head_, rows_, model_, query_features_.data());
  std::fill_n(m, rows_.count, 0.0f);
}

void LinearEntries::load_keys(const IndexList& keys) {
  load_features(select_rows(head_.keys(), keys), model_.map, 1.0f, key_features_.data());
  kernels::pack_transposed(dense_rows(key_features_.data(), head_.head_dim(), stride_, keys.count),
                           packed_.data());
}

void LinearEntries::weigh(const MarkedEntries& entries, std::int64_t first, float* weights) {
  const std::int64_t dim = head_.head_dim(), panel = kernels::blocking().panel;
  const std::int64_t begin = entries.rows.begin - first_row_;
  const std::int64_t count = entries.rows.end - entries.rows.begin;
  kernels::gemm({query_features_.data() + begin * stride_, stride_, 1},
                {packed_.data() + first * dim, panel * dim, panel}, count, entries.keys.count, dim,
                weights, entries.stride, false);
  mask_weights(entries, 1, weights);
  for (std::int64_t r = 0; r < count; ++r) {
    float size = row_sizes_[static_cast<std::size_t>(begin + r)];
    for (std::int64_t c = 0; c < entries.keys.count; ++c)
      size += std::fabs(weights[r * entries.stride + c]);
    row_sizes_[static_cast<std::size_t>(begin + r)] = size;
  }
}

void LinearEntries::finish_rows(const Partial&) {
  for (std::int64_t i = 0; i < rows_.count; ++i)
    sizes_[static_cast<std::size_t>(rows_[i])] += row_sizes_[static_cast<std::size_t>(i)];
}

}  // namespace subquad
