#include "rows/backward_tile.h"

#include <algorithm>
#include <array>
#include <limits>

#include "rows/attend_tile.h"
#include "kernels/backward.h"
#include "kernels/stream.h"

namespace subquad {
namespace {

constexpr std::int64_t kMaxPanelRows = 32;
constexpr std::array<float, kMaxPanelRows> kNoOffset{};
constexpr float kLowest = std::numeric_limits<float>::lowest();

kernels::RowSource select(kernels::RowSource source, const IndexList& keys, const Range& columns) {
  source.ids = keys.ids;
  source.first = keys.first;
  return source.slice(columns.begin, columns.end - columns.begin);
}

}  // namespace

BackwardTile::BackwardTile(std::int64_t head_dim, std::int64_t value_dim, std::int64_t max_rows,
                           std::int64_t max_keys, const WantedGradients& wanted)
    : head_dim_(head_dim),
      value_dim_(value_dim),
      // One cache line of padding keeps the rows out of each other's cache sets.
      stride_((max_keys + 31) / 32 * 32 + 16),
      wanted_(wanted),
      weights_(max_rows * stride_),
      gradients_(max_rows * stride_) {}

void BackwardTile::run(const HeadProblem& head, BackwardRows& rows, const Range& part,
                       const BackwardKeys& keys, const TileEntries& entries, const KeySums& sums) {
  columns_ = tile_columns(head, rows.rows(), part, keys.keys(), entries.left_out);
  if (columns_.empty()) return;
  const std::int64_t step = kernels::blocking().rows;
  for (std::int64_t begin = part.begin; begin < part.end; begin += step)
    compute_panel(head, rows, {begin, std::min(begin + step, part.end)}, begin - part.begin, keys,
                  entries);
  add_products(rows, part, keys, entries, sums);
  entries_ += (part.end - part.begin) * (columns_.end - columns_.begin);
}

// Weights, and score gradients if wanted, of a register block of rows: row `at` of the tile and
// those after it.
void BackwardTile::compute_panel(const HeadProblem& head, const BackwardRows& rows,
                                 const Range& panel, std::int64_t at, const BackwardKeys& keys,
                                 const TileEntries& entries) {
  const std::int64_t width = columns_.end - columns_.begin, count = panel.end - panel.begin;
  float* weights = weights_.data() + at * stride_;
  const kernels::RightMatrix columns = keys.keys_from(columns_.begin);
  kernels::gemm({rows.query(panel.begin), head_dim_, 1}, columns, count, width, head_dim_, weights,
                stride_, false);
  const Products scores = products(weights_, rows.query(panel.begin), panel, at, head_dim_);
  mend_overflows(scores, find_overflows(scores, columns, keys.calm_keys()), kLowest);
  finish_weights(head, rows, panel, at, keys.keys(), keys.bias(), entries.left_out);
  if (wanted_.scores()) compute_gradients(rows, panel, at, keys, entries.sums);
}

// Scores become weights.
void BackwardTile::finish_weights(const HeadProblem& head, const BackwardRows& rows,
                                  const Range& panel, std::int64_t at, const IndexList& keys,
                                  const float* bias, const EntrySets& left_out) {
  const std::int64_t width = columns_.end - columns_.begin, count = panel.end - panel.begin;
  float* weights = weights_.data() + at * stride_;
  const IndexList list = rows.rows().slice(panel.begin, count);
  for (std::int64_t r = 0; r < count; ++r)
    filter_row(head, list[r], keys, columns_, bias, weights + r * stride_, filter_);
  for (const EntrySet* set : left_out)
    set->remove(list, keys.slice(columns_.begin, width), weights, stride_, filter_);
  kernels::weight_rows(weights, stride_, count, width, rows.lse_log2(panel.begin));
}

void BackwardTile::compute_gradients(const BackwardRows& rows, const Range& panel, std::int64_t at,
                                     const BackwardKeys& keys, Sums sums) {
  const std::int64_t width = columns_.end - columns_.begin, count = panel.end - panel.begin;
  if (sums == Sums::weights) return finish_gradients(rows, panel, at, sums, {});
  const kernels::RightMatrix columns = keys.values_from(columns_.begin);
  kernels::gemm({rows.grad_out(panel.begin), value_dim_, 1}, columns, count, width, value_dim_,
                gradients_.data() + at * stride_, stride_, false);
  const Products dots = products(gradients_, rows.grad_out(panel.begin), panel, at, value_dim_);
  finish_gradients(rows, panel, at, sums, find_overflows(dots, columns, keys.calm_values()));
}

Products BackwardTile::products(Scratch<float>& data, const float* left, const Range& panel,
                                std::int64_t at, std::int64_t depth) {
  return {data.data() + at * stride_,    stride_, panel.end - panel.begin,
          columns_.end - columns_.begin, left,    depth};
}

// grad_out . value becomes dL/d score; what float32 lost of the first enters in double.
void BackwardTile::finish_gradients(const BackwardRows& rows, const Range& panel, std::int64_t at,
                                    Sums sums, const std::vector<Overflow>& lost) {
  const std::int64_t width = columns_.end - columns_.begin, count = panel.end - panel.begin;
  float* gradients = gradients_.data() + at * stride_;
  for (std::int64_t r = 0; sums == Sums::weights && r < count; ++r)
    std::fill_n(gradients + r * stride_, width, 0.0f);
  const float* offset = sums == Sums::values ? kNoOffset.data() : rows.offset(panel.begin);
  kernels::score_gradient_rows(weights_.data() + at * stride_, gradients, stride_, count, width,
                               offset);
  for (const Overflow& one : lost) {
    const std::int64_t place = one.row * stride_ + one.column;
    const float weight = weights_[at * stride_ + place];
    if (!kernels::is_masked(weight))
      gradients[place] =
          static_cast<float>(double{weight} * (one.product + double{offset[one.row]}));
  }
}

void BackwardTile::add_products(BackwardRows& rows, const Range& part, const BackwardKeys& keys,
                                const TileEntries& entries, const KeySums& sums) {
  const std::int64_t width = columns_.end - columns_.begin, count = part.end - part.begin;
  const float* weights = weights_.data();
  const float* gradients = gradients_.data();
  if (wanted_.value && entries.sums != Sums::weights)
    multiply_seen({{weights, 1, stride_}, weights}, rows.grad_out_panels(), part.begin, width,
                  count, sums.grad_value(columns_.begin), sums.value_stride, true);
  if (wanted_.key)
    multiply_seen({{gradients, 1, stride_}, weights}, rows.query_panels(), part.begin, width, count,
                  sums.grad_key(columns_.begin), sums.key_stride, true);
  if (wanted_.query)
    multiply_seen({{gradients, stride_, 1}, weights}, keys.key_panels(), columns_.begin, count,
                  width, rows.grad_query(part.begin), rows.grad_query_stride(), true);
}

void BackwardTile::run_streamed(const HeadProblem& head, BackwardRows& rows, const Range& part,
                                const IndexList& keys, const float* bias,
                                const TileEntries& entries, const KeySums& sums) {
  columns_ = tile_columns(head, rows.rows(), part, keys, entries.left_out);
  if (columns_.empty()) return;
  const std::int64_t count = part.end - part.begin;
  const kernels::RowSource key_rows = select(head.keys(), keys, columns_);
  stream_scores(rows.query(part.begin), count, key_rows, kLowest, weights_.data(), stride_);
  finish_weights(head, rows, part, 0, keys, bias, entries.left_out);
  if (wanted_.scores()) stream_gradients(head, rows, part, keys, entries.sums);
  if (wanted_.query) stream_grad_query(rows, part, key_rows);
  add_outer_products(rows, part, entries.sums, sums);
  entries_ += count * (columns_.end - columns_.begin);
}

void BackwardTile::stream_gradients(const HeadProblem& head, const BackwardRows& rows,
                                    const Range& part, const IndexList& keys, Sums sums) {
  if (sums == Sums::weights) return finish_gradients(rows, part, 0, sums, {});
  const kernels::RowSource values = select(head.values(), keys, columns_);
  kernels::stream_scores(rows.grad_out(part.begin), part.end - part.begin, values,
                         gradients_.data(), stride_);
  const Products dots = products(gradients_, rows.grad_out(part.begin), part, 0, value_dim_);
  finish_gradients(rows, part, 0, sums, find_overflows(dots, values));
}

// A key with an Inf or NaN reaches the rows that see it, and no others.
void BackwardTile::stream_grad_query(BackwardRows& rows, const Range& part,
                                     const kernels::RowSource& keys) {
  const std::int64_t count = part.end - part.begin, sum_stride = rows.grad_query_stride();
  float* sums = rows.grad_query(part.begin);
  saved_.assign(sums, sums + count * sum_stride);
  if (kernels::stream_values(gradients_.data(), stride_, count, keys, sums, sum_stride)) return;
  std::copy(saved_.begin(), saved_.end(), sums);
  const std::vector<std::int64_t> wild = wild_rows(keys);
  stream_around(gradients_.data(), stride_, count, keys, wild, sums, sum_stride);
  std::vector<float> key(static_cast<std::size_t>(head_dim_));
  for (const std::int64_t j : wild) {
    kernels::load_rows(keys.slice(j, 1), 1.0f, key.data(), head_dim_, head_dim_);
    for (std::int64_t r = 0; r < count; ++r)
      if (!kernels::is_masked(weights_[r * stride_ + j]))
        kernels::add_rows(key.data(), 0, 1, head_dim_, gradients_[r * stride_ + j],
                          sums + r * sum_stride, 0);
  }
}

void BackwardTile::add_outer_products(const BackwardRows& rows, const Range& part, Sums of,
                                      const KeySums& sums) {
  const std::int64_t width = columns_.end - columns_.begin, count = part.end - part.begin;
  if (wanted_.value && of != Sums::weights)
    kernels::add_outer(weights_.data(), weights_.data(), stride_, count, width,
                       rows.grad_out(part.begin), value_dim_, sums.grad_value(columns_.begin),
                       sums.value_stride);
  if (wanted_.key)
    kernels::add_outer(gradients_.data(), weights_.data(), stride_, count, width,
                       rows.query(part.begin), head_dim_, sums.grad_key(columns_.begin),
                       sums.key_stride);
}

bool BackwardTile::met_any(std::int64_t i) const {
  const float* row = weights_.data() + i * stride_;
  const std::int64_t width = columns_.empty() ? 0 : columns_.end - columns_.begin;
  return !std::all_of(row, row + width, kernels::is_masked);
}

}  // namespace subquad
