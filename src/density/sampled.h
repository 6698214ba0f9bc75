// sampled: a growing random sample of the points; deann: near points exactly, the others sampled.
//
// source: DEANN (point_tiles.h), sections 3 and 4: permuted sampling, Z = sum over near points +
// (n - k) / m times that of a sample of the others. Ours: a sample grows until its interval is as
// narrow as was asked for, without replacement, so that the last stage is the exact sum; near
// points are whole cells (near_cells.h); those of them that lie in the slab leave its sums again.
// use when: sampled: densities above about 1 / (n rel_error^2). deann: densities that few near
// points make up. do not use for: densities of less than that: exact costs no more.
// assumption: none for the values, which are unbiased for a fixed m (an adaptive m stops a little
// early where the sample is large: bias of the order of rel_error^2 / 4). The interval is normal
// (interval.h), for deann with the largest weight of the cells after the first for an upper bound
// of the others' (at small densities in many dimensions, mnist_t10k, that missed: mean errors of
// 0.12 where 0.1 was asked for); bars=bernstein assumes it as well for deann, and nothing for
// sampled. cost: about (z / rel_error)^2 / D(q) points at most, for a tile of 64 queries at a time;
// never more than 1.1 times exact, near points apart. parameters: m 0 to 2^30 points, 0: as many as
// needed; k 0 to 2^30 near points; bars normal, bernstein.
#pragma once

#include <memory>
#include <vector>

#include "core/rng.h"
#include "density/density_store.h"
#include "density/interval.h"
#include "density/slab_stages.h"
#include "density/tile_estimator.h"
#include "parts/spec.h"

namespace subquad {

struct SampledRow;

struct SampledOptions {
  std::int64_t near = 0, fixed = 0;  // k, m
  Bars bars = Bars::normal;
};

class SampledDensity final : public TileEstimator {
 public:
  SampledDensity(const DensityStore& store, const SampledOptions& options, int threads);
  std::string name() const override;

 private:
  void estimate_tile(const PlacedTile& tile, const DensityTarget& target, TileSums& sums,
                     DensityEstimate* out) const override;
  void find_near(const QueryTile& tile, std::vector<SampledRow>& rows) const;

  const DensityStore& store_;
  SampledOptions options_;
  const PointCells* cells_;  // nullptr: none near
  SlabStages stages_;
};

std::unique_ptr<DensityEstimator> make_sampled(const SpecPart& spec, const DensityStore& store,
                                               int threads);
std::unique_ptr<DensityEstimator> make_deann(const SpecPart& spec, const DensityStore& store,
                                             int threads);

}  // namespace subquad
