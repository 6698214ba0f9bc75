#include "density/hbe.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include <fmt/format.h>

#include "density/interval.h"
#include "density/listed_weights.h"
#include "subquad/error.h"

namespace subquad {
namespace {

constexpr double kStep = 0.25;   // from one level to the next
constexpr double kLinear = 0.4;  // distance / width up to which the chance is about exponential
constexpr double kListed = 10;   // what a kernel value of a listed point costs, in those of a tile

// Distances in the units of 2^-x^2: w(x) = mu at x = sqrt(log2(1 / mu)), and p = sqrt(w) there.
EuclideanHash hash_for(double mu, std::int64_t tables) {
  const double edge = std::sqrt(-std::log2(mu)), exponent = -0.5 * std::log(mu);
  // One function's chance is about exp(-sqrt(2 / pi) x / width).
  const double one = std::sqrt(2 / std::numbers::pi) * kLinear;
  const auto k = std::clamp<std::int64_t>(std::lround(std::ceil(exponent / one)), 1, 64);
  const double width = edge * static_cast<double>(k) * std::sqrt(2 / std::numbers::pi) / exponent;
  return {width, k, tables};
}

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// Of the mean of two or more independent numbers.
double half_width_of(const std::vector<double>& means, double z) {
  const auto g = static_cast<double>(means.size());
  const double mean = std::accumulate(means.begin(), means.end(), 0.0) / g;
  double square = 0;
  for (const double m : means) square += (m - mean) * (m - mean) / (g - 1);
  return z * std::sqrt(square / g);
}

void check_size(const HbeOptions& options, std::int64_t points, double least) {
  constexpr double kMostBytes = 0x1p32;
  const double levels = options.mu > 0 ? 1 : std::ceil(std::log(least) / std::log(kStep)) + 1;
  const double bytes = 8 * levels * static_cast<double>(options.tables * points);
  if (bytes > kMostBytes)
    throw_invalid(
        fmt::format("method: hbe: {} tables of {} points on {:.0f} levels would take "
                    "about {:.1f} GB, 4.3 are allowed: fewer tables",
                    options.tables, points, levels, bytes * 1e-9));
}

}  // namespace

HbeDensity::HbeDensity(const DensityStore& store, const HbeOptions& options, double least,
                       int threads)
    : store_(store), options_(options), rows_(store.scaled_rows(threads)) {
  if (options.mu > 0)
    add_level(std::min(options.mu, 0.5), threads);
  else
    for (double mu = kStep; levels_.empty() || mu * 2 > least; mu *= kStep) add_level(mu, threads);
}

void HbeDensity::add_level(double mu, int threads) {
  const EuclideanHash how = hash_for(mu, options_.tables);
  const Rng rng(store_.seed(), 16 + static_cast<std::int64_t>(levels_.size()));
  levels_.push_back(
      {mu, how, EuclideanLsh(rows_.data(), store_.count(), store_.dim(), how, rng, threads)});
}

std::string HbeDensity::name() const {
  return fmt::format("hbe(tables={},groups={},samples={},mu={})", options_.tables, options_.groups,
                     options_.samples, options_.mu);
}

double HbeDensity::sample_bucket(const Level& level, std::int64_t table, const float* query,
                                 std::uint32_t row, std::int64_t& samples) const {
  const auto bucket = level.tables.bucket(table, query);
  if (bucket.empty()) return 0;
  const auto size = static_cast<std::int64_t>(bucket.size());
  const std::int64_t draws = std::min(options_.samples, size);
  const Rng rng(store_.seed(), 2 + static_cast<std::int64_t>(&level - levels_.data()));
  double sum = 0;
  for (std::int64_t s = 0; s < draws; ++s) {
    const auto draw = static_cast<std::uint32_t>(table * options_.samples + s);
    // All points of a bucket that is no larger; else independent draws.
    const std::int64_t at = draws == size ? s : rng.below(size, Purpose::density, row, draw);
    const double square =
        squared_distance(query, rows_, store_.dim(), bucket[static_cast<std::size_t>(at)]);
    sum += std::exp2(-square) / EuclideanLsh::collision_probability(
                                    std::sqrt(square), level.how.width, level.how.concatenation);
  }
  samples += draws;
  return sum / static_cast<double>(draws) * static_cast<double>(size) /
         static_cast<double>(store_.count());
}

DensityEstimate HbeDensity::at_level(const Level& level, const float* query, std::uint32_t row,
                                     double z) const {
  std::vector<double> means(static_cast<std::size_t>(options_.groups));
  std::vector<double> sizes(means.size()), values;
  DensityEstimate found;
  for (std::int64_t t = 0; t < options_.tables; ++t) {
    const auto group = static_cast<std::size_t>(t * options_.groups / options_.tables);
    values.push_back(sample_bucket(level, t, query, row, found.samples));
    means[group] += values.back();
    sizes[group] += 1;
  }
  for (std::size_t g = 0; g < means.size(); ++g) means[g] /= sizes[g];
  found.value = median_of(means);
  // The median's variance is pi / 2 times that of the mean.
  found.half_width = means.size() == 1 ? half_width_of(values, z)
                                       : std::sqrt(std::numbers::pi / 2) * half_width_of(means, z);
  found.work = kListed * static_cast<double>(found.samples);
  return found;
}

void HbeDensity::estimate_tile(const PlacedTile& tile, const DensityTarget& target, TileSums&,
                               DensityEstimate* out) const {
  const double z = normal_quantile(target.confidence);
  for (std::int64_t r = 0; r < tile.count; ++r) {
    const auto row = static_cast<std::uint32_t>(tile.number * TileSums::kRows + r);
    DensityEstimate all;
    for (const Level& level : levels_) {
      const DensityEstimate found = at_level(level, tile.rows + r * store_.dim(), row, z);
      all = {found.value, found.half_width, all.samples + found.samples, all.work + found.work};
      if (found.value >= level.mu) break;
    }
    out[r] = all;
  }
}

std::unique_ptr<DensityEstimator> make_hbe(const SpecPart& spec, const DensityStore& store,
                                           const DensityTarget& target, int threads) {
  SpecReader reader(spec);
  HbeOptions options{};
  options.tables = reader.integer("tables", 64, 2, 4096);
  options.groups =
      reader.integer("groups", std::min<std::int64_t>(8, options.tables), 1, options.tables);
  options.samples = reader.integer("samples", 8, 1, 1024);
  options.mu = reader.number("mu", 0, 0, 1);
  reader.finish();
  const double least = std::max(target.mu, 1 / std::max(1.0, static_cast<double>(store.count())));
  check_size(options, store.count(), least);
  return std::make_unique<HbeDensity>(store, options, least, threads);
}

}  // namespace subquad
