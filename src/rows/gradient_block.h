// A block of keys meets the rows of its head on tiles of bf16: the five products of the backward
// pass.
//
// Panels of 32 rows meet steps of 64 keys: scores and grad_out . value, from them weights and score
// gradients, rounded to bf16. What sums over rows (grad_key, grad_value) is multiplied once for
// eight panels, what sums over keys (grad_query) once a panel. Sums are f32.
#pragma once

#include <cstdint>
#include <vector>

#include "core/memory.h"
#include "kernels/tiles/tile_engine.h"
#include "rows/backward_sums.h"
#include "rows/gradient_keys.h"
#include "rows/gradient_rows.h"
#include "rows/score_filter.h"

namespace subquad {

constexpr std::int64_t kGradientRows = 256, kGradientKeys = 256;  // at most, of a block

class GradientBlock {
 public:
  GradientBlock(const kernels::TileEngine& engine, std::int64_t head_dim, std::int64_t value_dim);

  // Keys [begin, end) of a head, whose packed keys must live until flush().
  void start(const HeadProblem& head, const GradientKeys& keys, const Range& block);
  // Adds what rows [begin, end) bring, which begin with a panel. Their sums for grad_query stay
  // until the next call.
  void add(const GradientRows& rows, const Range& part);
  void add_grad_query(const MutableTensorView& grad_query) const;
  // Adds the sums of the keys to grad_key and grad_value, where wanted.
  void flush(const BackwardArguments& arguments);

  // Score entries evaluated so far.
  std::int64_t entries() const { return entries_; }

 private:
  void add_panel(const GradientRows& rows, std::int64_t panel);
  bool differentiate(const GradientRows& rows, std::int64_t panel, std::int64_t step);
  void hide(const Range& rows, std::int64_t key);
  void clear_step(std::int64_t panel, std::int64_t step);
  void sum_rows(const GradientRows& rows);
  void add_transposed(const Scratch<float>& sums, float factor, const MutableTensorView& out) const;

  std::int64_t tiles() const { return steps_ * kernels::kStepKeys / kernels::kTileColumns; }
  kernels::Tile* right(Scratch<kernels::Tile>& of, std::int64_t panel, std::int64_t step) {
    return &of[(panel - first_panel_) * tiles() +
               step * kernels::kStepKeys / kernels::kTileColumns];
  }

  const kernels::TileEngine& engine_;
  std::int64_t depth_, value_depth_;
  const HeadProblem* head_ = nullptr;
  const GradientKeys* keys_ = nullptr;
  Range block_, part_;  // keys of whole steps, rows
  std::int64_t steps_ = 0, first_panel_ = 0;
  Scratch<float> scores_, products_, key_sums_, value_sums_, query_sums_;
  Scratch<kernels::Tile> weights_, gradients_, left_gradients_;
  FilterScratch filter_;
  std::int64_t entries_ = 0;
};

}  // namespace subquad
