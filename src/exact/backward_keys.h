// A block of keys as the backward pass reads it, and the sums of their gradients.
#pragma once

#include <cstdint>

#include "core/head_problem.h"
#include "core/index_list.h"
#include "core/memory.h"
#include "exact/backward_panels.h"
#include "exact/backward_rows.h"
#include "subquad/attention.h"

namespace subquad {

class BackwardKeys {
 public:
  BackwardKeys(std::int64_t head_dim, std::int64_t value_dim, std::int64_t capacity);

  // Packs a run of keys and their values, and sets the sums to zero.
  void load(const HeadProblem& head, const IndexList& keys, const WantedGradients& wanted);
  // Writes the sums to grad_key and grad_value, where wanted.
  void store(const HeadProblem& head, const BackwardArguments& arguments) const;

  const IndexList& keys() const { return keys_; }
  // B of Q K^T and of dO V^T, from column `begin` on (a multiple of the panel width).
  kernels::RightMatrix keys_from(std::int64_t begin) const;
  kernels::RightMatrix values_from(std::int64_t begin) const;
  // B of dS K.
  const RowPanels& key_panels() const { return key_panels_; }

  // Sums of key `begin` and those after it, rows a stride apart. The key's sum lacks a factor ln 2:
  // it is taken with queries in base-2 units.
  float* grad_key(std::int64_t begin) { return grad_keys_.data() + begin * key_stride(); }
  float* grad_value(std::int64_t begin) { return grad_values_.data() + begin * value_stride(); }
  std::int64_t key_stride() const;
  std::int64_t value_stride() const;

 private:
  void store_sums(const HeadProblem& head, const float* sums, std::int64_t stride, float factor,
                  const MutableTensorView& view) const;

  std::int64_t head_dim_, value_dim_, panel_;
  IndexList keys_;
  Scratch<float> transposed_keys_, transposed_values_, grad_keys_, grad_values_;
  std::int64_t key_panel_stride_ = 0, value_panel_stride_ = 0;
  RowPanels key_panels_;
};

}  // namespace subquad
