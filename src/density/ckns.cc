#include "density/ckns.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "core/sampling.h"
#include "density/interval.h"
#include "density/listed_weights.h"

namespace subquad {
namespace {

constexpr std::int64_t kReadWhole = 1024;  // points up to which a sample needs no tables
constexpr std::int64_t kMostTables = 32;
constexpr double kWidth = 4;    // of a hash function, in the ring's outer radius
constexpr double kListed = 10;  // what a kernel value of a listed point costs, in those of a tile

// Tables that find a point at `radius` with the chance `recall`.
std::int64_t tables_for(double radius, double width, std::int64_t k, double recall) {
  const double one = EuclideanLsh::collision_probability(radius, width, k);
  return std::lround(std::ceil(std::log(1 - recall) / std::log1p(-one)));
}

// As many functions a table as kMostTables tables allow.
EuclideanHash hash_for_radius(double radius, double recall) {
  const double width = kWidth * radius;
  std::int64_t k = 1;
  while (k < 64 && tables_for(radius, width, k + 1, recall) <= kMostTables) ++k;
  return {width, k, std::clamp<std::int64_t>(tables_for(radius, width, k, recall), 1, kMostTables)};
}

}  // namespace

struct CknsDensity::Found {
  std::vector<std::int32_t> places;
  std::vector<double>
      single;  // of each: its weight over its chance in one table; 0 outside the ring
};

struct CknsDensity::Total {
  double sum = 0, variance = 0;
  std::int64_t samples = 0;
};

CknsDensity::CknsDensity(const DensityStore& store, const CknsOptions& options,
                         const DensityTarget& target, int threads)
    : store_(store), options_(options), rows_(store.scaled_rows(threads)) {
  const double z = normal_quantile(target.confidence);
  draws_ = std::max(1.0, std::pow(z / std::max(target.rel_error, 1e-3), 2));
  const auto last = static_cast<std::int64_t>(std::ceil(-std::log2(options.mu))) + 4;
  for (std::int64_t j = 0; j < last; ++j)
    rings_.push_back(make_ring(j, static_cast<double>(j) + 1, threads));
  rings_.push_back(make_ring(last, std::numeric_limits<double>::infinity(), threads));
}

CknsDensity::Ring CknsDensity::make_ring(std::int64_t j, double high, int threads) const {
  const std::int64_t n = store_.count();
  const double wanted = draws_ * std::exp2(-static_cast<double>(j)) / options_.mu;
  const auto size = static_cast<std::int64_t>(std::min(
      std::max(std::ceil(wanted), static_cast<double>(kReadWhole)), static_cast<double>(n)));
  Ring ring{static_cast<double>(j),
            high,
            static_cast<double>(size) / static_cast<double>(n),
            sample_without_replacement(n, size, Rng(store_.seed(), 64 + j), 0, Purpose::density),
            {},
            nullptr};
  // The last ring has no radius: its sample is read.
  if (size <= kReadWhole || std::isinf(high)) return ring;
  std::vector<float> rows;
  for (const std::int32_t i : ring.ids)
    rows.insert(rows.end(), rows_.data() + i * store_.dim(), rows_.data() + (i + 1) * store_.dim());
  ring.how = hash_for_radius(std::sqrt(high), options_.recall);
  ring.lsh = std::make_unique<EuclideanLsh>(rows.data(), size, store_.dim(), ring.how,
                                            Rng(store_.seed(), 64 + j), threads);
  return ring;
}

std::string CknsDensity::name() const {
  return fmt::format("ckns(recall={},mu={:.3g})", options_.recall, options_.mu);
}

// The sample's places that the query's buckets hold, ascending; all of them where it has no tables.
void CknsDensity::find(const Ring& ring, const float* query, Found& found) {
  found.places.clear();
  for (std::int64_t t = 0; ring.lsh && t < ring.how.tables; ++t) {
    const auto bucket = ring.lsh->bucket(t, query);
    found.places.insert(found.places.end(), bucket.begin(), bucket.end());
  }
  std::sort(found.places.begin(), found.places.end());
  found.places.erase(std::unique(found.places.begin(), found.places.end()), found.places.end());
  if (ring.lsh) return;
  found.places.resize(ring.ids.size());
  std::iota(found.places.begin(), found.places.end(), 0);
}

// The variance of the mean over tables of what each of them alone would say. Points that lie
// together share buckets, so that their chances say too little; all tables together are at least as
// good as the mean.
double CknsDensity::table_variance(const Ring& ring, const float* query, const Found& found) {
  const auto tables = static_cast<double>(ring.how.tables);
  double sum = 0, square = 0;
  for (std::int64_t t = 0; t < ring.how.tables; ++t) {
    double one = 0;
    for (const std::int32_t place : ring.lsh->bucket(t, query)) {
      const auto at = std::lower_bound(found.places.begin(), found.places.end(), place);
      one += found.single[static_cast<std::size_t>(at - found.places.begin())];
    }
    sum += one;
    square += one * one;
  }
  return std::max(0.0, square - sum * sum / tables) / (tables * (tables - 1));
}

void CknsDensity::add_ring(const Ring& ring, const float* query, Found& found, Total& total) const {
  find(ring, query, found);
  found.single.assign(found.places.size(), 0.0);
  const bool by_tables = ring.lsh && ring.how.tables > 1;
  for (std::size_t i = 0; i < found.places.size(); ++i) {
    const std::int32_t id = ring.ids[static_cast<std::size_t>(found.places[i])];
    const double square = squared_distance(query, rows_, store_.dim(), id);
    if (square < ring.low || square >= ring.high) continue;
    double chance = ring.rate;
    if (ring.lsh) {
      const double one = EuclideanLsh::collision_probability(std::sqrt(square), ring.how.width,
                                                             ring.how.concatenation);
      found.single[i] = std::exp2(-square) / (ring.rate * one);
      chance *= -std::expm1(static_cast<double>(ring.how.tables) * std::log1p(-one));
    }
    const double term = std::exp2(-square) / chance;
    total.sum += term;
    total.variance += term * term * (1 - (by_tables ? ring.rate : chance));
  }
  if (by_tables) total.variance += table_variance(ring, query, found);
  total.samples += std::ssize(found.places);
}

void CknsDensity::estimate_tile(const PlacedTile& tile, const DensityTarget& target, TileSums&,
                                DensityEstimate* out) const {
  const double z = normal_quantile(target.confidence), n = static_cast<double>(store_.count());
  Found found;
  for (std::int64_t r = 0; r < tile.count; ++r) {
    Total total;
    for (const Ring& ring : rings_) add_ring(ring, tile.rows + r * store_.dim(), found, total);
    out[r] = {total.sum / n, z * std::sqrt(total.variance) / n, total.samples,
              kListed * static_cast<double>(total.samples)};
  }
}

std::unique_ptr<DensityEstimator> make_ckns(const SpecPart& spec, const DensityStore& store,
                                            const DensityTarget& target, int threads) {
  SpecReader reader(spec);
  CknsOptions options{};
  options.recall = reader.number("recall", 0.95, 0.5, 0.999);
  options.mu = reader.number("mu", 0, 0, 1);
  reader.finish();
  const double n = std::max(1.0, static_cast<double>(store.count()));
  if (options.mu == 0) options.mu = target.mu > 0 ? target.mu : std::min(1.0, 4 / n);
  options.mu = std::max(options.mu, 1 / n);
  return std::make_unique<CknsDensity>(store, options, target, threads);
}

}  // namespace subquad
