#include "rows/attend_tile.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/gemm.h"
#include "kernels/softmax.h"
#include "kernels/stream.h"
#include "rows/overflows.h"
#include "rows/tile_skips.h"

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

// Whether no row needs the tile: with skips, where each drops it.
bool is_dropped(const HeadProblem& head, const Partial& sums, const SkippableTile& tile,
                ScorePanel& panel) {
  return panel.skips() != nullptr &&
         panel.skips()->drop(head, tile, sums.m, {panel.data(), panel.stride()});
}

// The register blocks of rows that share a pass over the tile: its scores stay in the first-level
// cache.
constexpr std::int64_t kRowBlocks = 2;

// These rows against the tile.
void attend_panel(const HeadProblem& head, RowBlock& rows, const Range& part, const KeyTile& tile,
                  const EntrySets& left_out, ScorePanel& panel) {
  const Range columns = tile_columns(head, rows.rows(), part, tile.keys(), left_out);
  if (columns.empty()) return;
  const std::int64_t width = columns.end - columns.begin, count = part.end - part.begin;
  const Partial sums = rows.partial().slice(part.begin, count);
  score_rows(head, rows, part, tile, columns, left_out, panel);
  if (is_dropped(head, sums, {part, tile.keys(), columns}, panel)) return;
  const bool wild = rows.wants_values() && !tile.values().wild().empty();
  if (wild) record_seen(tile, columns, count, panel);
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
  filter_scores(head, rows, keys, columns, bias, left_out, panel.data(), stride, panel.filter());
  for (std::int64_t r = 0; limits.log2 != nullptr && r < rows.count; ++r) {
    const std::int32_t above = limit_scores(panel.data() + r * stride, width, limits.log2[r]);
    if (limits.reached != nullptr) limits.reached[r] += above;
  }
}

// The keys of a run and the columns of it that some rows meet.
struct StreamedKeys {
  IndexList keys;
  Range columns;
  const float* bias;
};

// Scores of the rows, masked, into the panel.
void stream_filtered(const HeadProblem& head, const RowBlock& rows, const Range& part,
                     const StreamedKeys& met, const EntrySets& left_out, ScorePanel& panel) {
  const std::int64_t count = part.end - part.begin;
  stream_scores(rows.query(part.begin), count, select(head.keys(), met.keys, met.columns),
                lowest_score(head), panel.data(), panel.stride());
  filter_panel(head, rows.rows().slice(part.begin, count), met.keys, met.columns, met.bias,
               left_out, rows.limits().from(part.begin), panel);
}

// Which of the panel's rows see which wild columns.
void note_seen(const std::vector<std::int64_t>& wild, std::int64_t rows, ScorePanel& panel) {
  panel.seen().clear();
  for (const std::int64_t column : wild)
    for (std::int64_t r = 0; r < rows; ++r)
      panel.seen().push_back(panel.data()[r * panel.stride() + column] != kMasked);
}

void add_seen_values(const kernels::RowSource& values, const std::vector<std::int64_t>& wild,
                     const Partial& sums, ScorePanel& panel) {
  std::vector<float> value(static_cast<std::size_t>(sums.value_dim));
  auto seen = panel.seen().begin();
  for (const std::int64_t column : wild) {
    kernels::load_rows(values.slice(column, 1), 1.0f, value.data(), sums.value_dim, sums.value_dim);
    for (std::int64_t r = 0; r < sums.rows; ++r) {
      if (*seen++ == 0) continue;
      const float weight = panel.data()[r * panel.stride() + column];
      for (std::int64_t c = 0; c < sums.value_dim; ++c)
        sums.o[r * sums.o_stride + c] += weight * value[static_cast<std::size_t>(c)];
    }
  }
}

}  // namespace

ScorePanel::ScorePanel(std::int64_t max_keys)
    // One cache line of padding keeps the rows out of each other's cache sets.
    : stride_((max_keys + 31) / 32 * 32 + 16),
      scores_(stride_ *
              std::max<std::int64_t>(kRowBlocks * kernels::blocking().rows, kMaxStreamedRows)) {}

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
  tile.score(rows.query(part.begin), count, columns, panel.data(), panel.stride(), rows.calm());
  filter_panel(head, rows.rows().slice(part.begin, count), tile.keys(), columns, tile.bias(),
               left_out, rows.limits().from(part.begin), panel);
  panel.count_entries(count * (columns.end - columns.begin));
}

void attend_tile(const HeadProblem& head, RowBlock& rows, const Range& part, const KeyTile& tile,
                 const EntrySets& left_out, ScorePanel& panel) {
  const std::int64_t step = kRowBlocks * kernels::blocking().rows;
  for (std::int64_t begin = part.begin; begin < part.end; begin += step)
    attend_panel(head, rows, {begin, std::min(begin + step, part.end)}, tile, left_out, panel);
}

void attend_streamed(const HeadProblem& head, RowBlock& rows, const Range& part,
                     const IndexList& keys, const float* bias, const EntrySets& left_out,
                     ScorePanel& panel) {
  const Range columns = visible_columns(head, rows.rows(), part.begin, part.end, keys);
  if (columns.empty()) return;
  const std::int64_t count = part.end - part.begin, width = columns.end - columns.begin;
  const Partial sums = rows.partial().slice(part.begin, count);
  const kernels::RowSource values = select(head.values(), keys, columns);
  stream_filtered(head, rows, part, {keys, columns, bias}, left_out, panel);
  panel.count_entries(count * width);
  if (rows.wants_values()) rows.save(part);
  kernels::softmax_update(panel.data(), panel.stride(), count, width, sums_of(sums));
  if (!rows.wants_values() ||
      kernels::stream_values(panel.data(), panel.stride(), count, values, sums.o, sums.o_stride))
    return;
  // Once more, with the values that are not finite kept to the rows that see them.
  rows.restore(part);
  stream_filtered(head, rows, part, {keys, columns, bias}, left_out, panel);
  const std::vector<std::int64_t> wild = wild_rows(values);
  note_seen(wild, count, panel);
  kernels::softmax_update(panel.data(), panel.stride(), count, width, sums_of(sums));
  stream_around(panel.data(), panel.stride(), count, values, wild, sums.o, sums.o_stride);
  add_seen_values(values, wild, sums, panel);
}

std::vector<std::int64_t> wild_rows(const kernels::RowSource& source) {
  std::vector<std::int64_t> wild;
  for (std::int64_t j = 0; j < source.count; ++j)
    if (!kernels::all_finite(source.slice(j, 1))) wild.push_back(j);
  return wild;
}

void stream_around(const float* weights, std::int64_t stride, std::int64_t rows,
                   const kernels::RowSource& source, const std::vector<std::int64_t>& wild,
                   float* o, std::int64_t o_stride) {
  std::int64_t begin = 0;
  const auto stream_to = [&](std::int64_t end) {
    if (begin < end)
      kernels::stream_values(weights + begin, stride, rows, source.slice(begin, end - begin), o,
                             o_stride);
    begin = end + 1;
  };
  for (const std::int64_t j : wild) stream_to(j);
  stream_to(source.count);
}

}  // namespace subquad
