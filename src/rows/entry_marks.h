// Which entries of a tile are meant, where no score says so.
#pragma once

#include <cstdint>

#include "core/index_list.h"
#include "rows/head_problem.h"
#include "rows/score_filter.h"

namespace subquad {

// Marks entries of rows x keys: marks[r * stride + c] = 0 where row r may see the key and no set in
// `left_out` holds the entry, else -inf. For problems without an element mask.
void mark_entries(const HeadProblem& head, const IndexList& rows, const IndexList& keys,
                  const EntrySets& left_out, float* marks, std::int64_t stride,
                  FilterScratch& scratch);

// The others: 0 where some set holds the entry, else -inf. Returns how many are marked.
std::int64_t mark_held(const EntrySets& sets, const IndexList& rows, const IndexList& keys,
                       float* marks, std::int64_t stride, FilterScratch& scratch);

}  // namespace subquad
