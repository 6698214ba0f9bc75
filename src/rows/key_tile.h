// A tile of keys and values, packed for the matrix kernel.
#pragma once

#include <cstdint>

#include "rows/head_problem.h"
#include "core/index_list.h"
#include "core/memory.h"
#include "rows/row_panels.h"
#include "kernels/gemm.h"

namespace subquad {

class KeyTile {
 public:
  KeyTile(std::int64_t head_dim, std::int64_t value_dim, std::int64_t capacity);

  // Packs the listed keys and their values. `bias` (count floats, may be nullptr) is added to the
  // base-2 logits: log2 weights of samples. `keys` and `bias` must stay alive while the tile is
  // used. O(count * (head_dim + value_dim)).
  void pack(const HeadProblem& head, const IndexList& keys, const float* bias = nullptr);

  const IndexList& keys() const { return keys_; }
  const float* bias() const { return bias_; }
  // B of Q K^T, from column `begin` on (a multiple of the panel width).
  kernels::RightMatrix keys_from(std::int64_t begin) const;
  // B of P V: the values, and those of them with an Inf or NaN, which the packed copy leaves out.
  const RowPanels& values() const { return values_; }

 private:
  std::int64_t panel_;
  IndexList keys_;
  const float* bias_ = nullptr;
  Scratch<float> packed_keys_;
  std::int64_t key_panel_stride_ = 0;
  RowPanels values_;
};

}  // namespace subquad
