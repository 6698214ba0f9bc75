#include "rows/tile_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/half.h"
#include "kernels/tiles/tile_limits.h"
#include "kernels/tiles/tile_pack.h"
#include "rows/packed_tiles.h"
#include "rows/visible_keys.h"

namespace subquad {

bool fits_tiles(const std::uint16_t* query, std::int64_t width, float scale) {
  // Mostly a bound will do; rounded to bf16, it may be above by 2^-8: a bit less to be sure.
  const float limit = kLargestTileQuery / (std::abs(scale) * static_cast<float>(width));
  if (!kernels::any_above(query, width, f32_to_bf16(std::min(0.99f * limit, 0x1p100f))))
    return true;
  return kernels::sum_of_magnitudes(query, width) * std::abs(scale) <= kLargestTileQuery;
}

bool sees_any(const HeadProblem& head, std::int64_t row, const std::vector<std::int32_t>& keys) {
  return std::any_of(keys.begin(), keys.end(),
                     [&](std::int32_t key) { return sees(head, row, key); });
}

PanelPlaces panel_places(const HeadProblem& head, const IndexList& rows, const IndexList& keys,
                         const EntrySets& left_out) {
  PanelPlaces places{visible_columns(head, rows, 0, rows.count, keys), {}};
  for (const EntrySet* set : left_out) {
    const Range left = set->columns_left(rows, keys);
    places.seen = {std::max(places.seen.begin, left.begin), std::min(places.seen.end, left.end)};
  }
  const bool any_order = !keys.sorted() && head.has_band();
  if (!left_out.empty() || any_order || head.problem->mask.kind != MaskKind::none) return places;
  places.inside = places.seen;
  for (std::int64_t i = 0; head.has_band() && i < rows.count; ++i) {
    const Range seen = columns_in(keys, head.visible(rows[i]));
    places.inside = {std::max(places.inside.begin, seen.begin),
                     std::min(places.inside.end, seen.end)};
  }
  return places;
}

void mask_outside(const Range& seen, std::int64_t key, float* scores) {
  constexpr float kMasked = -std::numeric_limits<float>::infinity();
  const std::int64_t step = kernels::kStepKeys;
  const std::int64_t begin = std::clamp<std::int64_t>(seen.begin - key, 0, step);
  const std::int64_t end = std::clamp<std::int64_t>(seen.end - key, begin, step);
  std::fill(scores, scores + begin, kMasked);
  std::fill(scores + end, scores + step, kMasked);
}

}  // namespace subquad
