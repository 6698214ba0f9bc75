// What every part of a method is made of: rows that meet keys, forward and backward.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "rows/head_problem.h"
#include "core/index_list.h"
#include "rows/key_source.h"
#include "rows/key_tile.h"
#include "rows/row_block.h"
#include "rows/score_filter.h"

namespace subquad {

// How a run's keys were drawn, for the estimate of its error.
struct SampleDraw {
  std::int64_t draws = 0;  // 0: not a sample
  double correction = 1;   // of the variance: 1 - m / n without replacement, 1 with
  bool single = false;     // each key came in on its own: their number is no part of the design
  const float* counts = nullptr;  // how often each key of the run was drawn; nullptr: once
};

// Some rows of a group meet some keys. Entries that the problem hides are left out as everywhere.
struct KeyRun {
  Range rows = {};  // positions in the group's list of rows
  IndexList keys = {};
  const float* bias = nullptr;  // log2 weight of each key
  // Where the keys are; nullptr: in the head. Without `bias` and `tiles`, and nothing is left out.
  const KeySource* source = nullptr;
  const EntrySet* leave_out = nullptr;  // entries of the rectangle that the run does not hold
  std::span<const KeyTile> tiles = {};  // the keys, packed with their bias; empty: not yet packed
  Sums sums = Sums::both;
  SampleDraw sample = {};
  RowLimits limits = {};    // of each row of the group
  bool with_heavy = false;  // also meets the entries that heavy sets hold
  bool in_f32 = false;      // not on tiles of bf16: its sums are to cancel others, or to have the
                            // same bits wherever a key stands in the list
  bool packed = false;  // never streamed, however few the rows: their number may depend on others
};

// The runs of one group of rows, and memory for the lists that they point to.
class RunList {
 public:
  void clear() {
    runs_.clear();
    sources_.clear();
    used_ids_ = used_biases_ = 0;
  }
  void add(const KeyRun& run) { runs_.push_back(run); }
  std::span<const KeyRun> runs() const { return runs_; }
  std::span<KeyRun> mutable_runs() { return runs_; }
  // Lists that live until clear().
  std::vector<std::int32_t>& new_ids() { return next(ids_, used_ids_); }
  std::vector<float>& new_bias() { return next(biases_, used_biases_); }
  const KeySource* own(std::unique_ptr<const KeySource> source) {
    return sources_.emplace_back(std::move(source)).get();
  }

 private:
  template <typename List>
  static List& next(std::deque<List>& lists, std::size_t& used) {
    if (used == lists.size()) lists.emplace_back();
    List& list = lists[used++];
    list.clear();
    return list;
  }

  std::vector<KeyRun> runs_;
  std::vector<std::unique_ptr<const KeySource>> sources_;
  std::deque<std::vector<std::int32_t>> ids_;
  std::deque<std::vector<float>> biases_;
  std::size_t used_ids_ = 0, used_biases_ = 0;
};

}  // namespace subquad
