// What rows have dropped of exact attention (rows/tile_skips.h), and what it may cost them.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "exact/precision.h"
#include "exact/row_errors.h"
#include "exact/row_items.h"
#include "rows/partial.h"
#include "rows/tile_skips.h"

namespace subquad {

// Of one call. From any thread; the result does not depend on how many there are.
class SkippedTiles {
 public:
  // splits: how many runs the keys of an item are cut into.
  SkippedTiles(std::span<const HeadProblem> heads, const ExactPrecision& precision,
               std::int64_t splits);

  // A thread's.
  TileSkips make_skips() const { return {precision_.skip, precision_.strict_skip}; }
  // One run's.
  void add(const RowItem& item, const TileSkips& skips);
  // |out - exact|_2 of row i of the item is at most the sum of its dropped weights, each times
  // |out| + |v|, over the sum of those that it kept. `sums`: all runs', before they are written.
  RowError error_of(const RowItem& item, std::int64_t i, const Partial& sums) const;
  void set_error(const RowItem& item, std::int64_t i, const RowError& error);
  // Of outputs that are written.
  ErrorTotals totals(const Outputs& outputs) const;
  // "skipped 31 % of tiles" and, of the published form, ":published": of entries in tiles that no
  // row of a register block needed.
  std::string path() const;

  void count(std::int64_t entries, std::int64_t skipped);

 private:
  struct Dropped {
    double weight_log2, value_log2;  // the larger of the runs'
  };
  std::size_t place_of(const RowItem& item) const {
    return static_cast<std::size_t>(item.head - heads_.data());
  }

  std::span<const HeadProblem> heads_;
  ExactPrecision precision_;
  double splits_;
  std::vector<std::vector<Dropped>> dropped_;  // by head and row
  std::vector<RowErrors> errors_;              // by head
  std::atomic<std::int64_t> entries_{0}, skipped_{0};
};

}  // namespace subquad
