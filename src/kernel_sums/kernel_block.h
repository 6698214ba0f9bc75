// A block of queries and their sums of Gaussian kernels with whatever keys it meets: attention's
// tiles with a key bias of -|k|^2 / 2, stopped before the division.
//
// Queries and keys are taken relative to the block's center, so that the logits
// q . k - |k|^2 / 2 - |q|^2 / 2 lose few bits where the kernel is not small: a query at a distance
// r (in bandwidths) from the center has a relative error of about r^2 2^-23.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rows/head_problem.h"
#include "core/index_list.h"
#include "core/memory.h"
#include "rows/row_block.h"
#include "rows/attend_run.h"

namespace subquad {

// Keys (rows of D) and what each adds (rows of C). With `spread` t, key j stands for a cloud of
// keys of variance t[j] sigma^2 in every direction: (1 + t)^(-D / 2) exp(-|q - k|^2 / (2 sigma^2 (1
// + t))).
struct KernelSource {
  const float* points;
  const float* values;
  const float* spread = nullptr;
};

// One thread's memory. Not movable: its parts point into it.
class KernelBlock {
 public:
  // scale: as KernelHead's. with_spread: whether sources may have one; one more channel then.
  KernelBlock(std::int64_t dim, std::int64_t channels, double scale, bool with_spread);
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
  void read_row(std::int64_t r, float* out) { read_as(r, out); }
  void read_row(std::int64_t r, double* out) { read_as(r, out); }

  std::int64_t entries() const { return scratch_.panel.entries(); }

 private:
  void pack(const KernelSource& source, const IndexList& keys);
  // Point j of a source, relative to the center; returns its bias.
  float place(const KernelSource& source, std::int64_t j, float* out) const;
  template <typename Number>
  void read_as(std::int64_t r, Number* out);

  std::int64_t dim_, channels_, width_;  // width_: channels of a point with its spread's
  float scale_;
  std::vector<float> center_, half_square_;  // of the rows: |q|^2 / 2, the largest logit
  Scratch<float> queries_, keys_, values_, bias_;
  Problem problem_;
  HeadProblem head_;
  RowBlock rows_;
  TileScratch scratch_;
};

// Coordinate by coordinate, of the listed rows.
std::vector<float> median_point(const float* points, const IndexList& rows, std::int64_t dim);

}  // namespace subquad
