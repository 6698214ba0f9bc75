// Where a row's k-th largest score lies, told by a sample of its keys.
#pragma once

#include <cstdint>
#include <vector>

#include "rows/head_problem.h"
#include "rows/attend_tile.h"
#include "rows/key_tile.h"
#include "rows/row_block.h"

namespace subquad {

// Two scores that likely enclose the k-th largest: fewer than k lie above high, at least k are no
// lower than low. low = -FLT_MAX: no entry that counts is lower. high = -inf: all are kept.
struct ScoreBracket {
  float low, high;
};

// One key from each of equal strata, n / 16 of them, 128 to 4,096. Rows that see few keys (400)
// use none: their bracket is everything.
class TopkSample {
 public:
  // enclose: both ends are wanted; else high is +inf.
  TopkSample(const HeadProblem& head, std::int64_t k, bool enclose);

  // Of the rows in the block. Uses the panel.
  void find_brackets(const HeadProblem& head, std::int64_t k, const RowBlock& rows,
                     ScorePanel& panel, std::vector<ScoreBracket>& brackets) const;
  // Entries of a row between the ends of its bracket, hardly ever more.
  std::int64_t most_between() const { return most_between_; }

 private:
  struct Ranks {
    std::int64_t low, high;  // among the sampled scores, 1 = largest; high = 0: none
  };
  Ranks ranks(double samples, double share) const;
  ScoreBracket bracket(std::int64_t k, std::int64_t visible, float* scores,
                       std::int64_t count) const;

  bool enclose_;
  std::vector<std::int32_t> keys_;
  std::vector<KeyTile> tiles_;
  std::int64_t most_between_;
};

}  // namespace subquad
