// The derivative of what a model holds for single entries, a tile of keys at a time.
//
// cost: an entry 2 Dv multiply-adds, and the model's own.
#pragma once

#include <cstdint>

#include "core/memory.h"
#include "parts/entry_gradients.h"
#include "rows/backward_sums.h"
#include "rows/head_problem.h"
#include "rows/row_panels.h"
#include "rows/score_filter.h"

namespace subquad {

// One thread's memory.
class ImpliedGradients {
 public:
  // Tiles of up to `capacity` keys. What is given must outlive this.
  ImpliedGradients(const HeadProblem& head, const WantedGradients& wanted, EntryGradients& entries,
                   std::int64_t capacity);

  bool holds_none(const Range& part, const IndexList& keys) const {
    return entries_.holds_none(part, keys);
  }
  void load(const IndexList& keys);
  // Rows `part` of the group, kBackwardRows at most: the entries that they may see and no set in
  // `left_out` holds count `sign` times.
  void weigh(const IndexList& rows, const Range& part, const EntrySets& left_out, float sign);
  // Of row part.begin + i, after weigh().
  const float* weights(std::int64_t i) const { return weights_.data() + i * stride_; }
  // Gradients by the entries weighed: values' join `sums`, the others wait in the model.
  void spread(const KeySums& sums);
  // Hands over what is left of the keys since load().
  void finish(const KeySums& sums) { entries_.finish_keys(sums); }

 private:
  MarkedEntries marked() const { return {part_, keys_, marks_.data(), stride_}; }
  void set_slopes(const EntryGradients::RowGrads& grads);

  const HeadProblem& head_;
  WantedGradients wanted_;
  EntryGradients& entries_;
  std::int64_t stride_, values_stride_ = 0;
  IndexList keys_;
  Range part_{};
  float sign_ = 1;
  Scratch<float> marks_, weights_, slopes_, packed_values_;
  RowPanels grad_panels_;
  FilterScratch filter_;
};

}  // namespace subquad
