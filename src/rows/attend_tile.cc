#include "rows/attend_tile.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/gemm.h"
#include "kernels/softmax.h"
#include "kernels/stream.h"

namespace subquad {
namespace {

constexpr float kMasked = -std::numeric_limits<float>::infinity();

kernels::RowSums sums_of(const Partial& partial) {
  return {partial.m, partial.l, partial.o, partial.o_stride, partial.value_dim};
}

// Which of the panel's rows see which wild values, before the scores become weights.
void record_seen(const KeyTile& tile, const Range& columns, std::int64_t rows, ScorePanel& panel) {
  panel.seen().clear();
  for (const std::int64_t column : tile.values().wild())
    for (std::int64_t r = 0; r < rows; ++r)
      panel.seen().push_back(column >= columns.begin && column < columns.end &&
                             panel.data()[r * panel.stride() + column - columns.begin] != kMasked);
}

void add_wild_values(const KeyTile& tile, const Range& columns, const Partial& sums,
                     ScorePanel& panel) {
  std::vector<float> value(static_cast<std::size_t>(sums.value_dim));
  auto seen = panel.seen().begin();
  for (const std::int64_t column : tile.values().wild()) {
    tile.values().load(column, value.data());
    for (std::int64_t r = 0; r < sums.rows; ++r) {
      if (*seen++ == 0) continue;
      const float weight = panel.data()[r * panel.stride() + column - columns.begin];
      for (std::int64_t c = 0; c < sums.value_dim; ++c)
        sums.o[r * sums.o_stride + c] += weight * value[static_cast<std::size_t>(c)];
    }
  }
}

// One register block of rows against the tile.
void attend_panel(const HeadProblem& head, RowBlock& rows, const Range& part, const KeyTile& tile,
                  const EntrySets& left_out, ScorePanel& panel) {
  const Range columns = tile_columns(head, rows.rows(), part, tile.keys(), left_out);
  if (columns.empty()) return;
  const std::int64_t width = columns.end - columns.begin, count = part.end - part.begin;
  score_rows(head, rows, part, tile, columns, left_out, panel);
  const bool wild = rows.wants_values() && !tile.values().wild().empty();
  if (wild) record_seen(tile, columns, count, panel);
  const Partial sums = rows.partial().slice(part.begin, count);
  kernels::softmax_update(panel.data(), panel.stride(), count, width, sums_of(sums));
  if (!rows.wants_values()) return;
  tile.multiply_values(panel.data(), panel.stride(), count, columns, sums.o, sums.o_stride, true);
  if (wild) add_wild_values(tile, columns, sums, panel);
}

kernels::RowSource select(kernels::RowSource source, const IndexList& keys, const Range& columns) {
  source.ids = keys.ids;
  source.first = keys.first;
  return source.slice(columns.begin, columns.end - columns.begin);
}

// Lowers scores above the limit to it; NaN stays. Returns how many there were.
std::int32_t limit_scores(float* scores, std::int64_t count, float limit) {
  std::int32_t above = 0;
  for (std::int64_t c = 0; c < count; ++c) {
    above += scores[c] > limit ? 1 : 0;
    scores[c] = scores[c] > limit ? limit : scores[c];
  }
  return above;
}

// Masks of the problem and of `left_out`, and the rows' limits, on the panel's scores.
void filter_panel(const HeadProblem& head, const IndexList& rows, const IndexList& keys,
                  const Range& columns, const float* bias, const EntrySets& left_out,
                  const RowLimits& limits, ScorePanel& panel) {
  const std::int64_t width = columns.end - columns.begin, stride = panel.stride();
  for (std::int64_t r = 0; r < rows.count; ++r)
    filter_row(head, rows[r], keys, columns, bias, panel.data() + r * stride, panel.filter());
  for (const EntrySet* set : left_out)
    set->remove(rows, keys.slice(columns.begin, width), panel.data(), stride, panel.filter());
  for (std::int64_t r = 0; limits.log2 != nullptr && r < rows.count; ++r) {
    const std::int32_t above = limit_scores(panel.data() + r * stride, width, limits.log2[r]);
    if (limits.reached != nullptr) limits.reached[r] += above;
  }
  panel.count_entries(rows.count * width);
}

}  // namespace

ScorePanel::ScorePanel(std::int64_t max_keys)
    // One cache line of padding keeps the rows out of each other's cache sets.
    : stride_((max_keys + 31) / 32 * 32 + 16),
      scores_(stride_ * std::max<std::int64_t>(kernels::blocking().rows, kMaxStreamedRows)) {}

Range tile_columns(const HeadProblem& head, const IndexList& rows, const Range& part,
                   const IndexList& keys, const EntrySets& left_out) {
  Range columns = visible_columns(head, rows, part.begin, part.end, keys);
  const IndexList panel_rows = rows.slice(part.begin, part.end - part.begin);
  for (const EntrySet* set : left_out) {
    const Range left = set->columns_left(panel_rows, keys);
    columns = {std::max(columns.begin, left.begin), std::min(columns.end, left.end)};
  }
  columns.begin -= columns.begin % kernels::blocking().panel;
  return columns;
}

void score_rows(const HeadProblem& head, const RowBlock& rows, const Range& part,
                const KeyTile& tile, const Range& columns, const EntrySets& left_out,
                ScorePanel& panel) {
  const std::int64_t count = part.end - part.begin;
  tile.score(rows.query(part.begin), count, columns, panel.data(), panel.stride());
  filter_panel(head, rows.rows().slice(part.begin, count), tile.keys(), columns, tile.bias(),
               left_out, rows.limits().from(part.begin), panel);
}

void attend_tile(const HeadProblem& head, RowBlock& rows, const Range& part, const KeyTile& tile,
                 const EntrySets& left_out, ScorePanel& panel) {
  const std::int64_t step = kernels::blocking().rows;
  for (std::int64_t begin = part.begin; begin < part.end; begin += step)
    attend_panel(head, rows, {begin, std::min(begin + step, part.end)}, tile, left_out, panel);
}

bool attend_streamed(const HeadProblem& head, RowBlock& rows, const Range& part,
                     const IndexList& keys, const float* bias, const EntrySets& left_out,
                     ScorePanel& panel) {
  const Range columns = visible_columns(head, rows.rows(), part.begin, part.end, keys);
  if (columns.empty()) return true;
  const std::int64_t count = part.end - part.begin, width = columns.end - columns.begin;
  const std::int64_t stride = panel.stride();
  kernels::stream_scores(rows.query(part.begin), count, select(head.keys(), keys, columns),
                         panel.data(), stride);
  filter_panel(head, rows.rows().slice(part.begin, count), keys, columns, bias, left_out,
               rows.limits().from(part.begin), panel);
  const Partial sums = rows.partial().slice(part.begin, count);
  if (rows.wants_values()) rows.save(part);
  kernels::softmax_update(panel.data(), stride, count, width, sums_of(sums));
  if (!rows.wants_values()) return true;
  const bool finite = kernels::stream_values(
      panel.data(), stride, count, select(head.values(), keys, columns), sums.o, sums.o_stride);
  if (!finite) rows.restore(part);
  return finite;
}

}  // namespace subquad
