// Clusters of a head's keys, packed, with their means: inverted lists.
#pragma once

#include <cstdint>
#include <vector>

#include "rows/head_problem.h"
#include "core/memory.h"
#include "core/rng.h"
#include "kernels/gemm.h"
#include "index/key_clusters.h"

namespace subquad {

// Keys that make the clusters, and others that join the one whose mean is nearest: lists before and
// after them, which move no cluster and no mean.
struct KeyScope {
  IndexList own, before, after;
};

class KeyIndex {
 public:
  // At least one key of its own.
  KeyIndex(const HeadProblem& head, const KeyScope& keys, std::int64_t clusters, Clustering how,
           const Rng& rng, int threads);

  std::int64_t size() const { return static_cast<std::int64_t>(members_.size()); }
  // Ascending.
  IndexList members(std::int64_t cluster) const {
    const auto& ids = members_[static_cast<std::size_t>(cluster)];
    return {ids.data(), 0, static_cast<std::int64_t>(ids.size()), true};
  }
  std::int64_t largest() const { return largest_; }

  // scores[r * stride + c] = row r of `queries` (D floats each) . mean c; +inf for clusters with a
  // key that is not finite. `stride` >= size() rounded up to whole panels.
  void score_means(const float* queries, std::int64_t rows, float* scores,
                   std::int64_t stride) const;
  // The same for the members of a cluster, without that exception.
  void score_members(std::int64_t cluster, const float* queries, std::int64_t rows, float* scores,
                     std::int64_t stride) const;

 private:
  void add_own(const HeadProblem& head, const IndexList& keys, std::int64_t clusters,
               Clustering how, const Rng& rng, int threads);
  void join(const HeadProblem& head, const IndexList& keys);
  std::vector<float> half_squares() const;
  void pack_members(const HeadProblem& head, int threads);
  void pack_means();

  std::int64_t head_dim_, panel_, largest_ = 0;
  std::vector<std::vector<std::int32_t>> members_;
  std::vector<float> means_;
  std::vector<std::int64_t> begin_;  // of each cluster, in packed columns
  Scratch<float> packed_keys_, packed_means_;
};

}  // namespace subquad
