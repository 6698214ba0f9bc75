#include "density/near_cells.h"

#include <algorithm>

namespace subquad {
namespace {

constexpr std::int64_t kLeastCells = 3;
constexpr std::int64_t kRanked = 4;  // cells sorted at first, then twice as many

// Sum and largest of weights.
std::pair<double, double> sum_and_largest(std::span<const float> weights) {
  float sum = 0, largest = 0;
  const std::size_t count = weights.size();
#pragma omp simd reduction(+ : sum) reduction(max : largest)
  for (std::size_t i = 0; i < count; ++i) {
    sum += weights[i];
    largest = largest < weights[i] ? weights[i] : largest;
  }
  return {double{sum}, double{largest}};
}

}  // namespace

WeightSums NearPoints::take(const Range& blocks, std::int64_t& count_in) {
  constexpr auto columns = static_cast<std::int64_t>(PackedPoints::kColumns);
  WeightSums sums;
  for (Cell& cell : cells) {
    const auto& positions = cell.positions;
    if (blocks.begin != reached_)
      cell.next = static_cast<std::size_t>(
          std::lower_bound(positions.begin(), positions.end(), blocks.begin * columns) -
          positions.begin());
    for (; cell.next < positions.size() && positions[cell.next] < blocks.end * columns;
         ++cell.next, ++count_in) {
      const double w = double{weights[cell.first + cell.next]};
      sums.sum += w;
      sums.squares += w * w;
    }
  }
  reached_ = blocks.end;
  return sums;
}

void NearCells::rank(const float* query) {
  const PackedPoints& centers = *cells_.centers;
  distances_.resize(static_cast<std::size_t>(centers.blocks()) * PackedPoints::kColumns);
  kernels::gaussian_distances(query, centers.range(0, centers.blocks()), distances_.data());
  ranked_.resize(cells_.sizes.size());
  for (std::size_t c = 0; c < ranked_.size(); ++c)
    ranked_[c] = {distances_[c], static_cast<std::int32_t>(c)};
}

void NearCells::add_cell(const float* query, std::int64_t cell, NearPoints& out) const {
  const auto at = static_cast<std::size_t>(cell);
  const std::int64_t first = cells_.begin[at], blocks = cells_.begin[at + 1] - first;
  const std::size_t begin = out.weights.size();
  out.weights.resize(begin + static_cast<std::size_t>(blocks) * PackedPoints::kColumns);
  kernels::gaussian_weights(query, cells_.members->range(first, blocks),
                            out.weights.data() + begin);
  const auto size = static_cast<std::size_t>(cells_.sizes[at]);
  const std::int32_t* positions = cells_.positions.data() + first * kernels::kPointColumns;
  out.cells.push_back({{positions, size}, begin});
  const auto [sum, largest] = sum_and_largest({out.weights.data() + begin, size});
  out.sum += sum;
  if (begin > 0) out.cap = std::max(out.cap, largest);
  out.count += cells_.sizes[at];
  out.evaluated += blocks * kernels::kPointColumns;
}

NearPoints NearCells::find(const float* query, std::int64_t k) {
  rank(query);
  NearPoints out;
  out.evaluated = static_cast<std::int64_t>(distances_.size());
  const auto cells = static_cast<std::int64_t>(ranked_.size());
  std::int64_t sorted = 0;
  for (std::int64_t c = 0; c < cells && (out.count < k || c < kLeastCells); ++c) {
    if (c == sorted) {
      sorted = std::min(std::max(kRanked, 2 * c), cells);
      std::partial_sort(ranked_.begin() + c, ranked_.begin() + sorted, ranked_.end());
    }
    add_cell(query, ranked_[static_cast<std::size_t>(c)].second, out);
  }
  return out;
}

}  // namespace subquad
