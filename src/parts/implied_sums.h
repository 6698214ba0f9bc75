// How what a model holds for single entries leaves the sums of rows, or joins them again.
//
// cost: the model's weights, keys * Dv multiply-adds a row, and the marks of the entries.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "core/memory.h"
#include "parts/implied_entries.h"
#include "rows/attend_run.h"
#include "rows/head_problem.h"
#include "rows/key_run.h"
#include "rows/partial.h"
#include "rows/row_block.h"
#include "rows/row_panels.h"

namespace subquad {

// Some entries of a run. mark(rows of the block, keys, marks, stride): as in MarkedEntries; returns
// the columns outside which no entry is marked, begun at a multiple of the panel width; marks[0]
// belongs to the first of them.
struct RunEntries {
  const KeyRun& run;
  std::int64_t most;  // of a row
  std::function<Range(const Range&, const IndexList&, float*, std::int64_t)> mark;
};

// One thread's memory.
class ImpliedSums {
 public:
  // `head` must outlive this.
  ImpliedSums(const HeadProblem& head, std::unique_ptr<ImpliedEntries> entries);

  // Whether the model holds none of the run's entries.
  bool holds_none(const KeyRun& run, const RowBlock& rows) const {
    return entries_->holds_none(rows, run);
  }
  // What the model holds for all entries of the run leaves the rows' sums; false: it cannot at
  // once.
  bool subtract_run(const KeyRun& run, RowBlock& rows) { return entries_->subtract_run(rows, run); }
  // The rows' sums += sign 2^log2_factor times what the model holds for the entries.
  void add(const RunEntries& entries, float sign, float log2_factor, RowBlock& rows,
           ScorePanel& panel);

 private:
  void add_rows(const RunEntries& entries, const Range& part, RowBlock& rows, ScorePanel& panel);
  void add_few(const RunEntries& entries, float sign, float log2_factor, RowBlock& rows,
               ScorePanel& panel);
  void join_few(const IndexList& keys, const float* logits, float sign, const Partial& row);
  // Loads a tile of the run; its values.
  const RowPanels& load(const KeyRun& run, std::int64_t tile, const IndexList& keys);

  const HeadProblem& head_;
  std::unique_ptr<ImpliedEntries> entries_;
  std::int64_t tile_keys_;
  Scratch<float> marks_;
  RowPanels values_;
  PartialBuffer sums_;  // Dv + 1 columns, the last for the sum of weights
  PartialBuffer few_;   // one entry
};

}  // namespace subquad
