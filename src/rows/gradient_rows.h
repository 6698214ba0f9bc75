// The queries and output gradients of a head as tiles of bf16 for the backward pass.
#pragma once

#include <cstdint>
#include <vector>

#include "core/memory.h"
#include "kernels/tiles/tile_engine.h"
#include "rows/gradient_keys.h"
#include "rows/head_problem.h"
#include "rows/tile_rows.h"
#include "subquad/attention.h"

namespace subquad {

// grad_out is rounded to bf16, for the products and for grad_out . out alike. Rows that tiles
// cannot do (PackedTiles; an lse or an output gradient that is not finite or too large) meet
// nothing here: they are listed.
class GradientRows {
 public:
  // 4 bytes a row for each of head_dim and value_dim, rounded up to 32. `keys` are finished.
  GradientRows(const HeadProblem& head, const BackwardArguments& arguments,
               const GradientKeys& keys);

  // Packs part i of so many, in any order on any thread.
  std::int64_t parts() const;
  void pack(std::int64_t part);

  std::int64_t panels() const { return panels_; }
  // Left tiles of a panel: of Q K^T and of dO V^T.
  const kernels::Tile* queries(std::int64_t panel) const {
    return queries_.data() + panel * 2 * depth_;
  }
  const kernels::Tile* grad_outs(std::int64_t panel) const {
    return grad_outs_.data() + panel * 2 * value_depth_;
  }
  // Left tiles of dS^T Q and of P^T dO, transposed: 16 channels t of a panel's rows; those of the
  // next channels are panels() tiles further.
  const kernels::Tile* query_channels(std::int64_t t, std::int64_t panel) const {
    return query_channels_.data() + t * panels_ + panel;
  }
  const kernels::Tile* grad_out_channels(std::int64_t t, std::int64_t panel) const {
    return grad_out_channels_.data() + t * panels_ + panel;
  }
  // Of the panel's rows: lse in base 2, grad_lse - grad_out . out.
  const float* lse(std::int64_t panel) const { return lse_.data() + panel * kernels::kPanelRows; }
  const float* offsets(std::int64_t panel) const {
    return offsets_.data() + panel * kernels::kPanelRows;
  }
  const PanelPlaces& keys(std::int64_t panel) const {
    return panel_keys_[static_cast<std::size_t>(panel)];
  }
  // Rows of the head, ascending.
  std::vector<std::int32_t> refused() const;

 private:
  struct Loaded;
  void pack_panel(std::int64_t panel, Loaded& loaded);
  bool take_row(std::int64_t row, std::int64_t position, const Loaded& loaded);

  HeadProblem head_;
  const BackwardArguments& arguments_;
  const GradientKeys& keys_;
  std::int64_t depth_, value_depth_, panels_;
  Scratch<kernels::Tile> queries_, grad_outs_, query_channels_, grad_out_channels_;
  Scratch<float> lse_, offsets_;
  std::vector<PanelPlaces> panel_keys_;
  std::vector<std::uint8_t> is_refused_;
};

}  // namespace subquad
