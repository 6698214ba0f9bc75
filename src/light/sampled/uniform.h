// uniform(m): a shared uniform sample of the keys, weighted up.
//
// source: HyperAttention, Algorithm 2 line 4 with the sharing of section 4 (one sample for all
// rows and for both D and V). Horvitz-Thompson weights n / m: unbiased for every row's sums l
// and o, whatever the masks; a sampled key that is heavy for a row is skipped there and the
// weight stays.
// use when: attention is flat, or a heavy part has taken the large entries.
// do not use for: rows whose weight sits on few keys that no heavy part finds; causal problems
// (early rows may see no sampled key: they are then computed exactly, and counted): see prefix
// and recursion.
// Assumes columns and rows of even weight beside the heavy parts: alpha and kappa (probe_alpha,
// probe_kappa; `subquad diagnose`).
// cost: 2 m (D + Dv) flops a row, packed once a head; never more than for m = n.
// parameters: m num_samples, 1 to 2^30 (more than the keys: all of them), default 256; replace
// draw with replacement (m above n: the number of draws of each key, n entries), default false.
// Keys that no row sees are not drawn: n counts the others.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "parts/light.h"
#include "light/sampled/sampled_keys.h"
#include "parts/spec.h"

namespace subquad {

std::unique_ptr<LightRule> make_uniform_rule(const SpecPart& spec);
std::unique_ptr<LightRule> make_uniform(std::int64_t num_samples, bool replace);

// Such a sample of the listed keys (at least one), each with weight n / m. With replacement a key
// may come up again; more draws than keys are counted, not listed: the cost is that of n.
SampledKeys sample_uniformly(const HeadProblem& head, const IndexList& keys,
                             std::int64_t num_samples, bool replace, const Rng& rng);

// How often each of n keys comes up in m > n such draws with replacement.
std::vector<std::int64_t> uniform_counts(std::int64_t n, std::int64_t m, const Rng& rng);

}  // namespace subquad
