// far(error, ..): the far field at a stated error, exact where that is faster or safer.
//
// source: ours (docs/theory/far_field.md). sink(1) + window(1) + multipole with a target: a few
// hundred probe rows are evaluated exactly, the clusters' coefficients are fitted to them, and
// their leave-one-out errors say how many clusters each group of rows must open. The heads of a
// sequence share the error.
// use when: long sequences and an error of one to five per cent will do, on layers nobody has
// looked at: it measures before it trusts.
// Under a causal mask: treecode (far/leaves/treecode.h) with the same target for each query head;
// no row depends on later tokens.
// do not use for: fewer than about 2,000 keys, element masks, sliding windows: those heads run
// exactly (the report's path says so).
// cost: probes * n / rows + clusters + opened keys a row, overheads about double that at n =
// 4,096; measured time and error in docs/guide/far.md.
// parameters: error relative Frobenius error of a sequence's output, 1e-4 to 1, default 0.03;
// clusters, fit, group: 0 (by length: 128 to 512, 256 to 1,024, 96 or 128) or as in multipole,
// cluster, ridge too, without a causal mask; chunk as in treecode, with one; margin share of
// exact's cost above which exact is taken, always: never for its cost; certify rows recomputed
// exactly afterwards for Report::certificate, 0 to 65,536, default 59.
#pragma once

#include <memory>

#include "methods/method.h"
#include "parts/spec.h"

namespace subquad {

// `others`: the heavy parts beside it in the spec; each of its methods starts with them.
std::unique_ptr<Recipe> make_far(const SpecPart& spec, const Method& others);

}  // namespace subquad
