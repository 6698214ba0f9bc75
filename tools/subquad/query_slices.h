// A sample of query rows on which a slow exact run stands for all of them.
#pragma once

#include <cstdint>
#include <vector>

#include "subquad/problem.h"

namespace subquad::cli {

struct QuerySlice {
  Problem problem;
  std::int64_t first = 0;  // its first query row among those of the whole
};

// Problems over `rows` query rows of each head, views into the same memory. Not causal: one slice
// from the start. Causal: up to eight slices spread evenly, each with the keys that its rows can
// see, so that the mean work of a row is that of the whole. rows <= 0 or >= Lq: the problem itself.
// Throws Error for a causal problem with more queries than keys.
std::vector<QuerySlice> query_slices(const Problem& problem, std::int64_t rows);

// Rows [first, last) of each head.
TensorView row_range(const TensorView& view, std::int64_t first, std::int64_t last);

}  // namespace subquad::cli
