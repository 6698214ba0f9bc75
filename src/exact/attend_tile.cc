#include "exact/attend_tile.h"

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

// Rows [begin, begin + count) of the block against the tile.
void attend_panel(const HeadProblem& head, RowBlock& rows, std::int64_t begin, std::int64_t count,
                  const KeyTile& tile, const EntrySets& taken, ScorePanel& panel) {
  Range columns = visible_columns(head, rows.rows(), begin, begin + count, tile.keys());
  if (columns.empty()) return;
  columns.begin -= columns.begin % kernels::blocking().panel;
  const std::int64_t width = columns.end - columns.begin;
  score_rows(head, rows, begin, count, tile, columns, taken, panel);
  const bool wild = !tile.values().wild().empty();
  if (wild) record_seen(tile, columns, count, panel);
  const Partial sums = rows.partial().slice(begin, count);
  kernels::softmax_update(panel.data(), panel.stride(), count, width, sums_of(sums));
  kernels::gemm({panel.data(), panel.stride(), 1}, tile.values().from(columns.begin), count,
                sums.value_dim, width, sums.o, sums.o_stride, true);
  if (wild) add_wild_values(tile, columns, sums, panel);
}

kernels::RowSource contiguous(kernels::RowSource source, const IndexList& keys,
                              const Range& columns) {
  source.first = keys.first + columns.begin;
  source.count = columns.end - columns.begin;
  return source;
}

}  // namespace

ScorePanel::ScorePanel(std::int64_t max_keys)
    // One cache line of padding keeps the rows out of each other's cache sets.
    : stride_((max_keys + 31) / 32 * 32 + 16),
      scores_(stride_ * std::max<std::int64_t>(kernels::blocking().rows, kMaxStreamedRows)) {}

void score_rows(const HeadProblem& head, const RowBlock& rows, std::int64_t begin,
                std::int64_t count, const KeyTile& tile, const Range& columns,
                const EntrySets& taken, ScorePanel& panel) {
  const std::int64_t width = columns.end - columns.begin, stride = panel.stride();
  kernels::gemm({rows.query(begin), rows.head_dim(), 1}, tile.keys_from(columns.begin), count,
                width, rows.head_dim(), panel.data(), stride, false);
  for (std::int64_t r = 0; r < count; ++r)
    filter_row(head, rows.rows()[begin + r], tile.keys(), columns, tile.bias(),
               panel.data() + r * stride, panel.filter());
  const IndexList panel_rows = rows.rows().slice(begin, count);
  const IndexList panel_keys = tile.keys().slice(columns.begin, width);
  for (const EntrySet* set : taken)
    set->remove(panel_rows, panel_keys, panel.data(), stride, panel.filter());
  panel.count_entries(count * width);
}

void attend_tile(const HeadProblem& head, RowBlock& rows, const KeyTile& tile,
                 const EntrySets& taken, ScorePanel& panel) {
  const std::int64_t step = kernels::blocking().rows;
  for (std::int64_t begin = 0; begin < rows.rows().count; begin += step)
    attend_panel(head, rows, begin, std::min(step, rows.rows().count - begin), tile, taken, panel);
}

bool attend_streamed(const HeadProblem& head, RowBlock& rows, const IndexList& keys,
                     ScorePanel& panel) {
  const std::int64_t count = rows.rows().count;
  const Range columns = visible_columns(head, rows.rows(), 0, count, keys);
  if (columns.empty()) return true;
  const std::int64_t stride = panel.stride();
  kernels::stream_scores(rows.query(0), count, contiguous(head.keys(), keys, columns), panel.data(),
                         stride);
  for (std::int64_t r = 0; r < count; ++r)
    filter_row(head, rows.rows()[r], keys, columns, nullptr, panel.data() + r * stride,
               panel.filter());
  panel.count_entries(count * (columns.end - columns.begin));
  const Partial sums = rows.partial();
  rows.save();
  kernels::softmax_update(panel.data(), stride, count, columns.end - columns.begin, sums_of(sums));
  const bool finite = kernels::stream_values(
      panel.data(), stride, count, contiguous(head.values(), keys, columns), sums.o, sums.o_stride);
  if (!finite) rows.restore();
  return finite;
}

}  // namespace subquad
