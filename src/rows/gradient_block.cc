#include "rows/gradient_block.h"

#include <algorithm>

#include "core/round_up.h"
#include "kernels/backward.h"
#include "kernels/tiles/tile_pack.h"
#include "rows/tile_rows.h"
#include "rows/tile_sizes.h"

namespace subquad {
namespace {

using kernels::kPanelRows, kernels::kStepKeys, kernels::kTileColumns, kernels::kTileDepth,
    kernels::kTileRows, kernels::Tile;

constexpr std::int64_t kPanels = kGradientRows / kPanelRows;
constexpr std::int64_t kHalfSteps = kGradientKeys / kTileDepth;
constexpr std::int64_t kHalvesAStep = kStepKeys / kTileDepth;
constexpr std::int64_t kTilesAStep = kStepKeys / kTileColumns;

}  // namespace

GradientBlock::GradientBlock(const kernels::TileEngine& engine, std::int64_t head_dim,
                             std::int64_t value_dim)
    : engine_(engine),
      depth_(kernels::tiles_along(head_dim)),
      value_depth_(kernels::tiles_along(value_dim)),
      scores_(kPanelRows * kStepKeys),
      products_(kPanelRows * kStepKeys),
      key_sums_(depth_ * kTileDepth * kGradientKeys),
      value_sums_(value_depth_ * kTileDepth * kGradientKeys),
      query_sums_(kGradientRows * depth_ * kTileDepth),
      weights_(kPanels * kGradientKeys / kTileColumns),
      gradients_(kPanels * kGradientKeys / kTileColumns),
      left_gradients_(2 * kHalfSteps) {}

void GradientBlock::start(const HeadProblem& head, const GradientKeys& keys, const Range& block) {
  head_ = &head;
  keys_ = &keys;
  block_ = {std::max(block.begin, keys.keys().begin) / kStepKeys * kStepKeys,
            std::min(round_up(block.end, kStepKeys), keys.keys().end)};
  steps_ = std::max<std::int64_t>(block_.end - block_.begin, 0) / kStepKeys;
  std::fill_n(key_sums_.data(), key_sums_.size(), 0.0f);
  std::fill_n(value_sums_.data(), value_sums_.size(), 0.0f);
}

void GradientBlock::add(const GradientRows& rows, const Range& part) {
  part_ = part;
  first_panel_ = part.begin / kPanelRows;
  std::fill_n(query_sums_.data(), query_sums_.size(), 0.0f);
  const kernels::TileScope scope(engine_);
  for (std::int64_t begin = part.begin; begin < part.end; begin += kPanelRows)
    add_panel(rows, begin / kPanelRows);
  sum_rows(rows);
}

void GradientBlock::add_panel(const GradientRows& rows, std::int64_t panel) {
  const std::int64_t begin = panel * kPanelRows;
  bool any = false;
  for (std::int64_t step = 0; step < steps_; ++step) any = differentiate(rows, panel, step) || any;
  const std::int64_t width = depth_ * kTileDepth;
  if (any)
    engine_.values({left_gradients_.data(), kHalfSteps, steps_ * kHalvesAStep,
                    keys_->key_pairs(block_.begin), 2 * depth_,
                    &query_sums_[(begin - part_.begin) * width], width});
}

// Weights and score gradients of a panel and a step; returns whether any row may see its keys.
bool GradientBlock::differentiate(const GradientRows& rows, std::int64_t panel, std::int64_t step) {
  const PanelPlaces& keys = rows.keys(panel);
  const std::int64_t key = block_.begin + step * kStepKeys, begin = panel * kPanelRows;
  if (key >= keys.seen.end || key + kStepKeys <= keys.seen.begin) {
    clear_step(panel, step);
    return false;
  }
  const Range part{begin, std::min(begin + kPanelRows, part_.end)};
  engine_.scores(rows.queries(panel), keys_->key_columns(key), depth_, scores_.data());
  engine_.scores(rows.grad_outs(panel), keys_->value_columns(key), value_depth_, products_.data());
  if (key < keys.inside.begin || key + kStepKeys > keys.inside.end) hide(part, key);
  engine_.gradients({scores_.data(), products_.data(), head_->scale_log2, rows.lse(panel),
                     rows.offsets(panel), right(weights_, panel, step),
                     right(gradients_, panel, step), &left_gradients_[step * kHalvesAStep],
                     kHalfSteps});
  entries_ += (part.end - part.begin) * (std::min(key + kStepKeys, head_->num_keys) - key);
  return true;
}

void GradientBlock::clear_step(std::int64_t panel, std::int64_t step) {
  std::fill_n(right(weights_, panel, step), kTilesAStep, Tile{});
  std::fill_n(right(gradients_, panel, step), kTilesAStep, Tile{});
  for (std::int64_t row = 0; row < 2; ++row)
    std::fill_n(&left_gradients_[row * kHalfSteps + step * kHalvesAStep], kHalvesAStep, Tile{});
}

void GradientBlock::hide(const Range& rows, std::int64_t key) {
  const std::int64_t count = std::min(kStepKeys, head_->num_keys - key);
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    float* scores = scores_.data() + (row - rows.begin) * kStepKeys;
    mask_outside(head_->visible(row), key, scores);
    if (head_->problem->mask.kind != MaskKind::none)
      filter_row(*head_, row, index_range(key, key + count), {0, count}, nullptr, scores, filter_);
  }
}

// grad_key and grad_value, transposed: 32 channels a time, of all panels.
void GradientBlock::sum_rows(const GradientRows& rows) {
  const std::int64_t panels = count_blocks(part_.end - part_.begin, kPanelRows);
  for (std::int64_t t = 0; t < depth_; ++t)
    engine_.values({rows.query_channels(2 * t, first_panel_), rows.panels(), panels,
                    gradients_.data(), tiles(), &key_sums_[t * kTileDepth * kGradientKeys],
                    kGradientKeys});
  for (std::int64_t t = 0; t < value_depth_; ++t)
    engine_.values({rows.grad_out_channels(2 * t, first_panel_), rows.panels(), panels,
                    weights_.data(), tiles(), &value_sums_[t * kTileDepth * kGradientKeys],
                    kGradientKeys});
}

void GradientBlock::add_grad_query(const MutableTensorView& grad_query) const {
  const std::int64_t width = depth_ * kTileDepth, count = part_.end - part_.begin,
                     step = head_->group;  // to the next row of the same query head
  for (std::int64_t first = 0; first < std::min(step, count); ++first)
    kernels::add_rows(&query_sums_[first * width], step * width, (count - first + step - 1) / step,
                      head_->head_dim(), resolved_scale(*head_->problem),
                      static_cast<float*>(head_->row_in(grad_query, part_.begin + first)),
                      grad_query.stride[2]);
}

void GradientBlock::add_transposed(const Scratch<float>& sums, float factor,
                                   const MutableTensorView& out) const {
  if (out.empty()) return;
  const std::int64_t width = out.channels();
  for (std::int64_t key = block_.begin; key < std::min(block_.end, head_->num_keys); ++key) {
    float* to = static_cast<float*>(out.data) +
                out.offset(head_->batch, head_->kv_head, head_->key_begin + key);
    for (std::int64_t c = 0; c < width; ++c)
      to[c] += factor * sums[c * kGradientKeys + key - block_.begin];
  }
}

void GradientBlock::flush(const BackwardArguments& arguments) {
  add_transposed(key_sums_, resolved_scale(*head_->problem), arguments.grad_key);
  add_transposed(value_sums_, 1.0f, arguments.grad_value);
}

}  // namespace subquad
