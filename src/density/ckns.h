// ckns: importance sampling by distance: near points often, far points seldom, found by hashing.
//
// source: Charikar, Kapralov, Nouri, Siminelakis, "Kernel density estimation through density
// constrained near neighbor search", FOCS 2020, sections 2 and 3 (paper KMV, Theorem 2.2): the
// ring j of the points with w in (2^-(j+1), 2^-j] holds at most 2^(j+1) mu n of them where the
// density is mu; a sample of rate p_j = min(1, R / (2^j mu n)) has at most 2 R of these, and near
// neighbour search in the sample alone finds them. Z = (1 / n) sum w(x) / (p_j c(x)). Ours: the
// search is p-stable LSH, and c(x) the chance that it finds x (Z is unbiased at any recall; the
// paper's search fails with a probability that its analysis pays for); R = (z / rel_error)^2
// instead of repetitions; weights below 2^-J, J = log2(1 / mu) + 4, are estimated by a sample of
// n 2^-J R / mu or 1,024 points, all of it read.
// use when: the theorem's setting: relative error above a threshold mu, in many dimensions.
// do not use for: speed at n of 10^4 to 10^5 (deann, sampled).
// assumption: none for the values; the interval is normal, of what the tables say one by one and of
// the sample's rate.
// cost: about J samples of at most n points in T tables; a query J T hashes, and the kernel values
// of what its buckets hold.
// parameters: recall of a ring's outer edge 0.5 to 0.999; mu 0 to 1, 0: the threshold asked for,
// or 4 / n.
#pragma once

#include <memory>
#include <vector>

#include "density/density_store.h"
#include "density/tile_estimator.h"
#include "index/euclidean_lsh.h"
#include "parts/spec.h"

namespace subquad {

struct CknsOptions {
  double recall, mu;
};

class CknsDensity final : public TileEstimator {
 public:
  CknsDensity(const DensityStore& store, const CknsOptions& options, const DensityTarget& target,
              int threads);
  std::string name() const override;

 private:
  // The sample for a ring of squared distances [low, high).
  struct Ring {
    double low, high;
    double rate;
    std::vector<std::int32_t> ids;  // of the sample
    EuclideanHash how;
    std::unique_ptr<EuclideanLsh> lsh;  // nullptr: the sample is read whole
  };
  struct Found;
  struct Total;

  Ring make_ring(std::int64_t j, double high, int threads) const;
  void estimate_tile(const PlacedTile& tile, const DensityTarget& target, TileSums& sums,
                     DensityEstimate* out) const override;
  static void find(const Ring& ring, const float* query, Found& found);
  static double table_variance(const Ring& ring, const float* query, const Found& found);
  void add_ring(const Ring& ring, const float* query, Found& found, Total& total) const;

  const DensityStore& store_;
  CknsOptions options_;
  double draws_;  // R
  std::vector<float> rows_;
  std::vector<Ring> rings_;
};

std::unique_ptr<DensityEstimator> make_ckns(const SpecPart& spec, const DensityStore& store,
                                            const DensityTarget& target, int threads);

}  // namespace subquad
