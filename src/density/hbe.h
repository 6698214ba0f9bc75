// hbe: hashing-based estimators: a random point of the query's bucket, over its chance to be there.
//
// source: Charikar and Siminelakis, "Hashing-based-estimators for kernel density in high
// dimensions", FOCS 2017, section 3: Z = (|B| / n) w(q, x) / p(q, x), x uniform in the bucket B of
// the query, p the chance that both share it: E Z = D(q); medians of means (section 2.1). Levels as
// the adaptive relaxation of Siminelakis, Rong, Bailis, Charikar and Levis, "Rehashing kernel
// evaluation in high dimensions", ICML 2019, Algorithm 1: from large densities to small ones until
// the estimate is of the level's. Tables: p-stable LSH (euclidean_lsh.h), whose chance is held to
// sqrt(w) at the distance where w = the level's mu: a relative variance of about mu^(-1/2).
// use when: the theorem's guarantee is wanted without a look at the points; to compare.
// do not use for: speed: at n of 10^4 to 10^5 sampled and deann need fewer kernel values.
// assumption: none; the interval is normal, of the groups' means.
// cost: a level: 2 D k n T flops to build, 4 n T bytes; a query 2 D k T and T s kernel values.
// parameters: tables T of a level 2 to 4,096; groups of tables, whose median counts, 1 to T; points
// s of a bucket 1 to 1,024 (the paper's: 1; several are their mean); mu 0 to 1: of the only level,
// 0: levels 1/4, 1/16, .. down to the threshold, or 1 / n.
#pragma once

#include <memory>
#include <vector>

#include "core/rng.h"
#include "density/density_store.h"
#include "density/tile_estimator.h"
#include "index/euclidean_lsh.h"
#include "parts/spec.h"

namespace subquad {

struct HbeOptions {
  std::int64_t tables, groups, samples;
  double mu;
};

class HbeDensity final : public TileEstimator {
 public:
  // least: the smallest level.
  HbeDensity(const DensityStore& store, const HbeOptions& options, double least, int threads);
  std::string name() const override;

 private:
  struct Level {
    double mu;
    EuclideanHash how;
    EuclideanLsh tables;
  };
  void add_level(double mu, int threads);
  void estimate_tile(const PlacedTile& tile, const DensityTarget& target, TileSums& sums,
                     DensityEstimate* out) const override;
  // Z of one table; `draw` says which random numbers are its.
  double sample_bucket(const Level& level, std::int64_t table, const float* query,
                       std::uint32_t row, std::int64_t& samples) const;
  DensityEstimate at_level(const Level& level, const float* query, std::uint32_t row,
                           double z) const;

  const DensityStore& store_;
  HbeOptions options_;
  std::vector<float> rows_;
  std::vector<Level> levels_;
};

std::unique_ptr<DensityEstimator> make_hbe(const SpecPart& spec, const DensityStore& store,
                                           const DensityTarget& target, int threads);

}  // namespace subquad
