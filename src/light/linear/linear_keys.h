// A tile of keys for the gradients of linear attention, packed for the matrix kernel.
#pragma once

#include <cstdint>

#include "rows/head_problem.h"
#include "core/index_list.h"
#include "core/memory.h"
#include "rows/row_panels.h"
#include "kernels/gemm.h"
#include "light/linear/linear_features.h"
#include "parts/implied_entries.h"

namespace subquad {

class LinearKeys {
 public:
  LinearKeys(const HeadProblem& head, std::int64_t capacity);

  // The lists must stay alive while the tile is used. O(count * (D + Dv)).
  void load(const HeadProblem& head, const IndexList& keys, FeatureMap map);

  const IndexList& keys() const { return keys_; }
  // phi(k) of key i and those after it, feature_stride(D) apart.
  const float* features(std::int64_t i) const { return features_.data() + i * feature_stride_; }
  kernels::RightMatrix transposed_features() const;                    // B of phi(Q) phi(K)^T
  const RowPanels& feature_panels() const { return feature_panels_; }  // B of dP phi(K)

  // Adds the sums phi(k) (v, 1)^T of the tile to D rows of sum_stride(Dv) floats.
  void add_sums(float* sums) const;

 private:
  std::int64_t dim_, width_, feature_stride_, sum_stride_, panel_;
  IndexList keys_;
  Scratch<float> features_, values_, transposed_features_;
  RowPanels feature_panels_;
};

// weights *= sign where the mark is 0, else -0.0f (kernels::is_masked); both in the same layout.
void mask_weights(const MarkedEntries& entries, float sign, float* weights);

// Columns rounded up to whole panels of the matrix kernel.
std::int64_t whole_panels(std::int64_t columns);

}  // namespace subquad
