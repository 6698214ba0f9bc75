// recursion(block, m, base, bits, center, norm, strict): causal attention by halves, a sortLSH and
// a uniform sample for each half.
//
// source: HyperAttention, Algorithm 4 (CausalApproxD) with the sharing of section 4: each unmasked
// quarter A21 is approximated by Algorithm 1 and one uniform sample for D and V.
// use when: the published causal method is wanted.
// do not use for: problems that are not causal (an error); speed: `window + sortlsh + prefix` is
// faster at the same error (docs/guide/hyper.md).
// Assumes what sortlsh and uniform do, in each node: alpha and kappa (`subquad diagnose`).
// As published it is not strict: the queries of a node are sorted together and the mean key is
// that of all keys, so that later tokens move what earlier rows meet. strict=true (the default)
// lets each row choose its block of a node's keys by its own bucket, about the mean of those keys.
// cost: n / 2 (block + m) entries a level, log2(n / base) levels, and n base / 2 exact ones. Codes
// are hashed once and sorted again in each node. Any n, any alignment, grouped heads.
// parameters: block, bits, center, norm as in sortlsh; m sampled keys a node, 1 to 2^20, default
// 256; base largest exact triangle, 16 to 2^20, default 1024 (the paper: 4096); strict no row
// depends on later tokens, default true (false: as published; Report::path says
// recursion:published).
#pragma once

#include <memory>
#include <string>

#include "index/hash_head.h"
#include "parts/heavy.h"
#include "parts/light.h"
#include "parts/spec.h"

namespace subquad {

struct RecursionOptions {
  std::int64_t block = 256, num_samples = 256, base = 1024;
  HashOptions hash;
  bool strict = true;
};

RecursionOptions read_recursion_options(const SpecPart& spec);

// The part in Report::path.
std::string recursion_path(const SpecPart& spec);

// Its two halves: the triangles and blocks, and the samples.
std::shared_ptr<const HeavyRule> make_recursion_blocks(const RecursionOptions& options);
std::shared_ptr<const LightRule> make_recursion_samples(const RecursionOptions& options);

}  // namespace subquad
