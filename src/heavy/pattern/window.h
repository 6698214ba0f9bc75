// window(w), band(left, right): keys around each query's own position.
//
// source: sliding-window attention (Beltagy et al. 2020); a predefined mask in HyperAttention's
// sense.
// use when: neighbours matter: text, images in raster order.
// do not use for: unordered sets.
// Needs no assumption: what lies outside is the light part's.
// cost: 2 (w + rows of a group) (D + Dv) flops a row.
// parameters: w keys, 1 to 2^30, default 256. Causal: the last w keys up to the query's position.
// Otherwise w / 2 keys before it, itself, and (w - 1) / 2 after it. left, right: keys before and
// after the position, which counts too; 0 to 2^30, default 128 each. The position follows the
// problem's alignment.
#pragma once

#include <memory>

#include "parts/heavy.h"
#include "parts/spec.h"

namespace subquad {

std::unique_ptr<HeavyRule> make_window_rule(const SpecPart& spec);
std::unique_ptr<HeavyRule> make_window(std::int64_t width);
std::unique_ptr<HeavyRule> make_band_rule(const SpecPart& spec);

}  // namespace subquad
