// The far field of one head: what the clusters of its keys add to a row's sums.
//
// source: ours (docs/theory/far_field.md). Cluster c of keys with mean mu_c weighs
// w_c(q) = 2^(q . mu_c) (order 2: times 2^(ln 2 / 2 q^T S_c q)), and adds w_c(q) times its row of
// coefficients: its summed values and its count, corrected or not.
// cost: R (D + Dv + 1) multiply-adds a row for R clusters; orders 1 and 2 as in cluster_shape.h.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/memory.h"
#include "kernels/gemm.h"
#include "far/clusters/cluster_shape.h"
#include "rows/partial.h"

namespace subquad {

// Coefficients of `count` clusters, packed: `width` = Dv + 1 columns, the last the sum of weights'.
class FarCoefficients {
 public:
  FarCoefficients() = default;
  // Row c lies at rows + width * (ids ? ids[c] : c).
  FarCoefficients(const float* rows, std::int64_t width, std::int64_t count,
                  const std::int32_t* ids = nullptr);
  kernels::RightMatrix matrix() const { return {packed_.data(), panel_stride_, panel_}; }
  std::int64_t width() const { return width_; }

 private:
  std::int64_t width_ = 0, panel_ = 0, panel_stride_ = 0;
  Scratch<float> packed_;
};

// One thread's memory for rows that meet a far field.
struct FarScratch {
  FarScratch(std::int64_t clusters, std::int64_t value_dim);

  std::int64_t stride;  // of a row of scores
  Scratch<float> scores;
  PartialBuffer sums;  // value_dim + 1 columns
  ClusterShape::Workspace shape;
};

class FarField {
 public:
  // means: R x D. `shape`: nullptr for order 0; shared with all that meet the same clusters.
  FarField(std::vector<float> means, std::int64_t head_dim, std::int64_t value_dim,
           std::shared_ptr<const ClusterShape> shape);

  std::int64_t size() const { return size_; }
  std::int64_t head_dim() const { return head_dim_; }
  std::int64_t value_dim() const { return value_dim_; }
  const std::vector<float>& means() const { return means_; }
  const ClusterShape* shape() const { return shape_.get(); }

  // Base-2 logits of w_c(q): scores[r * stride + c]. Columns up to the next whole panel are
  // written. queries: rows x D in base-2 units.
  void score(const float* queries, std::int64_t rows, float* scores, std::int64_t stride,
             ClusterShape::Workspace& workspace) const;

  // Merges the clusters into the rows' sums (sums.rows of them). slopes[c]: how much of cluster c's
  // slope joins; nullptr: all.
  void add_to(const float* queries, const Partial& sums, const FarCoefficients& coefficients,
              FarScratch& scratch, const float* slopes = nullptr) const;
  // The same, the last to join: a row whose sum of weights is then a thousandth or less of what
  // has been subtracted from it is nothing but rounding, gets l = 0 and is computed exactly.
  void complete(const float* queries, const Partial& sums, const FarCoefficients& coefficients,
                FarScratch& scratch) const;
  // Takes the clusters that `chosen` lists out of sums that hold them: `prior` is R x (Dv + 1), the
  // coefficients that they joined with.
  void subtract_clusters(const float* queries, const Partial& sums,
                         const std::vector<std::int32_t>& chosen, const float* prior) const;

  // Rows that are worked on at a time.
  static constexpr std::int64_t kRows = 48;

 private:
  void add_rows(const float* queries, const Partial& sums, const FarCoefficients& coefficients,
                const std::uint8_t* skip, const float* slopes, float sign,
                FarScratch& scratch) const;

  std::int64_t head_dim_, value_dim_, size_, panel_stride_ = 0;
  std::vector<float> means_;
  Scratch<float> packed_means_;
  std::shared_ptr<const ClusterShape> shape_;
};

}  // namespace subquad
