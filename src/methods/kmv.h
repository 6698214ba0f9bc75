// kmv(eps, recall, alpha): near keys by hash tables, the others by a sample: KMV's recipe for
// attention.
//
// source: KMV, Theorem 1.1 through Lemma 4.1: row sums with x = 1 and each column of V are kernel
// products, here in one pass over the same entries: `lsh_tables(recall, alpha)` beside `prefix(m)`,
// m = 1 / eps^2 draws for each block of rows. A row's sums over its light keys then have a relative
// deviation of at most eps times theirs of a single draw; unlike kernel sums (kernel_sums/kmv) the
// number of draws does not follow from the row.
// use when: attention is peaked and its tail smooth. do not use for: a bound on the outputs' error
// (`far` states one); short sequences: heads whose rows see at most 4 m keys run exactly.
// assumption: A (`subquad diagnose --probes head_tail`).
// cost: that of lsh_tables, and 2 m (D + Dv) flops a row.
// parameters: eps 0.002 to 1, default 0.05; recall, alpha as in lsh_tables; always approximate
// where exact is chosen, default false.
#pragma once

#include <memory>

#include "methods/method.h"
#include "parts/spec.h"

namespace subquad {

// `others`: the heavy parts beside it in the spec.
std::unique_ptr<Recipe> make_kmv(const SpecPart& spec, const Method& others);

}  // namespace subquad
