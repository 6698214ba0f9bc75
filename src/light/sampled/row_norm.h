// rownorm(m, d, replace): values from keys drawn by the norms of their values, weights from a
// uniform sample.
//
// source: HyperAttention, Lemma 2 (for D^-1 A V) beside the uniform sample of Algorithm 2 (for D),
// without its caps. Both sums are unbiased for the complement of the heavy parts.
// use when: the norms of the values differ by much: keys with the large ones are not missed.
// do not use for: values of equal norm (layer-normed ones nearly are): `uniform` samples the same
// keys for both sums, whose errors then cancel in their ratio; here they do not. Causal problems:
// as uniform.
// cost: 2 m (D + Dv) + 2 d D flops a row, and the norms (n Dv flops a head).
// parameters: m keys drawn for the values, d keys drawn for the weights, both 1 to 2^30, default
// 256; replace draw independently (with replacement, the paper's), default false: distinct keys
// with the same chances (row_norm_sample.h).
#pragma once

#include <memory>
#include <vector>

#include "parts/light.h"
#include "light/sampled/sampled_keys.h"
#include "parts/spec.h"

namespace subquad {

std::unique_ptr<LightRule> make_row_norm_rule(const SpecPart& spec);

// A sample by row norm for the weighted values of a head, packed.
class SampledValues {
 public:
  SampledValues(const HeadProblem& head, std::int64_t num_samples, bool replace, const Rng& rng,
                int threads);

  // Appends the runs of `count` rows of a group; this object must outlive them.
  void add_runs(std::int64_t count, bool with_heavy, RunList& runs) const;

 private:
  std::vector<SampledKeys> parts_;  // certain keys, drawn ones
};

}  // namespace subquad
