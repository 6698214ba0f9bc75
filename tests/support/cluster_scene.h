// Clusters, queries and plain double-precision loops for the tests of cluster_shape.h.
#pragma once

#include <cstdint>
#include <numbers>
#include <vector>

#include "far/clusters/cluster_shape.h"
#include "index/key_clusters.h"
#include "support/draw.h"
#include "support/plain_multipole.h"

namespace subquad::testing {

inline constexpr double kLn2 = std::numbers::ln2;

// Clustered keys and their values, and queries with their second moment.
struct ClusterScene {
  std::int64_t head_dim, value_dim, rows;
  std::vector<float> keys, values, queries, means;
  Partition clusters;
  std::vector<double> metric;

  std::int64_t count() const { return clusters.size(); }
  const float* query(std::int64_t r) const { return queries.data() + r * head_dim; }
  double dot(std::int64_t r, const double* x) const;
  ClusterShape shape(std::int64_t rank, int order, int threads = 1,
                     std::int64_t quadratic_rank = -1) const;
  // Members' keys and values from the cluster's means (of the keys: the given f32 ones).
  std::vector<double> offset(std::int64_t id, std::int64_t c) const;
  std::vector<double> value_mean(std::int64_t c) const;
};

// Means and metric from the keys and queries.
void finish(ClusterScene& scene);

// Sizes of the clusters; their members are dealt out so that ids are not contiguous.
Partition deal(Draw& draw, const std::vector<std::int64_t>& sizes);

// Skewed clusters of radius about `spread` with values that follow the keys; queries of unequal
// extent in every direction.
ClusterScene random_scene(std::uint64_t seed, std::int64_t head_dim, std::int64_t value_dim,
                          std::int64_t rows, const std::vector<std::int64_t>& sizes, double spread);

// (ln 2 / 2) q^T S_c q.
double plain_quadratic(const ClusterScene& scene, std::int64_t r, std::int64_t c);

// n_c X_c^T q ln 2.
std::vector<double> plain_dipole(const ClusterScene& scene, std::int64_t r, std::int64_t c);

// What the shape adds to zeros: rows x R.
std::vector<float> quadratic_of(const ClusterShape& shape, const ClusterScene& scene);

// What the shape adds to zeros with the given weights (rows x R): rows x value_dim.
std::vector<float> dipole_of(const ClusterShape& shape, const ClusterScene& scene,
                             const std::vector<float>& weights, const std::uint8_t* skip);

double root_mean_square(const std::vector<double>& x);

// Root mean square errors over rows and clusters, relative to the root mean square itself.
double quadratic_error(const ClusterScene& scene, const ClusterShape& shape);

double dipole_error(const ClusterScene& scene, const ClusterShape& shape, const std::uint8_t* skip);

}  // namespace subquad::testing
