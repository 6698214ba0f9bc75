// Rows that drop tiles of keys: all whose weights are at most tau times the largest so far.
//
// source: BLASST (arXiv 2512.12087), which skips a tile where every row of its block of rows
// agrees. Here each row decides by its own scores, so that no row's bits depend on the others: a
// row drops what it may, and where all rows of a register block do, the tile's exponentials and its
// product with the values are saved. The dropped weights have a bound: none is above 2^(the tile's
// largest score).
#pragma once

#include <cstdint>
#include <vector>

#include "core/index_list.h"
#include "rows/head_problem.h"

namespace subquad {

// Rows `part` of a block and columns of a tile of keys.
struct SkippableTile {
  Range part;
  IndexList keys;
  Range columns;
};

// Masked base-2 logits, `stride` floats apart, room for whole vectors.
struct TileScores {
  float* scores;
  std::int64_t stride;
};

// One thread's.
class TileSkips {
 public:
  TileSkips(double tau, bool strict);  // 0 < tau <= 1

  // A new block of rows: nothing is dropped yet.
  void begin(std::int64_t rows);
  // m: the largest score of each of the rows so far. The scores of rows that drop the tile become
  // -inf. A row that sees a value with an Inf or NaN drops nothing. Returns whether no row needs
  // it.
  bool drop(const HeadProblem& head, const SkippableTile& tile, const float* m,
            const TileScores& panel);

  // Of row i of the block, bounds: log2 of the sum of dropped weights, and of the sum of them times
  // |v|_2; -inf: none.
  double weight_log2(std::int64_t i) const { return log2_of(dropped_[index(i)].weight, i); }
  double value_log2(std::int64_t i) const { return log2_of(dropped_[index(i)].value, i); }
  // Entries of register blocks and tiles met so far, and of those that no row needed.
  std::int64_t entries() const { return entries_; }
  std::int64_t skipped() const { return skipped_; }

 private:
  struct Dropped {
    double weight = 0, value = 0;  // in units of 2^unit
    float unit = 0;
  };

  static std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }
  double log2_of(double sum, std::int64_t i) const;
  void load_norms(const HeadProblem& head, const IndexList& keys);
  bool may_drop(const SkippableTile& tile, std::int64_t r, float m, const float* scores) const;
  void drop_row(const SkippableTile& tile, std::int64_t r, float m, float* scores);

  double log2_tau_;
  bool strict_;
  std::vector<Dropped> dropped_;
  std::vector<float> norms_, ones_, tops_;
  std::vector<std::int64_t> droppers_;
  std::int64_t first_key_ = -1;  // of the norms
  std::int64_t entries_ = 0, skipped_ = 0;
};

}  // namespace subquad
