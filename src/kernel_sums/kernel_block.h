// A block of queries and their sums of Gaussian kernels with whatever keys it meets, outside a run
// (kernel_run.h): for probes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rows/head_problem.h"
#include "core/index_list.h"
#include "core/memory.h"
#include "rows/row_block.h"
#include "rows/attend_run.h"
#include "kernel_sums/kernel_source.h"

namespace subquad {

// One thread's memory. Not movable: its parts point into it.
class KernelBlock {
 public:
  // scales: as KernelHead's, must outlive the block. with_spread: whether sources may have one; one
  // more channel then.
  KernelBlock(std::int64_t dim, std::int64_t channels, const std::vector<float>& scales,
              bool with_spread);
  KernelBlock(const KernelBlock&) = delete;
  KernelBlock& operator=(const KernelBlock&) = delete;

  static constexpr std::int64_t kRows = 264;  // most rows that a block holds

  // Loads queries (rows of D in memory); their sums are zero.
  void load(const float* queries, const IndexList& rows, std::span<const float> center);
  void clear_sums() { set_identity(rows_.partial()); }
  // Adds the listed keys of the source. 2 rows keys (D + C) flops.
  void add(const KernelSource& source, const IndexList& keys);
  // Kernels of all rows with the keys: out[r * stride + j], before any value.
  void weigh(const KernelSource& source, const IndexList& keys, float* out, std::int64_t stride);
  // out[r * stride + c] = sums of row r.
  void read_row(std::int64_t r, double* out) {
    read_sums(rows_.partial(), r, half_square_[static_cast<std::size_t>(r)], out);
  }

 private:
  // The keys as a run of all rows.
  KeyRun run_of(const CenteredKeys& source, const IndexList& keys) const;

  KernelFrame frame_;
  std::vector<float> center_, half_square_;  // of the rows: |q|^2 / 2, the largest logit
  Scratch<float> queries_;
  Problem problem_;
  HeadProblem head_;
  RowBlock rows_;
  TileScratch scratch_;
};

}  // namespace subquad
