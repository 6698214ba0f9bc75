// Which rows the tiles of bf16 can do, and what a panel of them sees.
#pragma once

#include <cstdint>
#include <vector>

#include "rows/head_problem.h"

namespace subquad {

// Whether the query's scores fit (kLargestTileQuery).
bool fits_tiles(const std::uint16_t* query, std::int64_t width, float scale);

bool sees_any(const HeadProblem& head, std::int64_t row, const std::vector<std::int32_t>& keys);

struct PanelKeys {
  Range seen;    // keys that any of the rows may see
  Range inside;  // keys that each of them sees
};
PanelKeys panel_keys(const HeadProblem& head, const Range& rows);

// Of the scores of a step, those outside a range of keys become -inf.
void mask_outside(const Range& seen, std::int64_t key, float* scores);

}  // namespace subquad
