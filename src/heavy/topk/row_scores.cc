#include "heavy/topk/row_scores.h"

#include "kernels/select.h"
#include "kernels/stream.h"

namespace subquad {

std::span<const float> RowScores::of(std::int64_t row, const IndexList& keys) {
  query_.load(head_, index_range(row, row + 1));
  scores_.resize(static_cast<std::size_t>(keys.count));
  kernels::RowSource source = head_.keys();
  source.ids = keys.ids;
  source.first = keys.first;
  source.count = keys.count;
  kernels::stream_scores(query_.query(0), 1, source, scores_.data(), keys.count);
  filter_row(head_, row, keys, {0, keys.count}, nullptr, scores_.data(), filter_);
  kernels::raise_nan(scores_.data(), keys.count);
  return scores_;
}

}  // namespace subquad
