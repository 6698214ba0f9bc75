// Which rows the tiles of bf16 can do, and what a panel of them sees.
#pragma once

#include <cstdint>
#include <vector>

#include "core/index_list.h"
#include "rows/head_problem.h"
#include "rows/score_filter.h"

namespace subquad {

// Whether the query's scores fit (kLargestTileQuery).
bool fits_tiles(const std::uint16_t* query, std::int64_t width, float scale);

bool sees_any(const HeadProblem& head, std::int64_t row, const std::vector<std::int32_t>& keys);

// Of a list of keys, less what `left_out` takes away.
struct PanelPlaces {
  Range seen;    // outside, no row meets a key
  Range inside;  // each row meets each key
};
PanelPlaces panel_places(const HeadProblem& head, const IndexList& rows, const IndexList& keys,
                         const EntrySets& left_out);

// Of the scores of a step, those outside a range of keys become -inf.
void mask_outside(const Range& seen, std::int64_t key, float* scores);

}  // namespace subquad
