// Keys with an Inf or NaN: no index places them, and their scores may be the largest.
#pragma once

#include <cstdint>
#include <vector>

#include "rows/head_problem.h"
#include "kernels/pack.h"

namespace subquad {

// Ascending. Empty, after one pass, for finite keys.
inline std::vector<std::int32_t> non_finite_keys(const HeadProblem& head) {
  std::vector<std::int32_t> keys;
  const kernels::RowSource source = head.keys();
  if (kernels::all_finite(source)) return keys;
  for (std::int64_t key = 0; key < head.num_keys; ++key)
    if (!kernels::all_finite(source.slice(key, 1))) keys.push_back(static_cast<std::int32_t>(key));
  return keys;
}

}  // namespace subquad
