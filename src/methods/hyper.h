// hyper(block, m, ...): HyperAttention, exact where that is faster.
//
// source: HyperAttention, section 4. Without a causal mask or window: sortlsh + prefix, a sample
// for each block of rows (ours: the same cost, and the errors of blocks do not add up), or with
// `sample=shared` sortlsh + uniform, the paper's one sample for all. With one: `causal=onepass`
// (default) is window + sortlsh + prefix(2 m), ours; `causal=recursion` is Algorithm 4. Heads whose
// queries see too few keys for that to pay run exactly.
// use when: long sequences, and an error as docs/guide/hyper.md states it will do.
// do not use for: sharp attention at a distance that the hash does not find; an error bound.
// Assumes what sortlsh and prefix do: alpha and kappa (`subquad diagnose`).
// cost: n (block + m) entries; onepass n (window + block / 2 + 2 m + 128).
// parameters: block 256, m 256, bits 8, rounds 1, center true, norm false, neighbors 0 as in
// sortlsh and uniform (m: 1 to 2^19); causal onepass or recursion, default onepass; window exact
// keys before each query (onepass), 1 to 2^20, default 256; base largest exact triangle
// (recursion), 16 to 2^20, default 1024; sample own or shared (no mask), default own; always
// approximate even where exact is faster, default false; strict no row depends on what a causal
// mask or window hides from it, as in sortlsh and recursion, default true.
#pragma once

#include <memory>

#include "methods/method.h"
#include "parts/spec.h"

namespace subquad {

// `others`: the heavy parts beside it in the spec; each of its methods starts with them.
std::unique_ptr<Recipe> make_hyper(const SpecPart& spec, const Method& others);

}  // namespace subquad
