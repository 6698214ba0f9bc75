#include "far/blocks/key_mask.h"

#include <algorithm>
#include <limits>

namespace subquad {
namespace {

constexpr float kHidden = -std::numeric_limits<float>::infinity();

bool is_boolean(const HeadProblem& head) { return head.problem->mask.kind == MaskKind::boolean; }

bool is_hidden(const HeadProblem& head, std::int64_t row, std::int64_t key) {
  if (is_boolean(head)) return static_cast<const std::uint8_t*>(head.mask_row(row))[key] == 0;
  return static_cast<const float*>(head.mask_row(row))[key] == kHidden;
}

// Whether the entries of the row are 0 or -inf, as those of a boolean mask.
bool adds_nothing(const HeadProblem& head, std::int64_t row) {
  if (is_boolean(head)) return true;
  const auto* entries = static_cast<const float*>(head.mask_row(row));
  return std::all_of(entries, entries + head.num_keys,
                     [](float entry) { return entry == 0.0f || entry == kHidden; });
}

bool hide_the_same(const HeadProblem& head, std::int64_t a, std::int64_t b) {
  for (std::int64_t key = 0; key < head.num_keys; ++key)
    if (is_hidden(head, a, key) != is_hidden(head, b, key)) return false;
  return true;
}

}  // namespace

bool is_masked_row(const HeadProblem& head, std::int64_t row) {
  if (head.problem->mask.kind == MaskKind::none) return false;
  for (std::int64_t key = 0; key < head.num_keys; ++key)
    if (!is_hidden(head, row, key)) return false;
  return true;
}

bool has_one_key_mask(const HeadProblem& head) {
  const Mask& mask = head.problem->mask;
  if (mask.kind == MaskKind::none) return true;
  // One row of the mask for all positions of a head, or each its own.
  const std::int64_t rows =
      mask.shape[2] == 1 ? std::min(head.group, head.num_rows()) : head.num_rows();
  std::int64_t first = -1;
  for (std::int64_t row = 0; row < rows; ++row) {
    if (is_masked_row(head, row)) continue;
    if (first < 0) first = row;
    if (!adds_nothing(head, row) || !hide_the_same(head, first, row)) return false;
  }
  return true;
}

}  // namespace subquad
