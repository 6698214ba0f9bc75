// Rows and keys of a head as points on a sphere: the nearer, the larger the inner product.
#pragma once

#include <cstdint>
#include <vector>

#include "core/index_list.h"
#include "rows/head_problem.h"

namespace subquad {

// Keys lifted (index/gaussian_lift.h) about the mean of `reference`, rows scaled to their length.
// Points with an Inf or NaN keep them.
struct LiftedScope {
  std::int64_t dim = 0;
  double radius = 0;              // of all points, but for keys longer than the reference's
  std::vector<float> keys, rows;  // in the order of the lists
  std::vector<double> norms;      // of the rows before

  const float* row(std::int64_t r) const { return rows.data() + r * dim; }
  const float* key(std::int64_t k) const { return keys.data() + k * dim; }
  // How much a row's logits fall where the squared distance grows by 1; in base 2.
  double slope(std::int64_t r, double scale_log2) const;
};

LiftedScope lift_scope(const HeadProblem& head, const IndexList& rows, const IndexList& keys,
                       const IndexList& reference);

}  // namespace subquad
