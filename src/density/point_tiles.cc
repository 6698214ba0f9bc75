#include "density/point_tiles.h"

#include <algorithm>
#include <numeric>

#include "kernels/gemm.h"

namespace subquad {
namespace {

constexpr std::int64_t kPart = 16;  // blocks that f32 sums may grow over
// An empty place is farther than any point, by differences and by its norm.
constexpr float kEmptyPlace = 1e18f, kEmptyNorm = 1e30f;

}  // namespace

std::vector<float> squared_norms(std::span<const float> rows, std::int64_t dim) {
  std::vector<float> norms;
  for (std::size_t at = 0; at < rows.size(); at += static_cast<std::size_t>(dim)) {
    const float* x = rows.data() + at;
    norms.push_back(static_cast<float>(std::inner_product(x, x + dim, x, 0.0)));
  }
  return norms;
}

PackedPoints::PackedPoints(const float* rows, std::int64_t dim, std::span<const std::int32_t> order)
    : dim_(dim) {
  const std::size_t places = (order.size() + kColumns - 1) / kColumns * kColumns;
  data_.assign(places * static_cast<std::size_t>(dim), kEmptyPlace);
  norms_.assign(places, kEmptyNorm);
  for (std::size_t i = 0; i < order.size(); ++i)
    if (order[i] >= 0) place(rows + order[i] * dim, static_cast<std::int64_t>(i));
  const auto fits = [](float norm) { return norm <= kLargestNorm || norm == kEmptyNorm; };
  products_ = dim >= kProductColumns && std::all_of(norms_.begin(), norms_.end(), fits);
}

void PackedPoints::place(const float* row, std::int64_t at) {
  constexpr std::int64_t columns = kernels::kPointColumns;
  float* column = data_.data() + at / columns * columns * dim_ + at % columns;
  for (std::int64_t c = 0; c < dim_; ++c) column[c * columns] = row[c];
  norms_[static_cast<std::size_t>(at)] =
      static_cast<float>(std::inner_product(row, row + dim_, row, 0.0));
}

TileSums::TileSums()
    : scores_(kRows * kPart * kernels::kPointColumns), sums_(kRows), squares_(kRows) {}

void TileSums::add_products(const QueryTile& queries, const PackedPoints& points,
                            const Range& blocks) {
  constexpr std::int64_t columns = kernels::kPointColumns, stride = kPart * columns;
  for (std::int64_t b = blocks.begin; b < blocks.end; ++b)
    kernels::gemm({queries.rows, points.dim(), 1},
                  {points.range(b, 1).data, kernels::blocking().panel, columns}, queries.count,
                  columns, points.dim(), scores_.data() + (b - blocks.begin) * columns, stride,
                  false);
  kernels::gaussian_score_sums(
      scores_.data(), stride, queries.count, (blocks.end - blocks.begin) * columns,
      {queries.norms, points.norms(blocks.begin)}, sums_.data(), squares_.data());
}

void TileSums::add_part(const QueryTile& queries, const PackedPoints& points, const Range& blocks) {
  const auto fits = [](float norm) { return norm <= kLargestNorm; };
  if (points.allows_products() && queries.count > 1 &&
      std::all_of(queries.norms, queries.norms + queries.count, fits))
    add_products(queries, points, blocks);
  else
    kernels::gaussian_sums(queries.rows, points.dim(), queries.count,
                           points.range(blocks.begin, blocks.end - blocks.begin), sums_.data(),
                           squares_.data());
}

void TileSums::add(const QueryTile& queries, const PackedPoints& points, const Range& blocks,
                   WeightSums* sums) {
  for (std::int64_t b = blocks.begin; b < blocks.end; b += kPart) {
    std::fill_n(sums_.data(), queries.count, 0.0f);
    std::fill_n(squares_.data(), queries.count, 0.0f);
    add_part(queries, points, {b, std::min(b + kPart, blocks.end)});
    for (std::int64_t r = 0; r < queries.count; ++r) {
      sums[r].sum += double{sums_[r]};
      sums[r].squares += double{squares_[r]};
    }
  }
}

}  // namespace subquad
