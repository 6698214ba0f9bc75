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

TileSkips::TileSkips(double tau, bool strict) : log2_tau_(std::log2(tau)), strict_(strict) {}

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

// Whether all of row r's scores are small (NaN is not), and all values that it sees are finite.
bool TileSkips::may_drop(const SkippableTile& tile, std::int64_t r, float m,
                         const float* scores) const {
  if (!(double{tops_[index(r)]} <= double{m} + log2_tau_)) return false;
  const std::int64_t width = tile.columns.end - tile.columns.begin;
  return std::isfinite(kernels::sum_of_seen(scores, &norms_[index(tile.columns.begin)], width));
}

// The row's sums are in units of 2^unit, which follows its largest score.
void TileSkips::drop_row(const SkippableTile& tile, std::int64_t r, float m, float* scores) {
  const std::int64_t width = tile.columns.end - tile.columns.begin;
  const double largest = std::exp2(double{tops_[index(r)]} - double{m});
  const double count = kernels::sum_of_seen(scores, &ones_[index(tile.columns.begin)], width);
  const double values = kernels::sum_of_seen(scores, &norms_[index(tile.columns.begin)], width);
  Dropped& dropped = dropped_[index(tile.part.begin + r)];
  const double shrink = std::exp2(double{dropped.unit} - double{m});
  dropped.weight = (dropped.weight > 0 ? dropped.weight * shrink : 0) + largest * count;
  dropped.value = (dropped.value > 0 ? dropped.value * shrink : 0) + largest * values;
  dropped.unit = m;
  std::fill_n(scores, width, kMasked);
}

bool TileSkips::drop(const HeadProblem& head, const SkippableTile& tile, const float* m,
                     const TileScores& panel) {
  const std::int64_t rows = tile.part.end - tile.part.begin;
  const std::int64_t width = tile.columns.end - tile.columns.begin;
  tops_.resize(static_cast<std::size_t>(rows));
  kernels::row_tops(panel.scores, panel.stride, rows, width, tops_.data());
  load_norms(head, tile.keys);
  droppers_.clear();
  bool needed = false;
  for (std::int64_t r = 0; r < rows; ++r) {
    if (tops_[index(r)] == kMasked) continue;  // it sees nothing of the tile
    if (may_drop(tile, r, m[r], panel.scores + r * panel.stride))
      droppers_.push_back(r);
    else
      needed = true;
  }
  entries_ += rows * width;
  if (needed && !strict_) return false;
  for (const std::int64_t r : droppers_) drop_row(tile, r, m[r], panel.scores + r * panel.stride);
  if (!needed) skipped_ += rows * width;
  return !needed;
}

}  // namespace subquad
