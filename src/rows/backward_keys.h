// A tile of keys as the backward pass reads it.
#pragma once

#include <cstdint>

#include "rows/head_problem.h"
#include "core/index_list.h"
#include "core/memory.h"
#include "rows/backward_panels.h"
#include "rows/backward_sums.h"

namespace subquad {

class BackwardKeys {
 public:
  BackwardKeys(std::int64_t head_dim, std::int64_t value_dim, std::int64_t capacity);

  // Packs the listed keys and their values. `bias` as in KeyTile; both lists must stay alive while
  // the tile is used. O(count * (head_dim + value_dim)).
  void load(const HeadProblem& head, const IndexList& keys, const float* bias,
            const WantedGradients& wanted);

  // Likewise, unless they are loaded already: lists and tensors must not have changed in place.
  void keep(const HeadProblem& head, const IndexList& keys, const float* bias,
            const WantedGradients& wanted) {
    if (!same_list(keys, keys_) || bias != bias_) load(head, keys, bias, wanted);
  }
  void forget() { keys_ = {}; }

  const IndexList& keys() const { return keys_; }
  const float* bias() const { return bias_; }
  // B of Q K^T and of dO V^T, from column `begin` on (a multiple of the panel width).
  kernels::RightMatrix keys_from(std::int64_t begin) const;
  kernels::RightMatrix values_from(std::int64_t begin) const;
  // Whether those are calm (overflows.h).
  bool calm_keys() const { return calm_keys_; }
  bool calm_values() const { return calm_values_; }
  // B of dS K.
  const RowPanels& key_panels() const { return key_panels_; }

 private:
  std::int64_t panel_;
  IndexList keys_;
  const float* bias_ = nullptr;
  Scratch<float> transposed_keys_, transposed_values_;
  std::int64_t key_panel_stride_ = 0, value_panel_stride_ = 0;
  bool calm_keys_ = false, calm_values_ = false;
  RowPanels key_panels_;
};

}  // namespace subquad
