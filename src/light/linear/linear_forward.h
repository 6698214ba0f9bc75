// Rows of linear attention, forward: their sums over all keys, or over those that they see.
//
// cost: D (Dv + 1) multiply-adds a row; causal also D (Dv + 1) a key (LinearChunks), and D + Dv for
// each entry beside the diagonal, about half a chunk's positions a row.
#pragma once

#include <optional>
#include <vector>

#include "rows/head_problem.h"
#include "core/memory.h"
#include "light/linear/linear_chunks.h"
#include "light/linear/linear_features.h"
#include "light/linear/linear_sums.h"
#include "rows/partial.h"

namespace subquad {

// One thread's memory.
class LinearForward {
 public:
  // What the arguments point to must outlive this.
  LinearForward(const HeadProblem& head, const LinearModel& model, LinearSums& sums);

  // Overwrites `out` with the sums of the rows, m = 0; causal: the rows of one block of `sums`.
  // Returns the number of entries that were evaluated one by one.
  std::int64_t sum(const IndexList& rows, const Partial& out);

 private:
  void load_rows(const IndexList& rows, const float* sums, const Partial& out);
  void multiply(std::int64_t first, std::int64_t depth, const float* sums, const Partial& out);
  std::int64_t sum_spans(const IndexList& rows, const Partial& out);
  std::int64_t meet_chunk(const IndexList& rows, std::int64_t chunk, const Partial& out);
  void add_wild_value(std::int64_t chunk, std::int64_t key, std::int64_t first, const Partial& out);
  void weigh(const IndexList& rows, std::int64_t first, std::int64_t chunk, std::int64_t columns,
             const Partial& out);
  float* weights(std::int64_t row) { return rows_.data() + row * stride_ + layout_.head_dim; }

  const HeadProblem& head_;
  LinearModel model_;
  LinearSums& sums_;
  SumLayout layout_;
  std::int64_t stride_;
  Scratch<float> rows_;  // features; behind them, causal, the weights of a chunk
  std::vector<float> ones_;
  std::optional<LinearChunks> chunks_;  // causal
};

}  // namespace subquad
