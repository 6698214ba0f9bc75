// From the derivatives of a loss by a cluster's moments to those by its keys and values.
//
// source: ours (docs/theory/far_field.md, section 11). S ~ sum_a u_a u_a^T + even I and
// n X ~ sum_a y_a z_a^T (cluster_moments.h) are functions of the cluster's keys and values.
// The kept directions and the metric are constants; where all directions are kept (as many as
// head_dim, or as the cluster has keys), S and X have their whole derivative.
// cost: 2 n D (2 r + quadratic_rank) multiply-adds a cluster of n keys.
#pragma once

#include <cstdint>
#include <vector>

#include "far/moments/cluster_moments.h"

namespace subquad {

// Row-major, in double.
struct DenseMatrix {
  DenseMatrix() = default;
  DenseMatrix(std::int64_t rows_in, std::int64_t columns_in)
      : rows(rows_in),
        columns(columns_in),
        data(static_cast<std::size_t>(rows_in * columns_in), 0.0) {}
  double* row(std::int64_t i) { return data.data() + i * columns; }
  const double* row(std::int64_t i) const { return data.data() + i * columns; }

  std::int64_t rows = 0, columns = 0;
  std::vector<double> data;
};

// Derivatives by the factors of one cluster's moments, of which those by u are those of
// sum_i g_i q_i^T S q_i / 2 for some weights g.
struct MomentGradients {
  DenseMatrix quadratic;  // by u: quadratic_rank x head_dim
  DenseMatrix dipole;     // by y: rank x head_dim; read only where X is whole over its members
  DenseMatrix values;     // by z: rank x value_dim
  double even = 0, radius = 0;
};

struct MemberGradients {
  DenseMatrix keys, values;  // n x D, n x Dv
};

// `moments`: of the cluster, with MomentInput::bases; its means as they were then.
MemberGradients member_gradients(const MomentInput& input, const QueryMetric& metric,
                                 std::int64_t cluster, const ClusterMoments& moments,
                                 const MomentGradients& by_moments);

}  // namespace subquad
