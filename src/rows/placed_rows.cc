#include "rows/placed_rows.h"

#include "kernels/pack.h"
#include "rows/visible_keys.h"

namespace subquad {
namespace {

// The queries of one query head of the group, or one row.
kernels::RowSource queries_of(const HeadProblem& head, std::int64_t row, std::int64_t count) {
  const TensorView& query = head.problem->query;
  return {
      head.row_in(query, row), query.dtype, query.stride[2], query.channels(), nullptr, 0, count};
}

bool all_queries_finite(const HeadProblem& head) {
  for (std::int64_t g = 0; g < head.group; ++g)
    if (!kernels::all_finite(queries_of(head, g, head.query_len))) return false;
  return true;
}

}  // namespace

bool sees_any(const HeadProblem& head, std::int64_t row) {
  const Range seen = head.visible(row);
  if (head.problem->mask.kind == MaskKind::none) return !seen.empty();
  for (std::int64_t key = seen.begin; key < seen.end; ++key)
    if (sees(head, row, key)) return true;
  return false;
}

PlacedRows::PlacedRows(const HeadProblem& head) : list_(index_range(0, head.num_rows())) {
  if (head.num_rows() == 0) return;
  const bool finite = all_queries_finite(head);
  for (std::int64_t row = 0; row < head.num_rows(); ++row)
    if (sees_any(head, row) && (finite || kernels::all_finite(queries_of(head, row, 1))))
      ids_.push_back(static_cast<std::int32_t>(row));
  if (static_cast<std::int64_t>(ids_.size()) == list_.count) return;
  list_ = {ids_.data(), 0, static_cast<std::int64_t>(ids_.size()), true};
}

}  // namespace subquad
