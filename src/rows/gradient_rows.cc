#include "rows/gradient_rows.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/half.h"
#include "kernels/tiles/tile_limits.h"
#include "kernels/tiles/tile_pack.h"
#include "rows/head_rows.h"
#include "rows/tile_sizes.h"

namespace subquad {
namespace {

using kernels::kPanelRows, kernels::kTileRows;

constexpr std::int64_t kPartPanels = 8;
constexpr float kNoWeight = 1e30f;          // an lse beside which every weight is zero
constexpr float kLargestTileLse = 0x1p21f;  // as large as scores get, and the log of a sum
constexpr float kLargestTileOffset = 0x1p70f;

const std::uint16_t* query_row(const HeadProblem& head, std::int64_t row) {
  return static_cast<const std::uint16_t*>(head.row_in(head.problem->query, row));
}

}  // namespace

// A panel's grad_out, as bf16 and, rounded, as f32; its out.
struct GradientRows::Loaded {
  explicit Loaded(std::int64_t width)
      : grad_outs(kPanelRows * width), outs(kPanelRows * width), bits(kPanelRows * width) {}

  void load(const HeadProblem& head, const BackwardArguments& arguments, const Range& rows,
            std::int64_t width) {
    const IndexList list = index_range(rows.begin, rows.end);
    load_head_rows(head, arguments.grad_out, list, 1.0f, grad_outs.data(), width);
    load_head_rows(head, arguments.out, list, 1.0f, outs.data(), width);
    for (std::int64_t i = 0; i < list.count * width; ++i) {
      bits[i] = f32_to_bf16(grad_outs[i]);
      grad_outs[i] = bf16_to_f32(bits[i]);
    }
  }

  Scratch<float> grad_outs, outs;
  Scratch<std::uint16_t> bits;
};

GradientRows::GradientRows(const HeadProblem& head, const BackwardArguments& arguments,
                           const GradientKeys& keys)
    : head_(head),
      arguments_(arguments),
      keys_(keys),
      depth_(keys.depth()),
      value_depth_(keys.value_depth()),
      panels_(count_blocks(head.num_rows(), kPanelRows)),
      queries_(panels_ * 2 * depth_),
      grad_outs_(panels_ * 2 * value_depth_),
      query_channels_(panels_ * 2 * depth_),
      grad_out_channels_(panels_ * 2 * value_depth_),
      lse_(panels_ * kPanelRows),
      offsets_(panels_ * kPanelRows),
      panel_keys_(static_cast<std::size_t>(panels_)),
      is_refused_(static_cast<std::size_t>(head.num_rows())) {}

std::int64_t GradientRows::parts() const { return count_blocks(panels_, kPartPanels); }

void GradientRows::pack(std::int64_t part) {
  Loaded loaded(head_.value_dim());
  const std::int64_t begin = part * kPartPanels, end = std::min(begin + kPartPanels, panels_);
  for (std::int64_t panel = begin; panel < end; ++panel) pack_panel(panel, loaded);
}

void GradientRows::pack_panel(std::int64_t panel, Loaded& loaded) {
  const std::int64_t width = head_.value_dim(), begin = panel * kPanelRows;
  const Range rows{begin, std::min(begin + kPanelRows, head_.num_rows())};
  panel_keys_[static_cast<std::size_t>(panel)] =
      panel_places(head_, index_range(rows.begin, rows.end), index_range(0, head_.num_keys), {});
  loaded.load(head_, arguments_, rows, width);
  const std::uint16_t *query_rows[kPanelRows] = {}, *grad_out_rows[kPanelRows] = {};
  std::fill_n(lse_.data() + begin, kPanelRows, kNoWeight);
  std::fill_n(offsets_.data() + begin, kPanelRows, 0.0f);
  for (std::int64_t r = 0; r < kPanelRows; ++r) {
    if (begin + r < rows.end && take_row(begin + r, r, loaded)) {
      query_rows[r] = query_row(head_, begin + r);
      grad_out_rows[r] = loaded.bits.data() + r * width;
    }
    const std::int64_t tile_row = 2 * panel + r / kTileRows;
    kernels::pack_query_row(query_rows[r], head_.head_dim(), r % kTileRows,
                            &queries_[tile_row * depth_]);
    kernels::pack_query_row(grad_out_rows[r], width, r % kTileRows,
                            &grad_outs_[tile_row * value_depth_]);
  }
  kernels::pack_transposed_rows(query_rows, head_.head_dim(), 2 * depth_, &query_channels_[panel],
                                panels_);
  kernels::pack_transposed_rows(grad_out_rows, width, 2 * value_depth_, &grad_out_channels_[panel],
                                panels_);
}

// Whether the row has entries on tiles: number `position` of its panel.
bool GradientRows::take_row(std::int64_t row, std::int64_t position, const Loaded& loaded) {
  const float lse = read_f32(head_, arguments_.lse, row);
  const std::int64_t width = head_.value_dim();
  const float* grad_out = loaded.grad_outs.data() + position * width;
  const float* out = loaded.outs.data() + position * width;
  float offset = read_f32(head_, arguments_.grad_lse, row);
  for (std::int64_t c = 0; c < width; ++c) offset -= grad_out[c] * out[c];
  const std::uint16_t* query = query_row(head_, row);
  const bool fits =
      fits_tiles(query, head_.head_dim(), head_.scale_log2) &&
      !kernels::any_above(query, head_.head_dim(), f32_to_bf16(kLargestTileElement)) &&
      !kernels::any_above(loaded.bits.data() + position * width, width,
                          f32_to_bf16(kLargestTileValue)) &&
      (std::abs(lse) <= kLargestTileLse || lse == -HUGE_VALF) &&
      std::abs(offset) <= kLargestTileOffset && !sees_any(head_, row, keys_.wild());
  if (!fits) is_refused_[static_cast<std::size_t>(row)] = 1;
  if (!fits || lse == -HUGE_VALF) return false;
  lse_[row] = lse * std::numbers::log2e_v<float>;
  offsets_[row] = offset;
  return true;
}

std::vector<std::int32_t> GradientRows::refused() const {
  std::vector<std::int32_t> rows;
  for (std::size_t i = 0; i < is_refused_.size(); ++i)
    if (is_refused_[i] != 0) rows.push_back(static_cast<std::int32_t>(i));
  return rows;
}

}  // namespace subquad
