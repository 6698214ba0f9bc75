#include "query_slices.h"

#include <algorithm>

#include "subquad/error.h"

namespace subquad::cli {
namespace {

Problem causal_slice(const Problem& problem, std::int64_t first, std::int64_t last) {
  const std::int64_t keys = problem.key.length();
  const std::int64_t shift =
      problem.causal == Causal::bottom_right ? keys - problem.query.length() : 0;
  Problem slice = problem;
  slice.query = row_range(problem.query, first, last);
  slice.key = row_range(problem.key, 0, last + shift);
  slice.value = row_range(problem.value, 0, last + shift);
  slice.causal = Causal::bottom_right;
  return slice;
}

std::vector<QuerySlice> causal_slices(const Problem& problem, std::int64_t rows) {
  const std::int64_t length = problem.query.length();
  const std::int64_t count = std::clamp<std::int64_t>(rows / 64, 1, 8);
  std::vector<QuerySlice> slices;
  for (std::int64_t s = 0; s < count; ++s) {
    const std::int64_t size = rows * (s + 1) / count - rows * s / count;
    const std::int64_t middle = length * (2 * s + 1) / (2 * count);
    const std::int64_t first = std::clamp<std::int64_t>(middle - size / 2, 0, length - size);
    slices.push_back({causal_slice(problem, first, first + size), first});
  }
  return slices;
}

}  // namespace

TensorView row_range(const TensorView& view, std::int64_t first, std::int64_t last) {
  TensorView part = view;
  part.data = static_cast<const char*>(view.data) + first * view.stride[2] * size_of(view.dtype);
  part.shape[2] = last - first;
  return part;
}

std::vector<QuerySlice> query_slices(const Problem& problem, std::int64_t rows) {
  if (rows <= 0 || rows >= problem.query.length()) return {{problem, 0}};
  if (problem.causal != Causal::none) {
    if (problem.query.length() > problem.key.length()) {
      throw_invalid("--exact-rows: a causal problem with more queries than keys has to run whole");
    }
    return causal_slices(problem, rows);
  }
  Problem slice = problem;
  slice.query = row_range(problem.query, 0, rows);
  return {{slice, 0}};
}

}  // namespace subquad::cli
