#include "rows/visible_keys.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include "rows/score_filter.h"

namespace subquad {
namespace {

bool attends(const HeadProblem& head, const void* mask_row, std::int64_t key) {
  if (head.problem->mask.kind == MaskKind::boolean)
    return static_cast<const std::uint8_t*>(mask_row)[key] != 0;
  return static_cast<const float*>(mask_row)[key] != -std::numeric_limits<float>::infinity();
}

std::vector<std::int32_t> ids_of(const Range& range) {
  std::vector<std::int32_t> ids;
  for (std::int64_t key = range.begin; key < range.end; ++key)
    ids.push_back(static_cast<std::int32_t>(key));
  return ids;
}

// The keys of `range` that the mask hides from every row.
std::vector<std::int32_t> hidden_keys(const HeadProblem& head, const Range& range) {
  std::vector<std::int32_t> hidden = ids_of(range);
  const auto drop_seen = [&](std::int64_t row, const Range& seen) {
    const void* mask_row = head.mask_row(row);
    std::erase_if(hidden, [&](std::int32_t key) {
      return key >= seen.begin && key < seen.end && attends(head, mask_row, key);
    });
  };
  if (head.problem->mask.shape[2] == 1) {  // one row of the mask for all positions of a head
    for (std::int64_t g = 0; g < std::min(head.group, head.num_rows()); ++g) drop_seen(g, range);
    return hidden;
  }
  for (std::int64_t row = head.num_rows() - 1; row >= 0 && !hidden.empty(); --row)
    drop_seen(row, head.visible(row));
  return hidden;
}

}  // namespace

VisibleKeys::VisibleKeys(const HeadProblem& head) {
  if (head.num_rows() == 0) return;
  const Range range = head.visible(0, head.num_rows());
  list_ = index_range(range.begin, std::max(range.begin, range.end));
  if (head.problem->mask.kind == MaskKind::none) return;
  const std::vector<std::int32_t> hidden = hidden_keys(head, range);
  if (hidden.empty()) return;
  const std::vector<std::int32_t> all = ids_of(range);
  std::set_difference(all.begin(), all.end(), hidden.begin(), hidden.end(),
                      std::back_inserter(ids_));
  list_ = {ids_.data(), 0, static_cast<std::int64_t>(ids_.size()), true};
}

IndexList VisibleKeys::inside(const Range& range) const {
  const Range columns = columns_in(list_, range);
  return list_.slice(columns.begin, columns.end - columns.begin);
}

bool sees(const HeadProblem& head, std::int64_t row, std::int64_t key) {
  const Range seen = head.visible(row);
  if (key < seen.begin || key >= seen.end) return false;
  const void* mask_row = head.mask_row(row);
  return mask_row == nullptr || attends(head, mask_row, key);
}

}  // namespace subquad
