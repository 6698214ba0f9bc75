// A tile of keys for linear attention, packed for the matrix kernel.
#pragma once

#include <cstdint>

#include "rows/head_problem.h"
#include "core/index_list.h"
#include "core/memory.h"
#include "rows/row_panels.h"
#include "rows/score_filter.h"
#include "kernels/gemm.h"
#include "light/linear/linear_features.h"

namespace subquad {

class LinearKeys {
 public:
  // with_backward: also what the gradients of the tile's entries need.
  LinearKeys(const HeadProblem& head, std::int64_t capacity, bool with_backward = false);

  // The lists must stay alive while the tile is used. O(count * (D + Dv)).
  void load(const HeadProblem& head, const IndexList& keys, FeatureMap map);

  const IndexList& keys() const { return keys_; }
  // phi(k) of key i and those after it, feature_stride(D) apart.
  const float* features(std::int64_t i) const { return features_.data() + i * feature_stride_; }
  // B of phi(Q) phi(K)^T, from column `begin` on (a multiple of the panel width).
  kernels::RightMatrix features_from(std::int64_t begin) const;
  const RowPanels& values() const { return value_panels_; }            // B of P (V, 1)
  const RowPanels& feature_panels() const { return feature_panels_; }  // B of dP phi(K)
  kernels::RightMatrix transposed_values() const;                      // B of dO (V, 1)^T

  // Adds the sums phi(k) (v, 1)^T of the tile to D rows of sum_stride(Dv) floats.
  void add_sums(float* sums) const;

 private:
  std::int64_t dim_, width_, feature_stride_, sum_stride_, panel_;
  bool with_backward_;
  IndexList keys_;
  Scratch<float> features_, values_, transposed_features_, transposed_values_;
  RowPanels value_panels_, feature_panels_;
};

// Marks entries of rows x keys: marks[r * stride + c] = 0 where row r may see the key and no set in
// `left_out` holds the entry, else -inf.
void mark_entries(const HeadProblem& head, const IndexList& rows, const IndexList& keys,
                  const EntrySets& left_out, float* marks, std::int64_t stride,
                  FilterScratch& scratch);

// weights *= sign where the entry is marked, else -0.0f (kernels::is_masked). Both have the stride.
void mask_weights(const float* marks, float sign, float* weights, std::int64_t stride,
                  std::int64_t rows, std::int64_t columns);

}  // namespace subquad
