#include "density/near_cells.h"

#include <algorithm>
#include <numeric>

namespace subquad {
namespace {

constexpr std::int64_t kRanked = 16;  // cells sorted at a time

}  // namespace

void NearCells::rank(const float* query) {
  const PackedPoints& centers = *cells_.centers;
  distances_.resize(static_cast<std::size_t>(centers.blocks()) * PackedPoints::kColumns);
  kernels::gaussian_distances(query, centers.range(0, centers.blocks()), distances_.data());
  ranked_.resize(cells_.sizes.size());
  std::iota(ranked_.begin(), ranked_.end(), 0);
}

void NearCells::add_cell(const float* query, std::int64_t cell, NearPoints& out) const {
  const auto at = static_cast<std::size_t>(cell);
  const std::int64_t first = cells_.begin[at], blocks = cells_.begin[at + 1] - first;
  const auto places = static_cast<std::ptrdiff_t>(blocks * kernels::kPointColumns);
  const auto begin = static_cast<std::ptrdiff_t>(out.weights.size());
  out.weights.resize(out.weights.size() + static_cast<std::size_t>(places));
  kernels::gaussian_weights(query, cells_.members->range(first, blocks),
                            out.weights.data() + begin);
  const auto from = cells_.positions.begin() + first * kernels::kPointColumns;
  out.positions.insert(out.positions.end(), from, from + places);
  const auto weights = out.weights.begin() + begin;
  out.sum = std::accumulate(weights, out.weights.end(), out.sum);
  out.edge = double{*std::max_element(weights, out.weights.end())};
  out.count += cells_.sizes[at];
  out.evaluated += places;
}

void NearCells::find(const float* query, std::int64_t k, NearPoints& out) {
  rank(query);
  out.clear();
  out.evaluated = static_cast<std::int64_t>(distances_.size());
  const auto nearer = [&](std::int32_t a, std::int32_t b) {
    const float da = distances_[static_cast<std::size_t>(a)];
    const float db = distances_[static_cast<std::size_t>(b)];
    return da < db || (da == db && a < b);
  };
  const auto cells = static_cast<std::int64_t>(ranked_.size());
  for (std::int64_t c = 0; c < cells && out.count < k; ++c) {
    if (c % kRanked == 0)
      std::partial_sort(ranked_.begin() + c, ranked_.begin() + std::min(c + kRanked, cells),
                        ranked_.end(), nearer);
    add_cell(query, ranked_[static_cast<std::size_t>(c)], out);
  }
}

}  // namespace subquad
