// blockmean(block): every contiguous block of keys as one key, at the mean of its keys with their
// summed values.
//
// source: the coarse half of Sol-Attn (arXiv 2607.24027: exact blocks, and mean keys with summed
// values for all others); built from this description, the paper was not at hand. As many mean keys
// as there are blocks: block-mean pooling of keys, a far field of order 0 on a fixed partition.
// A key that a heavy part holds leaves its block's weight and summed values; the mean stays.
// Under a causal mask the pseudo keys of a row are the finished blocks before its own; the rest of
// what it sees is exact, and so are blocks that a window cuts.
// use when: neighbours have like keys (images, smooth positions), beside blocktop and a window.
// do not use for: keys that differ within a block: by Jensen's inequality a mean never weighs more
// than its keys do, so that sharp blocks are underestimated. There is no bound on the error.
// Assumes that scores vary little within a block (`subquad compare` measures what that costs).
// Heads whose element mask is more than padding of keys and queries run exactly (Report::path).
// cost: n / block (D + Dv) multiply-adds a row, block / 2 exact keys a row under a causal mask, and
// Dv more for each entry of a heavy part.
// parameters: block keys, 1 to 2^20, default 64; 1 is exact attention.
#pragma once

#include <memory>

#include "parts/light.h"
#include "parts/spec.h"

namespace subquad {

std::unique_ptr<LightRule> make_block_mean_rule(const SpecPart& spec);

}  // namespace subquad
