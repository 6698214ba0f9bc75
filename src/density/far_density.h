// far: all queries at once by the far field of kernel sums.
//
// source: docs/guide/kernel_sums.md (kernel_sums/far_sums.h): clusters as pseudo keys, fitted to
// queries that are evaluated exactly.
// use when: large bandwidths: a query has hundreds of points within one.
// do not use for: small bandwidths; intervals that must hold for single queries.
// assumption: errors are about the same for all queries: the interval is z times the root mean
// square error that the fit states (NaN where there is none).
// cost: as far(..) of kernel sums.
// parameters: those of far(..) of kernel sums.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "density/density_store.h"
#include "density/estimator.h"
#include "parts/spec.h"

namespace subquad {

class FarDensity final : public DensityEstimator {
 public:
  FarDensity(const DensityStore& store, std::string spec, int threads);
  std::vector<DensityEstimate> estimate(const DensityQueries& queries, const DensityTarget& target,
                                        int threads) const override;
  std::string name() const override { return spec_; }

 private:
  const DensityStore& store_;
  std::string spec_;
  std::vector<float> rows_, ones_;
};

std::unique_ptr<DensityEstimator> make_far_density(const SpecPart& spec, const DensityStore& store,
                                                   int threads);

}  // namespace subquad
