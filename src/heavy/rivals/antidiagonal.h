// antidiagonal(block, stride, threshold, strict): for each block of query positions the fewest
// blocks of keys whose estimated share of the weights reaches a threshold.
//
// source: XAttention (Xu, Xiao, Huang, Guo and Han 2025, arXiv 2503.16428), as in its public code:
// `stride` queries in reverse order and `stride` keys in order are one long vector each, their
// product is the sum of the scores along an antidiagonal; a softmax of these, by rows, is summed
// block by block (antidiagonal_scores.h). Under a causal mask the first block and those on the
// diagonal are always kept. Threshold 1 keeps every block.
// use when: prompts of language models, whose weights lie in few blocks of keys for 128 queries at
// a time. do not use for: decoding (a step has no block of queries: strict then chooses by one
// query), or flat attention, whose share needs most blocks. Assumes that neighbouring queries meet
// the same blocks, and that a sum along an antidiagonal tells how large the weights are beside it:
// both are to be measured (docs/guide/rivals.md). Under a causal mask or a window the published
// form is not strict: a block chooses by all its queries and keys, the later ones too. strict=true
// (the default) instead lets it choose by the `block` queries up to its first one, and by the keys
// that all its rows see; blocks with other keys are kept whole. Without a mask both are the same.
// Rows whose element masks differ: the keys that any of them sees count in either form. Finite
// element masks do not count in the estimate. Query heads that share keys choose apart, as in the
// published code. cost: n^2 D / stride flops a head (causal: half of it) for the estimate; 2 (D +
// Dv) flops an entry of the blocks kept. Memory: n D floats a head twice, and at most (n / block)^2
// numbers of blocks. parameters: block queries and keys, 16 to 2^20, default 128; stride 1 to 64,
// must divide block, default 8; threshold 0 to 1, default 0.9; strict no row depends on what a
// causal mask or window hides from it, default true (false: as published; Report::path says
// antidiagonal:published).
#pragma once

#include <memory>
#include <string>

#include "parts/heavy.h"
#include "parts/spec.h"

namespace subquad {

std::unique_ptr<HeavyRule> make_antidiagonal_rule(const SpecPart& spec);
// The part in Report::path.
std::string antidiagonal_path(const SpecPart& spec);

}  // namespace subquad
