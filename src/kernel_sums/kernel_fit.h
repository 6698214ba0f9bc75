// Fits the values of a head's pseudo keys to probe rows.
//
// source: ours: far/fit/probe_fit.h for sums that are not divided. Every probe weighs the same, so
// that what is least is the Frobenius norm of the error, in which kernel sums are measured; there
// is no denominator that would make small rows matter, and dividing by the rows' own sums costs up
// to 10 times the error on real data (a row without neighbours then outweighs all others).
// cost: as ProbeFit's.
#pragma once

#include <cstdint>
#include <vector>

#include "kernel_sums/kernel_clusters.h"
#include "far/fit/probe_fit.h"

namespace subquad {

struct KernelCorrection {
  std::vector<float> values;  // R x C: joins the pseudo keys' values
  double error = 0;           // relative Frobenius at the probes, each left out in turn
};

class KernelFit {
 public:
  // weights: p x R kernels of the probes; exact: p x C sums of all keys. `clusters` must outlive
  // the fit.
  KernelFit(const KernelClusters& clusters, std::vector<float> weights,
            const std::vector<double>& exact, std::int64_t channels, int threads);

  // Chooses the ridge: the given one, or for 0 that power of ten from 1e-6 to 10 where the error
  // for these residuals, falling from 1e-4 on, stops falling.
  void choose_ridge(double ridge, const std::vector<double>& residual);
  // residual: p x C, exact less the model.
  KernelCorrection correct(const std::vector<double>& residual) const;

  double rms() const { return rms_; }  // of |exact| over the probes

 private:
  KernelCorrection solve(const std::vector<double>& residual) const;

  const KernelClusters& clusters_;
  std::int64_t probes_, channels_;
  double rms_, feature_scale_;
  ProbeFit fit_;
};

}  // namespace subquad
