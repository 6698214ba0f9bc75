#include "far/leaves/leaf_gradients.h"

#include <numbers>

#include "core/threads.h"
#include "kernels/backward.h"
#include "kernels/pack.h"
#include "rows/head_rows.h"
#include "rows/partial.h"

namespace subquad {
namespace {

float* key_row(const HeadProblem& head, const MutableTensorView& view) {
  return static_cast<float*>(view.data) + view.offset(head.batch, head.kv_head, head.key_begin);
}

// all[i * width + d] += rows[i * stride + d]; the rows become zeros.
void hand_over(float* rows, std::int64_t stride, std::int64_t count, std::int64_t width,
               std::span<double> all) {
  for (std::int64_t i = 0; i < count && !all.empty(); ++i)
    for (std::int64_t d = 0; d < width; ++d)
      all[static_cast<std::size_t>(i * width + d)] += double{rows[i * stride + d]};
  std::fill_n(rows, count * stride, 0.0f);
}

}  // namespace

LeafTransposes::LeafTransposes(const HeadProblem& head, const LeafIndex& index, int threads)
    : leaf_(index.shape().leaf),
      value_dim_(head.value_dim()),
      panel_(kernels::blocking().panel),
      columns_((leaf_ + panel_ - 1) / panel_ * panel_),
      key_stride_(padded_values(head.head_dim())),
      keys_(index.size() * leaf_ * key_stride_),
      values_(index.size() * columns_ * value_dim_),
      mean_keys_(index.size() * key_stride_),
      mean_values_((index.size() + panel_) * value_dim_) {
  const std::int64_t leaves = index.leaves_in(index.chunks());
  parallel_for(threads, leaves, [&](std::int64_t leaf) {
    const IndexList members = index.members(leaf);
    kernels::load_rows(select_rows(head.keys(), members), 1.0f,
                       keys_.data() + leaf * leaf_ * key_stride_, key_stride_, key_stride_);
    kernels::pack_transposed(select_rows(head.values(), members),
                             values_.data() + leaf * columns_ * value_dim_);
  });
  kernels::load_rows(dense_rows(index.mean_key(0), head.head_dim(), head.head_dim(), leaves), 1.0f,
                     mean_keys_.data(), key_stride_, key_stride_);
  kernels::pack_transposed(
      dense_rows(index.mean_value(0), value_dim_, index.value_stride(), leaves),
      mean_values_.data());
}

LeafSums::LeafSums(const LeafIndex& index, std::int64_t value_dim)
    : index_(index),
      leaf_(index.shape().leaf),
      value_dim_(value_dim),
      key_stride_(padded_values(index.head_dim())),
      value_stride_(padded_values(value_dim)),
      sums_(static_cast<std::size_t>(index.size())),
      is_opened_(static_cast<std::size_t>(index.size())),
      mean_keys_(index.size() * key_stride_),
      mean_values_(index.size() * value_stride_) {
  std::fill(mean_keys_.span().begin(), mean_keys_.span().end(), 0.0f);
  std::fill(mean_values_.span().begin(), mean_values_.span().end(), 0.0f);
}

float* LeafSums::opened(std::int64_t leaf) {
  const auto at = static_cast<std::size_t>(leaf);
  const std::int64_t size = leaf_ * (key_stride_ + value_stride_);
  if (is_opened_[at] == 0) {
    if (sums_[at].size() == 0) sums_[at] = Scratch<float>(size);
    std::fill_n(sums_[at].data(), size, 0.0f);
    is_opened_[at] = 1;
  }
  return sums_[at].data();
}

void LeafSums::flush(const HeadProblem& head, const BackwardArguments& arguments,
                     std::span<double> by_keys, std::span<double> by_values) {
  const MutableTensorView &key = arguments.grad_key, &value = arguments.grad_value;
  for (std::int64_t leaf = 0; leaf < index_.size(); ++leaf) {
    if (is_opened_[static_cast<std::size_t>(leaf)] == 0) continue;
    const std::int32_t* ids = index_.members(leaf).ids;
    if (!key.empty())
      kernels::scatter_rows(keys(leaf), key_stride_, ids, leaf_, index_.head_dim(),
                            std::numbers::ln2_v<float>, key_row(head, key), key.stride[2]);
    if (!value.empty())
      kernels::scatter_rows(values(leaf), value_stride_, ids, leaf_, value_dim_, 1.0f,
                            key_row(head, value), value.stride[2]);
    is_opened_[static_cast<std::size_t>(leaf)] = 0;
  }
  hand_over(mean_keys(), key_stride_, means_, index_.head_dim(), by_keys);
  hand_over(mean_values(), value_stride_, means_, value_dim_, by_values);
  means_ = 0;
}

LeafProducts::LeafProducts(const HeadProblem& head, const WantedGradients& wanted,
                           std::int64_t rows, std::int64_t columns)
    : wanted_(wanted),
      dim_(head.head_dim()),
      value_dim_(head.value_dim()),
      query_stride_(padded_values(dim_)),
      grad_stride_(padded_values(value_dim_)),
      panel_(kernels::blocking().panel),
      gradients_(rows * score_stride(columns)) {}

void LeafProducts::add(const LeafRows& rows, float* scores, std::int64_t stride,
                       const Columns& columns, float* grad_query, std::int64_t grad_query_stride) {
  kernels::weight_rows(scores, stride, rows.count, columns.count, rows.lse_log2);
  if (wanted_.value)
    kernels::gemm({scores, 1, stride}, {rows.grad_outs, panel_, grad_stride_}, columns.count,
                  value_dim_, rows.count, columns.grad_values, grad_stride_, true);
  if (!wanted_.scores()) return;
  kernels::gemm({rows.grad_outs, grad_stride_, 1}, columns.values, rows.count, columns.count,
                value_dim_, gradients_.data(), stride, false);
  kernels::score_gradient_rows(scores, gradients_.data(), stride, rows.count, columns.count,
                               rows.offsets);
  if (wanted_.query)
    kernels::gemm({gradients_.data(), stride, 1}, columns.keys, rows.count, dim_, columns.count,
                  grad_query, grad_query_stride, true);
  if (wanted_.key)
    kernels::gemm({gradients_.data(), 1, stride}, {rows.queries, panel_, query_stride_},
                  columns.count, dim_, rows.count, columns.grad_keys, query_stride_, true);
}

}  // namespace subquad
