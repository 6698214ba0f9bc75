// multipole(residual=m): a uniform sample of what the far field misses, as control variate.
//
// source: ours (docs/theory/far_field.md, section 10). Key j of cluster c has the share
// w_c(q) ((v_j, 1) + slope_c(q) / n_c) of the far field. m of its N keys, drawn without
// replacement, add N / m times their own 2^s (v_j, 1) less that share; those that are heavy for a
// row are skipped. Whatever the clusters, the mean over draws is the exact sum; with m = N the sum
// itself is exact. Each block of rows has a sample of its own, so that the errors of blocks do not
// line up. A fit's correction is left out: it cancels among clusters, and a sample of it does not
// (docs/guide/far.md).
// use when: no bias is allowed: estimates are averaged over seeds, or sums over many rows.
// do not use for: the least error at a given time: the clusters' fit is better at that
// (docs/guide/far.md, measured).
// cost: m (D + Dv) multiply-adds a row; m (D + 2 Dv) + 2 R Dv a block of up to 264 rows.
// parameters: m keys a block, 0 (none, default) to 2^20. Orders 0 and 1, whose clusters weigh no
// more than their keys (Jensen): those of order 2 may, and a sample then cancels to noise.
#pragma once

#include <cstdint>
#include <vector>

#include "core/rng.h"
#include "rows/row_block.h"
#include "rows/attend_run.h"
#include "far/clusters/far_field.h"
#include "index/key_clusters.h"

namespace subquad {

// The far field of the keys below `end`: R x (Dv + 1), summed values and counts by cluster.
struct FarSums {
  const float* prior;
  std::int64_t end;
};

// A far field's coefficients, and how much of each cluster's slope (order 1) it holds.
struct FarShares {
  std::vector<float> rows;    // R x (Dv + 1)
  std::vector<float> slopes;  // R
};

class ResidualSample {
 public:
  // What the arguments refer to must outlive this.
  ResidualSample(const HeadProblem& head, const FarField& far, const Partition& clusters,
                 std::int64_t samples, const Rng& rng)
      : head_(head), far_(far), clusters_(clusters), samples_(samples), rng_(rng) {}

  // The keys of the block whose first row is given, ascending; each stands for `weight` keys.
  struct Drawn {
    std::vector<std::int32_t> keys;
    double weight;
  };
  Drawn draw(std::int64_t first_row, std::int64_t end) const;

  // What is left of the far field without the drawn keys' shares. Nothing if all are drawn.
  FarShares rest(const Drawn& drawn, const FarSums& sums) const;

  // Appends the run of the block's sample.
  void add_runs(const IndexList& rows, std::int64_t end, RunList& runs) const;
  // Adds the far field less the shares of the block's sample, and `runs`, that of the sample among
  // them. A row's sum of weights that is what remained of a far larger negative one becomes 0: the
  // row is then computed again exactly. Thread-safe.
  void add_to(RowBlock& rows, const FarSums& sums, const EntrySets& heavy, TileScratch& scratch,
              const RunList& runs) const;

  // Standard error of each row's output, for rows that hold their final sums: from the spread of
  // the sums of random eighths of the sample. NaN with a single key. Eight times the far field,
  // and the sample's run once more.
  void row_errors(RowBlock& rows, const FarSums& sums, const EntrySets& heavy, TileScratch& scratch,
                  float* error) const;

 private:
  void add_far(RowBlock& rows, const FarSums& sums, const EntrySets& heavy,
               TileScratch& scratch) const;
  FarShares shares(const Drawn& drawn, const FarSums& sums) const;
  std::vector<Drawn> split(const Drawn& drawn, std::int64_t first_row) const;
  void add_part(RowBlock& rows, const Drawn& part, const FarSums& sums, const EntrySets& heavy,
                TileScratch& scratch) const;
  std::vector<double> part_outputs(RowBlock& rows, const Partial& whole, const Drawn& part,
                                   const FarSums& sums, const EntrySets& heavy,
                                   TileScratch& scratch) const;
  void add_shares(RowBlock& rows, const FarShares& shares) const;
  void add_back_heavy(RowBlock& rows, const Drawn& drawn, const EntrySets& heavy,
                      TileScratch& scratch) const;

  const HeadProblem& head_;
  const FarField& far_;
  const Partition& clusters_;
  std::int64_t samples_;
  Rng rng_;
};

}  // namespace subquad
