// trishape(sink, recent, last): the first keys and the latest ones for every row, all keys for the
// last rows.
//
// source: the Tri-shape pattern (SCBench, arXiv 2412.10319) as OpenVINO GenAI runs it in a prefill:
// SparseAttentionConfig, mode TRISHAPE, and its defaults. There a pattern holds whole blocks of the
// cache and whole chunks of the prompt; here it holds single keys and rows.
// use when: comparing with OpenVINO's prefill; text whose answer is read off by its last tokens.
// do not use for: inputs whose distant keys matter to rows before the last ones: these are dropped,
// or a light part's.
// cost: 2 (sink + recent) (D + Dv) flops a row, 2 n (D + Dv) for each of the last rows.
// parameters: sink keys from the first on, 0 to 2^30, default 128; recent keys up to the row's own,
// as in window(w): causal the last ones up to its position, otherwise around it, 1 to 2^30, default
// 1,920; last rows that meet all keys, 0 to 2^30, default 100. Needs no assumption. Which rows are
// the last ones depends on how many there are: a longer prompt moves the earlier rows' entries.
#pragma once

#include <memory>

#include "parts/heavy.h"
#include "parts/spec.h"

namespace subquad {

std::unique_ptr<HeavyRule> make_trishape_rule(const SpecPart& spec);

}  // namespace subquad
