// The derivative of orders 1 and 2: of the clusters' slopes and of the spread of their keys.
//
// source: ours (docs/theory/far_field.md, section 11). With P_ic the weight of cluster c at row i
// relative to the row's sum, A_ic how much of its slope the row holds and g_i the derivative by the
// row's values, the slopes add sum_ic A P g_i . (n X^T q_i) to the loss, and the natural logit of P
// is q . mu + min(q^T S q / 2, |q| radius). S and X are differentiated within the directions that
// the forward has kept, in its metric: those are constants, like the clusters.
// use when: multipole(order=1|2) has served the head.
// cost: 6 rank (D + Dv) and 6 quadratic_rank D flops a row and cluster, at GEMM speed, and the
// moments once more. n (D + Dv) floats, and R rank (D + Dv) + R quadratic_rank D numbers: four
// times as floats for the moments, once as doubles, once as floats for each thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "rows/head_problem.h"
#include "core/memory.h"
#include "rows/backward_sums.h"
#include "far/moments/cluster_moments.h"
#include "far/clusters/factor_table.h"
#include "far/clusters/far_field.h"
#include "index/key_clusters.h"
#include "subquad/attention.h"

namespace subquad {

struct MomentGradients;

class ClusterShapeBackward {
 public:
  // Some rows of the head. Matrices by row and cluster are `stride` apart.
  struct Rows {
    std::int64_t count;
    const float* queries;  // base-2 units
    std::int64_t query_stride;
    const float* weights;  // P
    float* slopes;         // derivatives of the loss by P, or by its natural logit
    const float* shares;   // A
    std::int64_t stride;
    const float* grads;  // g
    std::int64_t grad_stride;
    float* grad_query;  // gains the derivatives by the queries in natural units; rows padded
    std::int64_t grad_query_stride;
  };
  class Worker;

  // The arguments must outlive this. `far` has a shape.
  ClusterShapeBackward(const HeadProblem& head, const FarField& far, const Partition& clusters,
                       const BackwardArguments& arguments, int threads);

  // Adds to the gradients of keys and values what the workers have handed over.
  void finish(int threads) const;

 private:
  // By the packed factors of all clusters, in the layout of FactorTable::rows(); `even` and
  // `radius` by cluster.
  template <typename T>
  struct Sums {
    T quadratic, dipole, values, even, radius;
  };
  Scratch<float> load(const kernels::RowSource& rows) const;
  void build(int threads);
  MomentGradients gradients_of(std::int64_t cluster) const;
  void add_to_members(std::int64_t cluster) const;

  const HeadProblem& head_;
  const BackwardArguments arguments_;
  const QueryMetric& metric_;
  Scratch<float> keys_, values_;  // n x D, n x Dv
  MomentInput input_;
  FactorLayout layout_;
  WantedGradients wanted_;
  std::int64_t padded_dim_, padded_values_dim_;
  bool whole_over_members_ = false;  // some cluster's X is, and needs sums.dipole
  std::vector<ClusterMoments> moments_;
  FactorTable quadratic_, dipole_, values_of_;
  std::vector<float> even_, cap_;  // base 2, whole chunks
  Sums<std::vector<double>> sums_;
};

// One thread's sums.
class ClusterShapeBackward::Worker {
 public:
  explicit Worker(ClusterShapeBackward& owner);

  // First: the slopes' part of the derivatives by P joins rows.slopes.
  void add_dipole(const Rows& rows);
  // Then, with rows.slopes by the logits (P times those by P). Nothing below order 2.
  void add_quadratic(const Rows& rows);
  // Hands the sums over; one thread at a time.
  void flush();

 private:
  void load(const Rows& rows, std::int64_t begin);
  void add_dipole_chunk(const Rows& rows, std::int64_t chunk);
  void weigh_slopes(const Rows& rows, std::int64_t chunk, std::int64_t row);
  void add_quadratic_chunk(const Rows& rows, std::int64_t chunk);
  void weigh_spread(const Rows& rows, std::int64_t chunk, std::int64_t row);
  void add_to_queries(const Rows& rows, const float* products, const FactorTable& factors,
                      std::int64_t chunk);

  ClusterShapeBackward& owner_;
  std::int64_t begin_ = 0, count_ = 0;  // rows at hand
  Scratch<float> queries_, grads_;      // of those, padded
  Scratch<float> products_, slope_products_, row_;
  std::vector<float> pulls_;  // of each row: what its query gains times itself
  Sums<std::vector<float>> sums_;
};

}  // namespace subquad
