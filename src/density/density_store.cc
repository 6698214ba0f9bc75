#include "density/density_store.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/threads.h"
#include "index/key_clusters.h"

namespace subquad {
namespace {

// Fisher and Yates.
std::vector<std::int32_t> random_order(std::int64_t n, const Rng& rng) {
  std::vector<std::int32_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  for (std::int64_t i = n - 1; i > 0; --i) {
    const std::int64_t j = rng.below(i + 1, Purpose::density, 0, static_cast<std::uint32_t>(i));
    std::swap(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(j)]);
  }
  return order;
}

// About as many points in a cell as there are cells, to have half the work in each.
std::int64_t cell_count(std::int64_t n) {
  const auto root = static_cast<std::int64_t>(std::sqrt(static_cast<double>(n)));
  return std::clamp<std::int64_t>(root, 1, 4096);
}

// The members of each cell from a whole block on, in the order of `place`.
std::vector<std::int32_t> places_of(const Partition& cells, const std::vector<std::int32_t>& place,
                                    PointCells& out) {
  constexpr std::size_t columns = PackedPoints::kColumns;
  std::vector<std::int32_t> places;
  for (std::int64_t c = 0; c < cells.size(); ++c) {
    const IndexList members = cells.members(c);
    out.begin.push_back(static_cast<std::int64_t>(places.size() / columns));
    out.sizes.push_back(members.count);
    std::vector<std::int32_t> sorted(members.ids, members.ids + members.count);
    std::sort(sorted.begin(), sorted.end(), [&](std::int32_t a, std::int32_t b) {
      return place[static_cast<std::size_t>(a)] < place[static_cast<std::size_t>(b)];
    });
    places.insert(places.end(), sorted.begin(), sorted.end());
    places.resize((places.size() + columns - 1) / columns * columns, -1);
  }
  out.begin.push_back(static_cast<std::int64_t>(places.size() / columns));
  return places;
}

std::vector<std::int32_t> inverse(const std::vector<std::int32_t>& order) {
  std::vector<std::int32_t> place(order.size());
  for (std::size_t i = 0; i < order.size(); ++i)
    place[static_cast<std::size_t>(order[i])] = static_cast<std::int32_t>(i);
  return place;
}

}  // namespace

DensityStore::DensityStore(DensityPoints points, std::vector<double> bandwidth,
                           const DensityOptions& options)
    : points_(std::move(points)),
      bandwidth_(std::move(bandwidth)),
      options_(options),
      units_(points_, bandwidth_),
      order_(random_order(count(), Rng(options.seed, 0))) {
  const int threads = resolved_threads(options.threads);
  permuted_ = std::make_unique<PackedPoints>(scaled_rows(threads).data(), dim(), order_);
  if (options.cells && count() > 0) (void)cells(threads);
}

std::vector<float> DensityStore::scaled_rows(int threads) const {
  return units_.scaled(points_.rows, threads);
}

const PointCells& DensityStore::cells(int threads) const {
  const std::lock_guard lock(mutex_);
  if (cells_) return *cells_;
  const std::vector<float> rows = scaled_rows(threads);
  const Partition cells = cluster_points(rows.data(), count(), dim(), cell_count(count()),
                                         Clustering::kmeans, Rng(seed(), 0), threads);
  auto made = std::make_unique<PointCells>();
  const std::vector<std::int32_t> place_in_order = inverse(order_);
  const std::vector<std::int32_t> places = places_of(cells, place_in_order, *made);
  made->members = std::make_unique<PackedPoints>(rows.data(), dim(), places);
  const std::vector<float> means = cluster_means(cells, rows.data(), dim(), threads);
  std::vector<std::int32_t> all(static_cast<std::size_t>(cells.size()));
  std::iota(all.begin(), all.end(), 0);
  made->centers = std::make_unique<PackedPoints>(means.data(), dim(), all);
  for (const std::int32_t i : places)
    made->positions.push_back(i < 0 ? -1 : place_in_order[static_cast<std::size_t>(i)]);
  cells_ = std::move(made);
  return *cells_;
}

}  // namespace subquad
