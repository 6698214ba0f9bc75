// How many clusters to open for a target error, with as few trials as it takes.
//
// source: ours. A trial (FarFit::try_opening) evaluates what it opens at the probes and solves the
// fit again; what a threshold would open and leave closed is known from the measured squares alone.
// The fit takes up most of what stays closed while that is much: with a share `left` closed, the
// squared error is predicted as left (1 + a) / (left + a) of that with nothing opened. Measured, a
// is nearly constant for a head (0.08 to 1 on four layers); trials tell it.
// use when: an error is asked for and the heads' errors can be estimated.
// do not use for: a given threshold (open=..): that is one trial.
// cost: none beside the trials; levels: the squares of every group and cluster once.
#pragma once

#include <limits>
#include <utility>
#include <vector>

#include "far/clusters/opening_levels.h"

namespace subquad {

class OpeningSearch {
 public:
  // levels: thresholds descending. closed_square: the squared error with nothing opened.
  OpeningSearch(std::vector<OpeningLevel> levels, double closed_square)
      : levels_(std::move(levels)), closed_square_(closed_square) {}

  // The next level to try: the first beyond those tried that is predicted to leave `target` or
  // less; where none is, the last one that opens at most `most_keys`, if it is predicted to come
  // close. nullptr: none can do.
  const OpeningLevel* next(double target, double most_keys);
  // The squared error that the last level left.
  void learn(double square);

 private:
  double predict(const OpeningLevel& level) const;

  std::vector<OpeningLevel> levels_;
  double closed_square_;
  double saturation_ = 0.3;  // a
  std::size_t begin_ = 0;    // of the levels not yet tried or passed over
};

}  // namespace subquad
