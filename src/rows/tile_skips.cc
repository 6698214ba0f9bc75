#include "rows/tile_skips.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/pack.h"
#include "kernels/softmax.h"

namespace subquad {
namespace {

constexpr float kMasked = -std::numeric_limits<float>::infinity();
constexpr std::int64_t kMostLanes = 16;  // that a vector reads behind the last column

}  // namespace

TileSkips::TileSkips(double tau) : log2_tau_(std::log2(tau)) {}

void TileSkips::begin(std::int64_t rows) {
  dropped_.assign(static_cast<std::size_t>(rows), {});
  first_key_ = -1;
}

double TileSkips::log2_of(double sum, std::int64_t i) const {
  return std::log2(sum) + double{dropped_[index(i)].unit};
}

// |v|_2 of a tile's values; those that are not finite are of no row that drops them.
void TileSkips::load_norms(const HeadProblem& head, const IndexList& keys) {
  if (first_key_ == keys[0] && std::ssize(norms_) == keys.count + kMostLanes) return;
  const std::int64_t width = head.value_dim();
  norms_.assign(static_cast<std::size_t>(keys.count + kMostLanes), 0.0f);
  ones_.assign(norms_.size(), 1.0f);
  std::vector<float> value(static_cast<std::size_t>(width));
  kernels::RowSource source = head.values();
  source.ids = keys.ids;
  source.first = keys.first;
  for (std::int64_t j = 0; j < keys.count; ++j) {
    kernels::load_rows(source.slice(j, 1), 1.0f, value.data(), width, width);
    double square = 0;
    for (const float v : value) square += double{v} * double{v};
    norms_[index(j)] = static_cast<float>(std::sqrt(square));
  }
  first_key_ = keys[0];
}

// Row r of the tile's, all of whose scores are small. Its sums are in units of 2^unit, which
// follows its largest score.
bool TileSkips::drop_row(const SkippableTile& tile, std::int64_t r, float m, float* scores) {
  const std::int64_t width = tile.columns.end - tile.columns.begin;
  const double largest = std::exp2(double{tops_[index(r)]} - double{m});
  const double count = kernels::sum_of_seen(scores, &ones_[index(tile.columns.begin)], width);
  const double values = kernels::sum_of_seen(scores, &norms_[index(tile.columns.begin)], width);
  if (!std::isfinite(values)) return false;
  Dropped& dropped = dropped_[index(tile.part.begin + r)];
  const double shrink = std::exp2(double{dropped.unit} - double{m});
  dropped.weight = (dropped.weight > 0 ? dropped.weight * shrink : 0) + largest * count;
  dropped.value = (dropped.value > 0 ? dropped.value * shrink : 0) + largest * values;
  dropped.unit = m;
  std::fill_n(scores, width, kMasked);
  return true;
}

bool TileSkips::drop(const HeadProblem& head, const SkippableTile& tile, const float* m,
                     const TileScores& panel) {
  const std::int64_t rows = tile.part.end - tile.part.begin;
  const std::int64_t width = tile.columns.end - tile.columns.begin;
  tops_.resize(static_cast<std::size_t>(rows));
  kernels::row_tops(panel.scores, panel.stride, rows, width, tops_.data());
  std::int64_t needed = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    const float top = tops_[index(r)];
    if (top == kMasked) continue;                            // it sees nothing of the tile
    bool dropped = double{top} <= double{m[r]} + log2_tau_;  // not of NaN
    if (dropped) {
      load_norms(head, tile.keys);
      dropped = drop_row(tile, r, m[r], panel.scores + r * panel.stride);
    }
    needed += dropped ? 0 : 1;
  }
  entries_ += rows * width;
  if (needed == 0) skipped_ += rows * width;
  return needed == 0;
}

}  // namespace subquad
