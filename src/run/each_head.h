// How a pass over heads shares out the threads, forward and backward.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "rows/head_problem.h"
#include "core/threads.h"
#include "parts/heavy.h"

namespace subquad {

struct SplitCounts {
  std::int64_t fallback_rows = 0;
  std::int64_t scored_entries = 0;
  std::int64_t exact_heads = 0;    // run exactly: the method advised against itself
  bool on_tiles = false;           // of those some, on tiles of bf16
  bool runs_on_tiles = false;      // some runs of the others' keys, on tiles of bf16
  std::int64_t negative_rows = 0;  // divided by a negative sum of weights

  double error_square = 0;   // sums of |error|_2^2 and |out|_2^2 over the rows of heads whose light
  double out_square = 0;     // part estimates them, or which exact split
  double largest_error = 0;  // of a row that exact split
  SearchRecall recall = {};

  void add(const SplitCounts& other) {
    fallback_rows += other.fallback_rows;
    scored_entries += other.scored_entries;
    exact_heads += other.exact_heads;
    on_tiles |= other.on_tiles;
    runs_on_tiles |= other.runs_on_tiles;
    negative_rows += other.negative_rows;
    error_square += other.error_square;
    out_square += other.out_square;
    largest_error = std::max(largest_error, other.largest_error);
    recall.add(other.recall);
  }
};

// The sum of run_head(head, threads) over the heads with rows. Enough heads: side by side, and the
// threads that find none left help with the last ones. Few: one after the other, to save memory.
template <typename RunHead>
SplitCounts run_each_head(std::span<const HeadProblem> heads, int threads,
                          const RunHead& run_head) {
  const auto count = static_cast<std::int64_t>(heads.size());
  const bool by_head = count / 2 >= threads;
  std::vector<SplitCounts> counts(heads.size());
  parallel_for(by_head ? threads : 1, count, [&](std::int64_t h) {
    const auto i = static_cast<std::size_t>(h);
    if (heads[i].num_rows() > 0) counts[i] = run_head(heads[i], threads);
  });
  SplitCounts total;
  for (const SplitCounts& c : counts) total.add(c);
  return total;
}

}  // namespace subquad
