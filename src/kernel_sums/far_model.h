// A candidate for a head's far field: pseudo keys, and their fit to probe rows.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernel_sums/kernel_far_options.h"
#include "kernel_sums/kernel_clusters.h"
#include "kernel_sums/kernel_fit.h"
#include "kernel_sums/kernel_probes.h"

namespace subquad {

struct FarModel {
  std::unique_ptr<KernelClusters> clusters;
  std::vector<double> residual;    // p x C: exact less the pseudo keys, at the probes
  std::unique_ptr<KernelFit> fit;  // nullptr without probes
  KernelCorrection corrected;      // with nothing opened
};

// Builds candidates for one head and one set of probes.
class FarModels {
 public:
  // The references must outlive the models.
  FarModels(const KernelHead& head, const SampleRows& probes, const KernelFarOptions& options,
            const Rng& rng, int threads);

  // The better one of the orders that the options allow, of `count` clusters.
  FarModel build(std::int64_t count);
  std::int64_t entries() const { return entries_; }  // kernels evaluated

 private:
  FarModel fit(KernelClusters clusters);

  const KernelHead& head_;
  const SampleRows& probes_;
  const KernelFarOptions& options_;
  Rng rng_;
  int threads_;
  std::vector<double> exact_;  // p x C
  std::int64_t entries_ = 0;
};

}  // namespace subquad
