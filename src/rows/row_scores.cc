#include "rows/row_scores.h"

#include <limits>

#include "kernels/select.h"
#include "rows/overflows.h"

namespace subquad {

std::span<const float> RowScores::of(std::int64_t row, const IndexList& keys) {
  query_.load(head_, index_range(row, row + 1));
  scores_.resize(static_cast<std::size_t>(keys.count));
  kernels::RowSource source = head_.keys();
  source.ids = keys.ids;
  source.first = keys.first;
  source.count = keys.count;
  stream_scores(query_.query(0), 1, source, std::numeric_limits<float>::lowest(), scores_.data(),
                keys.count);
  filter_row(head_, row, keys, {0, keys.count}, nullptr, scores_.data(), filter_);
  kernels::raise_nan(scores_.data(), keys.count);
  return scores_;
}

}  // namespace subquad
