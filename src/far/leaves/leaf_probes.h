// How much the leaves may leave closed: by a few rows evaluated exactly, none of which comes after
// the rows that use what it found.
//
// source: ours (docs/theory/causal_far_field.md). Every `step`-th position or so is a probe: all
// entries of its rows are scored, and what each leaf misses joins the bucket of the limit below
// which it would stay closed. So one pass gives the error of the row's output, and the leaves that
// it opens, at every limit.
// cost: n (D + Dv) multiply-adds a probe row; kLimits (Dv + 1) floats each while it runs.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/rng.h"
#include "far/leaves/leaf_index.h"
#include "far/leaves/leaf_reach.h"
#include "rows/head_problem.h"

namespace subquad {

// Limits as in LeafField::add, the highest (nothing opened) first.
constexpr std::int64_t kLimits = 64;
constexpr float kHighestLimit = 9, kLimitStep = 0.25f;
constexpr float limit_of(std::int64_t i) { return kHighestLimit - kLimitStep * float(i); }

// One probe row: at each limit the square of |error of the output|_2 and the leaves that it opens.
struct LeafProbe {
  std::int64_t row = 0, prefix = 0;
  bool finite = true;    // false: nothing else is known
  float out_square = 0;  // |output|_2^2
  float error[kLimits] = {};
  float opened[kLimits] = {};
};

class LeafProbes {
 public:
  // prefixes[i]: the chunks whose leaves serve rows[i]; the keys behind them, as far as the row may
  // see, are met exactly.
  LeafProbes(const HeadProblem& head, const LeafIndex& index, const LeafReach& reach,
             std::span<const std::int32_t> rows, std::span<const std::int64_t> prefixes,
             int threads);

  std::span<const LeafProbe> probes() const { return probes_; }

 private:
  std::vector<LeafProbe> probes_;
};

}  // namespace subquad
