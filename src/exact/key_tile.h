// A tile of keys and values, packed for the matrix kernel.
#pragma once

#include <cstdint>
#include <vector>

#include "core/head_problem.h"
#include "core/index_list.h"
#include "core/memory.h"
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
  // B of P V, from key `begin` on.
  kernels::RightMatrix values_from(std::int64_t begin) const;

  // Values with an Inf or NaN are zero in the packed copy (0 * NaN would reach rows that mask the
  // key); they are listed here, and added one by one to the rows that see them.
  const std::vector<std::int64_t>& wild_columns() const { return wild_; }
  void load_value(std::int64_t column, float* out) const;

 private:
  bool use_values_in_place();
  void pack_values();
  void isolate_wild_values();

  std::int64_t value_dim_, capacity_, panel_;
  IndexList keys_;
  const float* bias_ = nullptr;
  kernels::RowSource value_source_;
  Scratch<float> packed_keys_, packed_values_;
  std::int64_t key_panel_stride_ = 0;
  kernels::RightMatrix values_{};
  std::vector<std::int64_t> wild_;
};

}  // namespace subquad
