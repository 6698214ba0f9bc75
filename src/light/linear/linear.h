// Linear attention: weights that are dot products of features of the query and the key.
//
// source: "Superiority of Softmax" (paper 004), Definitions 3.2 and C.1 (map = none: the dot
// products over their sum); Katharopoulos et al. 2020 (positive feature maps). FeatureMap in
// include/subquad/linear_attention.h has the formulas.
// use when: a model is trained with it; O(n) causal prefixes or decoding with a state of fixed size
// matter more than softmax's selectivity; as the complement of exact parts, see below.
// do not use for: approximating softmax attention of a trained model (large errors, no bound);
// sliding windows and element masks (errors; use window(..) or given(..) as parts).
// Assumes nothing as a method of its own; as an approximation of softmax it has no probe but the
// error that `subquad compare` measures.
// cost: D (Dv + 1) multiply-adds a row and as many a key; causal about 30 (D + Dv) a row more.
// Beside heavy parts: causal keys twice, and the heavy entries once more.
// Alone, a row is divided by its sum as it stands: negative sums (map = none) count in
// Report::negative_rows and have lse NaN; a sum of 0 gives zeros and lse -inf, one that is not
// finite NaN. After heavy parts, which add exp(s) - p(s) for each of their entries, rows whose sum
// is not positive, or below 1e-4 of the |p(s)| subtracted from it, are computed again exactly.
// parameters: map = none | elu | relu (none).
#pragma once

#include <memory>

#include "parts/light.h"
#include "parts/spec.h"

namespace subquad {

std::unique_ptr<LightRule> make_linear_rule(const SpecPart& spec);

}  // namespace subquad
