#include "far/clusters/factor_table.h"

#include <algorithm>

#include "core/round_up.h"

namespace subquad {
namespace {

constexpr std::int64_t kVectors = 512;  // of a chunk

}  // namespace

FactorLayout::FactorLayout(std::int64_t clusters_in, std::int64_t largest_rank)
    : clusters(clusters_in), panel(kernels::blocking().panel) {
  const std::int64_t fitting = kVectors / std::max<std::int64_t>(largest_rank, 1) / panel * panel;
  span = std::clamp(fitting, panel, std::max(panel, round_up(clusters, panel)));
}

FactorTable::FactorTable(const FactorLayout& layout, std::int64_t rank, std::int64_t width)
    : layout_(layout), rank_(rank), width_(width), padded_width_(round_up(width, layout.panel)) {
  const std::int64_t vectors = layout.chunks() * vectors_of_chunk();
  columns_.resize(static_cast<std::size_t>(vectors * width_));
  rows_.resize(static_cast<std::size_t>(vectors * padded_width_));
}

void FactorTable::set(std::int64_t cluster, const SmallMatrix& vectors, double column_factor,
                      double row_factor) {
  const std::int64_t panel = layout_.panel;
  for (std::int64_t a = 0; a < rank_; ++a) {
    const std::int64_t number = layout_.number(cluster, a, rank_);
    // Chunks are whole panels: columns of all chunks lie in one row of panels.
    float* column = columns_.data() + number / panel * panel * width_ + number % panel;
    float* row = rows_.data() + number * padded_width_;
    for (std::int64_t d = 0; d < width_; ++d) {
      const double x = double{vectors.row(a)[d]};
      column[d * panel] = static_cast<float>(column_factor * x);
      row[d] = static_cast<float>(row_factor * x);
    }
  }
}

kernels::RightMatrix FactorTable::columns(std::int64_t chunk) const {
  return {columns_.data() + chunk * vectors_of_chunk() * width_, layout_.panel * width_,
          layout_.panel};
}

kernels::RightMatrix FactorTable::rows(std::int64_t chunk) const {
  return {rows_.data() + chunk * vectors_of_chunk() * padded_width_, layout_.panel, padded_width_};
}

}  // namespace subquad
