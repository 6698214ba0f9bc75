// Buckets of a head's rows and keys by random hyperplanes, in the order of a Gray code.
//
// source: HyperAttention, Definition 1 (Hamming sorted LSH).
// cost: 2 n D bits flops of hashing, a radix sort.
#pragma once

#include <cstdint>
#include <span>

#include "core/index_list.h"
#include "core/memory.h"
#include "core/rng.h"
#include "rows/head_problem.h"

namespace subquad {

// Position of a sign pattern in the Gray sequence: neighbours there differ in one sign, so that
// adjacent buckets hold neighbouring directions.
constexpr std::uint32_t gray_rank(std::uint32_t signs) {
  for (std::uint32_t shift = 1; shift < 32; shift *= 2) signs ^= signs >> shift;
  return signs;
}

struct HashOptions {
  std::int64_t bits = 8;
  bool center = true;
  bool norm = false;
  std::int64_t flips = 0;  // further buckets of a row: one each of its least certain signs flipped
};

// Buckets of a head's rows and keys under draw number `round` of the hyperplanes.
struct HashBuckets {
  Scratch<std::uint32_t> rows;
  Scratch<std::uint32_t> keys;
  Scratch<std::uint32_t> near;  // rows x flips, the least certain sign first; flips <= bits
};
// All rows and all keys of the head, about the mean of all keys.
HashBuckets hash_head(const HeadProblem& head, const Rng& rng, std::int64_t round,
                      const HashOptions& options, int threads);

// What is hashed together. The mean that `center` takes off and the largest norm of `norm` are
// those of `reference`: what the other keys hold moves no bucket but their own.
struct HashScope {
  IndexList rows;
  IndexList keys;
  IndexList reference;
};
// Buckets in the order of scope.rows and scope.keys.
HashBuckets hash_scope(const HeadProblem& head, const Rng& rng, std::int64_t round,
                       const HashOptions& options, const HashScope& scope, int threads);

// Stable order of the items by bucket: positions in `buckets` plus `first`.
Scratch<std::int32_t> sort_by_bucket(std::span<const std::uint32_t> buckets, std::int64_t first);

}  // namespace subquad
