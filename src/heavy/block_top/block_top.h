// blocktop(block, keep, strict): for each block of queries the `keep` blocks of keys whose mean key
// scores highest with the mean query, evaluated exactly.
//
// source: the fine half of Sol-Attn (arXiv 2607.24027). Neither the paper nor its code was at hand:
// built from a description and from what a reimplementation's manual says (r-vage/ComfyUI-sol-attn,
// whose rule takes blocks that score so many standard deviations above the mean; a fixed number, as
// here, is what most block-sparse methods take).
// As published the queries of a block choose together, so that under a causal mask later queries
// and later keys move what a row meets. strict=true (the default) lets each row choose by its own
// query, among the blocks that it sees whole; those that it sees in part (its own under a causal
// mask, those that a window cuts) are evaluated beside the chosen ones. Without causal mask and
// window both are the published form.
// use when: neighbours have like keys; beside blockmean, which stands in for the other blocks.
// do not use for: single heavy keys among light ones, which a mean hides (topk, sortlsh). Assumes
// that the score of the means tells the blocks' weights apart (`subquad compare`).
// cost: n / block D multiply-adds a row to choose (a block of rows without a causal mask), and
// keep block entries; rows that choose for themselves also a pass over all rows for each of the
// keep blocks (above 64 blocks, and for few rows, they read their keys where they lie).
// parameters: block keys and queries, 1 to 2^20, default 64; keep blocks of keys, 1 to 2^20,
// default 8; strict no row depends on what a causal mask or window hides from it, default true
// (false: as published; Report::path says blocktop:published).
#pragma once

#include <memory>
#include <string>

#include "parts/heavy.h"
#include "parts/spec.h"

namespace subquad {

std::unique_ptr<HeavyRule> make_block_top_rule(const SpecPart& spec);

// The part in Report::path.
std::string block_top_path(const SpecPart& spec);

}  // namespace subquad
