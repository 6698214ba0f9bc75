// threshold(t): all entries of queries and keys that have a channel above t.
//
// source: "Support Basis" (paper 003), Definition B.5 and Algorithm 1, corrected: a flagged query's
// row is exact; of the other rows the flagged keys' entries are (as printed, entries of Q^(L) K^T
// and Q^(s) K^(L)T are exact too, but the features count them once more). use when: few queries and
// keys have large channels, beside `chebyshev`: their sums leave flagged keys out. do not use for:
// trained models, most of whose queries and keys have a channel above any useful t. Assumes
// sub-Gaussian channels: then few rows and keys are flagged, O(n^alpha). cost: n (flagged queries +
// flagged keys) (D + Dv). parameters: t threshold of |channel|, 0: sqrt(c ln n), n the number of
// keys (0); c (1).
#pragma once

#include <memory>

#include "parts/heavy.h"
#include "parts/spec.h"

namespace subquad {

struct ThresholdOptions {
  double t = 0, c = 1;

  double value(std::int64_t keys) const;
};

ThresholdOptions read_threshold_options(SpecReader& reader);
std::unique_ptr<HeavyRule> make_threshold(const ThresholdOptions& options);
std::unique_ptr<HeavyRule> make_threshold_rule(const SpecPart& spec);

}  // namespace subquad
