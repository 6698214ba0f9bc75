// Low-rank second moments of one cluster of keys, in the metric of the queries.
//
// source: ours; the formulas are in cluster_shape.h, which see for use and parameters.
// cost: up to head_dim members: n^2 (D + Dv) + n D^2 multiply-adds; more: n D (D + Dv). Then two
// subspace iterations (leading_subspace.h) over min(n, D) coordinates.
//
// A direction u of the key space is u = a G for coordinates a over generators G: the members'
// offsets from the mean (n <= D), or the unit vectors (n > D). Everything happens in those
// coordinates, in the inner product K = G M G^T: M may be singular and is never factored.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "far/moments/leading_subspace.h"
#include "kernels/small_matrix.h"

namespace subquad {

struct Partition;

// The queries' second moment M. Zero or not finite: the identity.
class QueryMetric {
 public:
  QueryMetric(const double* metric, std::int64_t head_dim);
  // Scaled to a mean eigenvalue of 1; scale() undoes it.
  const SmallMatrix& matrix() const { return matrix_; }
  double scale() const { return scale_; }
  double squared_norm() const { return squared_norm_; }  // Frobenius, of matrix()

 private:
  SmallMatrix matrix_;
  double scale_ = 1, squared_norm_ = 0;
};

// S ~ sum_a u_a u_a^T + even I, n X ~ sum_a y_a z_a^T.
struct ClusterMoments {
  SmallMatrix quadratic;  // u: quadratic_rank x head_dim
  SmallMatrix dipole;     // y: rank x head_dim
  SmallMatrix values;     // z: rank x value_dim
  // With MomentInput::bases, where S is not whole: the kept directions e, e M e^T = 1 or 0, and L
  // with u = L^T e. Where S is whole and has no more than head_dim members: u = (k - mu) / sqrt(n);
  // else e is the identity.
  SmallMatrix kept;    // e: quadratic_rank x head_dim
  SmallMatrix factor;  // L: quadratic_rank x quadratic_rank
  float even = 0;
  double unit = 1;      // with bases: the length of each y, in the metric where X is not whole
  float radius = 0;     // largest distance of a member from the mean
  float remainder = 0;  // see ClusterShape::remainder()
};

struct MomentInput {
  const float* keys;
  const float* values;
  const Partition* clusters;
  const float* means;
  std::int64_t head_dim, value_dim, rank, quadratic_rank;  // ranks of X and of S
  int order;
  bool bases = false;  // what the derivative needs beside the moments

  // Whether that many directions are all that a cluster of `count` members has.
  bool is_whole(std::int64_t directions, std::int64_t count) const {
    return directions >= std::min(count, head_dim);
  }
};

// Computes clusters one after another; one for each thread.
class MomentBuilder {
 public:
  MomentBuilder(const MomentInput& input, const QueryMetric& metric);
  // Valid until the next call. Where a key or value is not finite: no moments, remainder infinite.
  const ClusterMoments& build(std::int64_t cluster);

 private:
  bool measure(std::int64_t cluster);
  void load(std::int64_t first, std::int64_t count, std::int64_t span);
  void set_gram();
  void sum_over_members();
  void set_moments();
  struct RitzSums {
    double trace = 0, norm2 = 0;
  };
  RitzSums set_ritz(const SmallMatrix& images, const SmallMatrix& products, double factor);
  void set_directions();
  void keep_factor(std::int64_t n);
  void set_quadratic(const SmallMatrix* h, const SmallMatrix& k, double trace);
  void set_exact_quadratic();
  void set_dipole(const SmallMatrix& k, const SmallMatrix& targets);
  void to_key_space(const SmallMatrix& coordinates);
  void set_remainder();

  const MomentInput input_;
  const QueryMetric& metric_;
  ClusterMoments moments_;
  // The cluster at hand. Offsets are divided by radius_, values by value_scale_: no overflow.
  const std::int32_t* ids_ = nullptr;
  const float* mean_ = nullptr;
  std::int64_t count_ = 0;
  bool over_members_ = false;                       // the generators are the members
  double radius_ = 0, value_scale_ = 0, unit_ = 1;  // unit_: radius_, or 1 where that is 0
  std::vector<double> value_mean_;
  SmallMatrix offsets_, centred_;  // members: keys and values from their means, scaled
  SmallMatrix gram_;               // of offsets_ in the metric
  SmallMatrix second_, cross_;     // mean of offset offset^T, of offset value^T, over all members
  double mapped_norm2_ = 0;        // mean of |offset M|^2 over offsets_
  SmallMatrix transposed_, mapped_, coupling_, directions_;
  LeadingSubspace subspace_;
  std::vector<double> ritz_;  // a K H K a^T
  double left_out_ = 0;       // what set_remainder() adds to |S|_F^2 for the part the rank left out
};

}  // namespace subquad
