#include "light/linear/linear_chunks.h"

#include <algorithm>

#include "core/round_up.h"
#include "kernels/elementwise.h"

namespace subquad {
namespace {

std::int64_t max_chunks(const HeadProblem& head, std::int64_t rows) {
  const std::int64_t step = chunk_positions(head) * head.group;
  return (rows + step - 1) / step;
}

}  // namespace

std::int64_t chunk_positions(const HeadProblem& head) { return head.head_dim() <= 64 ? 48 : 96; }

std::vector<LinearSpan> cut_spans(const HeadProblem& head, const IndexList& rows,
                                  std::int64_t positions) {
  const bool causal = head.problem->causal != Causal::none;
  const std::int64_t step = causal ? positions * head.group : rows.count;
  std::vector<LinearSpan> spans;
  for (std::int64_t begin = 0; begin < rows.count; begin += step) {
    const std::int64_t end = std::min(begin + step, rows.count);
    const std::int64_t last = end < rows.count ? end : rows.count - 1;
    spans.push_back({{begin, end}, {head.visible(rows[begin]).end, head.visible(rows[last]).end}});
  }
  return spans;
}

LinearChunks::LinearChunks(const HeadProblem& head, FeatureMap map, std::int64_t rows)
    : head_(head),
      map_(map),
      layout_(sum_layout(head)),
      panel_(kernels::blocking().panel),
      packed_size_(round_up(chunk_positions(head), panel_) * head.head_dim()),
      step_(layout_.size() + chunk_positions(head) * layout_.stride()),
      features_(chunk_positions(head) * feature_stride(head.head_dim())),
      packed_(max_chunks(head, rows) * packed_size_),
      before_((max_chunks(head, rows) + 1) * step_) {
  // The kernel leaves the last columns of padding alone.
  if (layout_.stride() > layout_.value_dim) std::fill_n(before_.data(), before_.size(), 0.0f);
}

void LinearChunks::load(std::span<const LinearSpan> spans) {
  spans_.assign(spans.begin(), spans.end());
  wild_.assign(spans.size(), {});
  std::fill_n(before_.data(), layout_.size(), 0.0f);
  for (std::int64_t chunk = 0; chunk < std::ssize(spans_); ++chunk) load_chunk(chunk);
}

void LinearChunks::load_chunk(std::int64_t chunk) {
  const std::int64_t dim = layout_.head_dim, count = listed(chunk).count;
  float* const values = before_.data() + chunk * step_ + layout_.size();
  float* const sums = before_.data() + (chunk + 1) * step_;
  std::fill_n(sums, feature_stride(dim), 0.0f);
  load_features(select_rows(head_.keys(), listed(chunk)), map_, 1.0f, features_.data(), sums);
  kernels::load_rows(select_rows(head_.values(), listed(chunk)), 1.0f, values, layout_.stride(),
                     layout_.stride());
  layout_.add_products(features_.data(), values, count, sums, false);
  // An Inf or NaN among the values is one in every row of the products.
  if (!kernels::all_finite(dense_rows(layout_.products(sums), layout_.value_dim, 0, 1)))
    isolate_wild_values(chunk, values);
  kernels::add(before(chunk), layout_.size(), sums);
  kernels::pack_transposed(dense_rows(features_.data(), dim, feature_stride(dim), count),
                           packed_.data() + chunk * packed_size_);
}

void LinearChunks::add_prefix(std::int64_t chunk, const float* sums) {
  kernels::add(sums, layout_.size(), before_.data() + chunk * step_);
}

kernels::RightMatrix LinearChunks::features(std::int64_t chunk) const {
  return {packed_.data() + chunk * packed_size_, panel_ * layout_.head_dim, panel_};
}

void LinearChunks::isolate_wild_values(std::int64_t chunk, float* values) {
  const kernels::RowSource source = select_rows(head_.values(), listed(chunk));
  for (std::int64_t key = 0; key < source.count; ++key) {
    if (kernels::all_finite(source.slice(key, 1))) continue;
    wild_[static_cast<std::size_t>(chunk)].push_back(key);
    std::fill_n(values + key * layout_.stride(), layout_.stride(), 0.0f);
  }
}

void LinearChunks::load_value(std::int64_t chunk, std::int64_t key, float* out) const {
  kernels::load_rows(select_rows(head_.values(), listed(chunk)).slice(key, 1), 1.0f, out,
                     layout_.value_dim, layout_.value_dim);
}

}  // namespace subquad
