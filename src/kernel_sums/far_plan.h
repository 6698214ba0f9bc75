// What far decides for a head before its queries are computed: pseudo keys, their correction and
// the clusters that each block of queries opens.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "far/clusters/opening_levels.h"
#include "kernel_sums/far_model.h"
#include "kernel_sums/query_blocks.h"

namespace subquad {

struct FarPlan {
  std::unique_ptr<KernelClusters> clusters;
  std::vector<std::vector<std::int32_t>> opened;  // of each block, ascending
  KernelCorrection corrected;
  std::int64_t opened_entries = 0;
};

class FarPlanner {
 public:
  // The references must outlive the planner. At least one query and one key.
  FarPlanner(const KernelHead& head, const std::vector<QueryBlock>& blocks,
             const KernelFarOptions& options, const Rng& rng, int threads);

  // nullopt: exact is better. Called once.
  std::optional<FarPlan> plan();
  std::int64_t entries() const { return entries_ + models_.entries(); }  // kernels evaluated

 private:
  bool may_refine(std::int64_t clusters) const;
  std::optional<FarPlan> search(FarPlan plan);
  std::vector<OpeningLevel> levels() const;
  void open(FarPlan& plan, double threshold);
  void scout();
  std::vector<std::int32_t> choose(std::size_t block, double threshold) const;
  // Takes what the opened clusters miss at the block's probes out of their residuals.
  void take_opened(const Range& probes, const std::vector<std::int32_t>& opened, KernelBlock& block,
                   std::vector<double>& residual) const;
  void count_opened(FarPlan& plan, const std::vector<Range>& probes);

  const KernelHead& head_;
  const std::vector<QueryBlock>& blocks_;
  const KernelFarOptions& options_;
  Rng rng_;
  int threads_;
  SampleRows probes_;
  FarModels models_;
  FarModel model_;
  const KernelClusters* clusters_ = nullptr;
  std::vector<double> missed_;  // blocks x R, see missed_squares
  std::int64_t entries_ = 0;
};

}  // namespace subquad
