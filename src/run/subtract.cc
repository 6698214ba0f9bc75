#include "run/subtract.h"

#include <algorithm>

#include "rows/attend_tile.h"
#include "rows/entry_marks.h"
#include "rows/tile_sizes.h"

namespace subquad {
namespace {

// The most keys that a row of the run meets: of its first, middle and last row.
std::int64_t most_entries(const HeadProblem& head, const KeyRun& run, const IndexList& rows,
                          const EntrySets& left_out) {
  const auto width = [&](std::int64_t r) {
    const Range columns = tile_columns(head, rows, {r, r + 1}, run.keys, left_out);
    return columns.end - columns.begin;
  };
  return std::max(
      {width(run.rows.begin), width((run.rows.begin + run.rows.end) / 2), width(run.rows.end - 1)});
}

}  // namespace

void subtract_entries(const HeadProblem& head, const KeyRun& run, const EntrySets& taken,
                      RowBlock& rows, ImpliedSums& implied, TileScratch& scratch) {
  if (run.rows.empty() || run.keys.count == 0 || implied.holds_none(run, rows)) return;
  const IndexList& listed = rows.rows();
  collect_left_out(run, listed, taken, scratch.left_out);
  if (scratch.left_out.empty() && implied.subtract_run(run, rows)) return;
  const auto mark = [&](const Range& part, const IndexList& keys, float* marks,
                        std::int64_t stride) {
    const Range columns = tile_columns(head, listed, part, keys, scratch.left_out);
    if (columns.empty()) return columns;
    const std::int64_t width = columns.end - columns.begin, count = part.end - part.begin;
    mark_entries(head, listed.slice(part.begin, count), keys.slice(columns.begin, width),
                 scratch.left_out, marks, stride, scratch.panel.filter());
    scratch.panel.count_entries(count * width);
    return columns;
  };
  implied.add({run, most_entries(head, run, listed, scratch.left_out), mark}, -1, 0, rows,
              scratch.panel);
}

void subtract_entries(const IndexList& rows, const Range& part, const IndexList& keys,
                      const EntrySets& left_out, const KeySums& sums, ImpliedGradients& implied) {
  if (implied.holds_none(part, keys)) return;
  implied.load(keys);
  for (std::int64_t begin = part.begin; begin < part.end; begin += kBackwardRows) {
    implied.weigh(rows, {begin, std::min(begin + kBackwardRows, part.end)}, left_out, -1);
    implied.spread(sums);
  }
  implied.finish(sums);
}

}  // namespace subquad
