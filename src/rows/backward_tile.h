// The inner step of the backward pass: a block of rows meets a tile of keys.
#pragma once

#include <cstdint>
#include <vector>

#include "rows/head_problem.h"
#include "core/memory.h"
#include "rows/backward_keys.h"
#include "rows/backward_rows.h"
#include "rows/backward_sums.h"
#include "rows/overflows.h"
#include "rows/row_block.h"
#include "rows/score_filter.h"

namespace subquad {

// Which of a tile's entries count, and in which of the forward's sums.
struct TileEntries {
  const EntrySets& left_out;
  Sums sums = Sums::both;
};

// Weights and score gradients of some rows by a tile of keys; one a thread.
class BackwardTile {
 public:
  BackwardTile(std::int64_t head_dim, std::int64_t value_dim, std::int64_t max_rows,
               std::int64_t max_keys, const WantedGradients& wanted);

  // Rows `part` of the block, at most max_rows, meet the keys: adds to the sums of both, as far as
  // wanted. Five products of 2 * rows * keys * head_dim flops (value_dim for two of them).
  //   out = sum w v / sum w over the forward's entries, w = exp(score + bias), P = w / sum w:
  //   dL/d score = P (grad_out . value [in the sum of values] + offset [in the sum of weights])
  void run(const HeadProblem& head, BackwardRows& rows, const Range& part, const BackwardKeys& keys,
           const TileEntries& entries, const KeySums& sums);

  // Likewise for few rows (at most kMaxStreamedRows), reading the keys where they lie: `bias` as in
  // KeyTile.
  void run_streamed(const HeadProblem& head, BackwardRows& rows, const Range& part,
                    const IndexList& keys, const float* bias, const TileEntries& entries,
                    const KeySums& sums);

  // Whether row part.begin + i of the last run() met an entry.
  bool met_any(std::int64_t i) const;
  // Score entries evaluated so far.
  std::int64_t entries() const { return entries_; }

 private:
  void compute_panel(const HeadProblem& head, const BackwardRows& rows, const Range& panel,
                     std::int64_t at, const BackwardKeys& keys, const TileEntries& entries);
  void compute_gradients(const BackwardRows& rows, const Range& panel, std::int64_t at,
                         const BackwardKeys& keys, Sums sums);
  void finish_weights(const HeadProblem& head, const BackwardRows& rows, const Range& panel,
                      std::int64_t at, const IndexList& keys, const float* bias,
                      const EntrySets& left_out);
  // Products of a panel's rows (queries, or grad_outs) and the columns, as they stand in `data`.
  Products products(Scratch<float>& data, const float* left, const Range& panel, std::int64_t at,
                    std::int64_t depth);
  void finish_gradients(const BackwardRows& rows, const Range& panel, std::int64_t at, Sums sums,
                        const std::vector<Overflow>& lost);
  void stream_gradients(const HeadProblem& head, const BackwardRows& rows, const Range& part,
                        const IndexList& keys, Sums sums);
  void stream_grad_query(BackwardRows& rows, const Range& part, const kernels::RowSource& keys);
  void add_outer_products(const BackwardRows& rows, const Range& part, Sums of,
                          const KeySums& sums);
  void add_products(BackwardRows& rows, const Range& part, const BackwardKeys& keys,
                    const TileEntries& entries, const KeySums& sums);

  std::int64_t head_dim_, value_dim_, stride_;
  WantedGradients wanted_;
  Range columns_;
  Scratch<float> weights_, gradients_;
  FilterScratch filter_;
  std::vector<float> saved_;
  std::int64_t entries_ = 0;
};

}  // namespace subquad
