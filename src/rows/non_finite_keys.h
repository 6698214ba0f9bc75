// Keys with an Inf or NaN: no index places them, and their scores may be the largest.
#pragma once

#include <cstdint>
#include <vector>

#include "core/index_list.h"
#include "kernels/pack.h"
#include "rows/head_problem.h"

namespace subquad {

// Those of the list, ascending. Empty, after one pass, for finite keys.
inline std::vector<std::int32_t> non_finite_keys(const HeadProblem& head, const IndexList& keys) {
  std::vector<std::int32_t> odd;
  kernels::RowSource source = head.keys();
  source.ids = keys.ids;
  source.first = keys.first;
  source.count = keys.count;
  if (kernels::all_finite(source)) return odd;
  for (std::int64_t i = 0; i < keys.count; ++i)
    if (!kernels::all_finite(source.slice(i, 1))) odd.push_back(static_cast<std::int32_t>(keys[i]));
  return odd;
}

}  // namespace subquad
