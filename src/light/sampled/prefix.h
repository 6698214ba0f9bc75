// prefix(m): each block of rows draws its own sample of the keys that it sees.
//
// source: ours, for HyperAttention's section 3.1 without its recursion: one pass, and a sample
// of the row's own prefix. The visible range of the block is cut into m equal strata and one key
// drawn from each, weight (keys in range) / m: unbiased for every row's sums l and o, whatever
// the masks and heavy sets, with no more variance than as many uniform draws with replacement.
// use when: causal problems or windows, beside window() and sortlsh(). Without a mask it costs
// some 7 % more than uniform(m); the errors of different blocks are independent, so that their
// operator norm is several times smaller (docs/guide/hyper.md).
// do not use for: causal problems whose rows have an order of their own: there it makes the
// executor group rows by position.
// Assumes columns and rows of even weight beside the heavy parts: alpha and kappa (probe_alpha,
// probe_kappa; `subquad diagnose`).
// cost: 2 m (D + Dv) flops a row, and a gather of m keys for each block of up to 264 rows;
// blocks that see at most m keys take them all and are exact.
// parameters: m num_samples, 1 to 2^20, default 256.
#pragma once

#include <memory>

#include "parts/light.h"
#include "parts/spec.h"

namespace subquad {

std::unique_ptr<LightRule> make_prefix_rule(const SpecPart& spec);
std::unique_ptr<LightRule> make_prefix(std::int64_t num_samples);

}  // namespace subquad
