// The k best keys of each row among those that hash tables bring it to.
//
// source: sign random projections (Charikar 2002) in several tables; the norm coordinate of KMV,
// Lemma 4.1, turns inner products into angles; probes of the least certain signs as in multi-probe
// LSH (Lv et al. 2007), one sign at a time.
// use when: a row's best keys are at a clearly smaller angle than the rest.
// do not use for: flat attention: each table then holds a random share of the keys, no more
// (cluster_candidates.h).
// cost: a table 2 n D bits flops and a sort; a row 2 D flops a candidate, read where it lies.
// parameters: tables, 1 to 256; bits a table, 1 to 24, 0: buckets of 64 keys on average; probes
// further buckets of a row in each table, at most one a bit; center, norm as in sort_lsh.h; strict
// under a causal mask or a window, tables for each piece of the rows (row_pieces.h): mean and
// largest norm are those of keys that all rows of the piece see, default true.
#pragma once

#include <cstdint>

#include "rows/head_problem.h"
#include "core/rng.h"
#include "heavy/topk/kept_keys.h"

namespace subquad {

struct LshOptions {
  std::int64_t tables = 8, bits = 0, probes = 0;
  bool center = true, norm = false;
  bool strict = true;
};

// Ascending lists of at most k keys. A row with fewer candidates that it may see keeps those; a row
// with none, or that sees at most k keys, is searched in full. Keys that are not finite are
// candidates of every row. Bits do not depend on `threads`.
KeptLists search_lsh(const HeadProblem& head, std::int64_t k, const LshOptions& options,
                     const Rng& rng, int threads);

}  // namespace subquad
