// Kernel sums on attention's executor (run/row_sums.h): blocks of near queries are the groups of
// rows of a head, each around a center of its own; what a block meets are runs of keys. The sums
// are not divided but scaled back by 2^m.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "kernel_sums/kernel_head.h"
#include "kernel_sums/kernel_source.h"
#include "kernel_sums/query_blocks.h"
#include "parts/heavy.h"

namespace subquad {

// The queries as rows of a head, each relative to the center of its block: m (D + 1) floats. Not
// movable: its parts point into it.
class KernelRows {
 public:
  // The references must outlive the rows. `channels` of what the keys add: the head's, unless told.
  KernelRows(const KernelHead& head, const std::vector<QueryBlock>& blocks, bool with_spread,
             std::int64_t channels = 0);
  KernelRows(const KernelRows&) = delete;
  KernelRows& operator=(const KernelRows&) = delete;

  const HeadProblem& head() const { return rows_; }
  const KernelFrame& frame() const { return frame_; }
  const std::vector<QueryBlock>& blocks() const { return blocks_; }
  // Of a row: |q|^2 / 2, its largest logit.
  float half_square(std::int64_t row) const { return half_square_[static_cast<std::size_t>(row)]; }

 private:
  const std::vector<QueryBlock>& blocks_;
  KernelFrame frame_;
  Scratch<float> queries_;  // m x width
  std::vector<float> half_square_;
  Problem problem_;
  HeadProblem rows_;
};

// A source and those of its keys that a block meets.
struct SourceKeys {
  KernelSource source;
  IndexList keys;
};

// What each block of queries meets, by block.
class MetKeys {
 public:
  virtual ~MetKeys() = default;
  // Lists of ids are taken from `runs`. Thread-safe.
  virtual std::vector<SourceKeys> of(std::int64_t block, RunList& runs) const = 0;
};

// Calls finish(row, r, sums) for each row, `r` its place in the sums, from several threads. Returns
// the kernels evaluated.
using FinishRow = std::function<void(std::int64_t row, std::int64_t r, const Partial& sums)>;
std::int64_t run_kernel_rows(const KernelRows& rows, const MetKeys& met, const FinishRow& finish,
                             int threads);

// Writes the sums of row i to out + i * channels.
std::int64_t run_kernel_sums(const KernelRows& rows, const MetKeys& met, float* out, int threads);

}  // namespace subquad
