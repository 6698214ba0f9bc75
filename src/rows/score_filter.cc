#include "rows/score_filter.h"

#include <algorithm>
#include <limits>

#include "kernels/filter.h"

namespace subquad {
namespace {

constexpr float kMasked = -std::numeric_limits<float>::infinity();

std::int32_t narrow(std::int64_t position) { return static_cast<std::int32_t>(position); }

// The row's mask elements at the tile's keys: in place, or gathered into `buffer`.
template <typename Element>
const Element* mask_elements(const void* mask_row, const IndexList& keys,
                             std::vector<Element>& buffer) {
  const auto* elements = static_cast<const Element*>(mask_row);
  if (keys.contiguous()) return elements + keys.first;
  buffer.resize(static_cast<std::size_t>(keys.count));
  for (std::int64_t c = 0; c < keys.count; ++c)
    buffer[static_cast<std::size_t>(c)] = elements[keys[c]];
  return buffer.data();
}

void apply_mask(const HeadProblem& head, std::int64_t row, const IndexList& keys, float* scores,
                FilterScratch& scratch) {
  const void* mask_row = head.mask_row(row);
  if (head.problem->mask.kind == MaskKind::boolean) {
    kernels::apply_boolean_mask(scores, mask_elements(mask_row, keys, scratch.boolean), keys.count);
  } else {
    kernels::apply_additive_mask(scores, mask_elements(mask_row, keys, scratch.additive),
                                 keys.count);
  }
}

}  // namespace

Range columns_in(const IndexList& keys, const Range& range) {
  if (keys.contiguous()) {
    const std::int64_t begin = std::clamp<std::int64_t>(range.begin - keys.first, 0, keys.count);
    return {begin, std::clamp<std::int64_t>(range.end - keys.first, begin, keys.count)};
  }
  const std::int32_t* end = keys.ids + keys.count;
  const std::int32_t* first = std::lower_bound(keys.ids, end, range.begin);
  return {first - keys.ids,
          std::lower_bound(first, end, std::max(range.begin, range.end)) - keys.ids};
}

Range visible_columns(const HeadProblem& head, const IndexList& rows, std::int64_t begin,
                      std::int64_t end, const IndexList& keys) {
  if (!keys.sorted() || !head.has_band()) return {0, keys.count};
  if (rows.sorted()) return columns_in(keys, head.visible(rows[begin], rows[end - 1] + 1));
  Range seen{head.num_keys, 0};
  for (std::int64_t i = begin; i < end; ++i) {
    const Range range = head.visible(rows[i]);
    if (range.empty()) continue;
    seen = {std::min(seen.begin, range.begin), std::max(seen.end, range.end)};
  }
  return columns_in(keys, seen);
}

void mask_keys_inside(const IndexList& keys, const Range& range, float* scores) {
  if (!keys.contiguous()) {
    kernels::mask_inside(scores, keys.ids, keys.count, narrow(range.begin), narrow(range.end));
    return;
  }
  const Range columns = columns_in(keys, range);
  std::fill(scores + columns.begin, scores + columns.end, kMasked);
}

void mask_keys_outside(const IndexList& keys, const Range& range, float* scores) {
  if (!keys.contiguous()) {
    kernels::mask_outside(scores, keys.ids, keys.count, narrow(range.begin), narrow(range.end));
    return;
  }
  const Range columns = columns_in(keys, range);
  std::fill(scores, scores + columns.begin, kMasked);
  std::fill(scores + columns.end, scores + keys.count, kMasked);
}

void filter_row(const HeadProblem& head, std::int64_t row, const IndexList& keys,
                const Range& columns, const float* bias, float* scores, FilterScratch& scratch) {
  const IndexList part = keys.slice(columns.begin, columns.end - columns.begin);
  if (bias != nullptr) kernels::add_bias(scores, bias + columns.begin, part.count);
  if (head.has_band()) mask_keys_outside(part, head.visible(row), scores);
  if (head.problem->mask.kind != MaskKind::none) apply_mask(head, row, part, scores, scratch);
}

void filter_scores(const HeadProblem& head, const IndexList& rows, const IndexList& keys,
                   const Range& columns, const float* bias, const EntrySets& left_out,
                   float* scores, std::int64_t stride, FilterScratch& scratch) {
  for (std::int64_t r = 0; r < rows.count; ++r)
    filter_row(head, rows[r], keys, columns, bias, scores + r * stride, scratch);
  for (const EntrySet* set : left_out)
    set->remove(rows, keys.slice(columns.begin, columns.end - columns.begin), scores, stride,
                scratch);
}

}  // namespace subquad
