#include "rows/entry_marks.h"

#include <algorithm>
#include <limits>

namespace subquad {
namespace {

constexpr float kAbsent = -std::numeric_limits<float>::infinity();

}  // namespace

void mark_entries(const HeadProblem& head, const IndexList& rows, const IndexList& keys,
                  const EntrySets& left_out, float* marks, std::int64_t stride,
                  FilterScratch& scratch) {
  for (std::int64_t r = 0; r < rows.count; ++r) {
    std::fill_n(marks + r * stride, keys.count, 0.0f);
    if (head.has_band()) mask_keys_outside(keys, head.visible(rows[r]), marks + r * stride);
  }
  for (const EntrySet* set : left_out) set->remove(rows, keys, marks, stride, scratch);
}

std::int64_t mark_held(const EntrySets& sets, const IndexList& rows, const IndexList& keys,
                       float* marks, std::int64_t stride, FilterScratch& scratch) {
  for (std::int64_t r = 0; r < rows.count; ++r) std::fill_n(marks + r * stride, keys.count, 0.0f);
  for (const EntrySet* set : sets) set->remove(rows, keys, marks, stride, scratch);
  std::int64_t held = 0;
  for (std::int64_t r = 0; r < rows.count; ++r)
    for (std::int64_t k = 0; k < keys.count; ++k) {
      float& mark = marks[r * stride + k];
      held += mark == kAbsent ? 1 : 0;
      mark = mark == kAbsent ? 0.0f : kAbsent;
    }
  return held;
}

}  // namespace subquad
