// Estimated shares of blocks of keys: softmaxes of strided sums of scores along antidiagonals.
#pragma once

#include <cstdint>
#include <vector>

#include "core/memory.h"
#include "rows/head_problem.h"

namespace subquad {

// Positions that score keys, and the keys that count for them.
struct ScoreScope {
  Range queries;
  Range keys;
  bool whole = false;  // groups of keys count that lie inside `keys`; otherwise those that a group
                       // of queries may see some of
};

// Estimated weights, by block of keys.
struct BlockShares {
  std::vector<double> share;       // a group of queries adds 1 in all; none has a key: all 0
  std::vector<std::uint8_t> wild;  // has scores that are not finite
  bool empty = true;               // no group of queries had a key
};

// The keys of a head, `stride` in a row as one vector each. Keys that no row sees are zero, and
// groups of them do not count; rows of no use (PlacedRows) are zero among the queries.
class AntidiagonalScores {
 public:
  AntidiagonalScores(const HeadProblem& head, std::int64_t block, std::int64_t stride);
  AntidiagonalScores(const AntidiagonalScores&) = delete;
  AntidiagonalScores& operator=(const AntidiagonalScores&) = delete;

  // Whether query head g of the group has a row of use among these positions.
  bool has_rows(const Range& positions, std::int64_t g) const;
  // Of query head g of the group. 2 D flops for `stride` entries. Thread-safe.
  BlockShares shares(const ScoreScope& scope, std::int64_t g) const;

 private:
  void pack_keys();
  void load_queries(const ScoreScope& scope, std::int64_t g, float* out) const;
  bool is_placed(std::int64_t position, std::int64_t g) const;
  Range groups_of(const Range& keys, bool whole) const;
  Range seen_groups(const ScoreScope& scope, const Range& positions) const;
  void add_row(float* scores, std::int64_t first, Range groups, BlockShares& shares) const;

  const HeadProblem& head_;
  std::int64_t block_, stride_, groups_;
  Scratch<float> packed_;  // columns: groups of keys
  std::int64_t panel_stride_ = 0;
  std::vector<std::uint8_t> placed_;      // of each row
  std::vector<std::uint8_t> used_group_;  // of keys: some row sees one of them
};

}  // namespace subquad
