// Clusters of a head's keys, packed, with their means: inverted lists.
#pragma once

#include <cstdint>

#include "rows/head_problem.h"
#include "core/memory.h"
#include "core/rng.h"
#include "kernels/gemm.h"
#include "index/key_clusters.h"

namespace subquad {

class KeyIndex {
 public:
  KeyIndex(const HeadProblem& head, std::int64_t clusters, Clustering how, const Rng& rng,
           int threads);

  std::int64_t size() const { return partition_.size(); }
  IndexList members(std::int64_t cluster) const { return partition_.members(cluster); }
  std::int64_t largest() const { return largest_; }

  // scores[r * stride + c] = row r of `queries` (D floats each) . mean c; +inf for clusters with a
  // key that is not finite. `stride` >= size() rounded up to whole panels.
  void score_means(const float* queries, std::int64_t rows, float* scores,
                   std::int64_t stride) const;
  // The same for the members of a cluster, without that exception.
  void score_members(std::int64_t cluster, const float* queries, std::int64_t rows, float* scores,
                     std::int64_t stride) const;

 private:
  void pack_members(const HeadProblem& head, int threads);
  void pack_means();

  std::int64_t head_dim_, panel_, largest_ = 0;
  Partition partition_;
  std::vector<float> means_;
  std::vector<std::int64_t> begin_;  // of each cluster, in packed columns
  Scratch<float> packed_keys_, packed_means_;
};

}  // namespace subquad
