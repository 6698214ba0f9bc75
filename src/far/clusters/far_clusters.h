// The clusters of a head's keys with all that the multipole part keeps of them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "rows/head_problem.h"
#include "core/memory.h"
#include "core/rng.h"
#include "far/clusters/far_field.h"
#include "index/key_clusters.h"

namespace subquad {

struct FarShapeOptions {
  std::int64_t clusters;
  int order;
  std::int64_t rank;
  Clustering clustering;
};

struct FarClusters {
  std::shared_ptr<const Partition> keys;
  std::vector<float> prior;  // R x (Dv + 1): summed values, count
  std::unique_ptr<FarField> far;

  // Clusters the keys of the head; nullptr if a key or a value is not finite. O(n D log R) with a
  // tree, n (D + Dv) floats of scratch.
  static std::unique_ptr<FarClusters> build(const HeadProblem& head, const FarShapeOptions& options,
                                            const Rng& rng, int threads);
};

// Whether the row's query has no Inf or NaN: what a probe needs.
bool has_finite_query(const HeadProblem& head, std::int64_t row);

// Queries of all rows of the head, rows x D, in units that make q . k a base-2 logit.
Scratch<float> base2_queries(const HeadProblem& head);

}  // namespace subquad
