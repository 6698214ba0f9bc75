// sortlsh(block, bits, rounds, .., strict): rows and keys sorted by a Hamming-ordered hash, dense
// blocks on the diagonal of the sorted score matrix.
//
// source: HyperAttention, Definition 1 (Hamming sorted LSH) and Algorithm 1 (sortLSH).
// use when: a query's weight sits on keys at a small angle to it.
// do not use for: flat attention (plain sampling is as good). LSH finds small angles, attention
// wants large inner products: `norm` closes that gap for keys of very different norms.
// Assumes few pairs at small angles (Corollary 1), and that they have the large scores: kappa of
// what it leaves (probe_kappa; `subquad diagnose --method "sortlsh(..)"`).
// Under a causal mask or a window the published form is not strict: rows and keys are sorted
// together, so that later tokens move what earlier rows meet. strict=true (the default) instead
// lets each row choose, by its own bucket, a block of (block + 1) / 2 keys out of those that all
// rows of its piece see (row_pieces.h): half to all of what the row sees, the latest part left to
// a window or a sample. The first rows meet all their keys. Rows whose element masks differ: the
// keys that any of them sees are sorted together in either form.
// cost: per round 2 n D bits flops of hashing, a radix sort, 2 n block (1 + 2 neighbors) (D + Dv)
// flops (causal: about half of it).
// parameters: block keys a block, 1 to 2^20, default 256; bits hyperplanes, 1 to 24, default 8;
// rounds independent permutations, 1 to 64, default 1 (entries found by several rounds count
// once); center subtract the mean key before hashing (softmax does not change, angles spread),
// default true; norm hash keys as (k, sqrt(M^2 - |k|^2)), M the largest norm, and queries as (q,
// 0), so that the angle falls with the inner product (KMV, Lemma 4.1), default false; neighbors
// blocks on either side that a block of rows meets too (cyclic, as the Gray order is), 0 to 64,
// default 0; strict no row depends on what a causal mask or window hides from it, default true
// (false: as published; Report::path says sortlsh:published).
#pragma once

#include <memory>
#include <string>

#include "index/hash_head.h"
#include "parts/heavy.h"
#include "parts/spec.h"

namespace subquad {

struct SortLshOptions {
  std::int64_t block = 256, rounds = 1, neighbors = 0;
  HashOptions hash;
  bool strict = true;
};

std::unique_ptr<HeavyRule> make_sort_lsh_rule(const SpecPart& spec);
std::unique_ptr<HeavyRule> make_sort_lsh(const SortLshOptions& options);
// The part in Report::path.
std::string sort_lsh_path(const SpecPart& spec);

}  // namespace subquad
