// sortlsh(block, bits, rounds): rows and keys sorted by a Hamming-ordered hash, dense blocks on the
// diagonal of the sorted score matrix.
//
// source: HyperAttention, Definition 1 (Hamming sorted LSH) and Algorithm 1 (sortLSH).
// use when: a query's weight sits on keys at a small angle to it.
// do not use for: flat attention (plain sampling is as good), or keys whose norm decides (see the
// norm coordinate in a later step). Assumes few pairs at small angles: Corollary 1.
// cost: per round 2 n D bits flops of hashing, a radix sort, 2 n block (D + Dv) flops.
// parameters: block keys a block, 1 to 2^20, default 256; bits hyperplanes, 1 to 24, default 8;
// rounds independent permutations, 1 to 64, default 1 (entries found by several rounds count once);
// center subtract the mean key before hashing (softmax does not change, angles spread), default
// true.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "heavy/heavy_set.h"
#include "plan/spec.h"

namespace subquad {

std::unique_ptr<HeavyRule> make_sort_lsh_rule(const SpecPart& spec);

// Position of a sign pattern in the Gray sequence: neighbours there differ in one sign, so that
// adjacent buckets hold neighbouring directions.
constexpr std::uint32_t gray_rank(std::uint32_t signs) {
  for (std::uint32_t shift = 1; shift < 32; shift *= 2) signs ^= signs >> shift;
  return signs;
}

// Buckets of a head's rows and keys under one draw of hyperplanes.
struct HashBuckets {
  Scratch<std::uint32_t> rows;
  Scratch<std::uint32_t> keys;
};
HashBuckets hash_head(const HeadProblem& head, const Rng& rng, std::int64_t round,
                      std::int64_t bits, bool center, int threads);

// Stable order of the items by bucket.
Scratch<std::int32_t> sort_by_bucket(const Scratch<std::uint32_t>& buckets);

}  // namespace subquad
