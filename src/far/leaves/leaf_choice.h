// What the probes say about a head: for each prefix of chunks, how much its rows may leave closed,
// and whether they had better run exactly.
//
// Rows of a prefix use probes that stand before its last chunk ends, no others: nothing looks
// ahead.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "far/leaves/leaf_probes.h"

namespace subquad {

struct LeafTarget {
  double error = 0.03;  // relative, in the Frobenius norm, of each query head
  double margin = 0.9;  // of it, for the probes
  double most = 0.9;    // of exact's cost: above, rows run exactly
  bool always = false;  // never for their cost
};

// Rows of one prefix: limits of each query head of the group, as in LeafField::add.
struct LeafChoice {
  std::vector<float> limits;
  std::vector<float> row_error;  // root mean square of |error of the output|_2
};

// Of prefixes 1, 2, .. `chunks`. `group` query heads; probe row r is one of head r % group. `causal`: all probes serve all prefixes
// where it is false.
std::vector<LeafChoice> choose_leaves(std::span<const LeafProbe> probes, std::int64_t group,
                                      std::int64_t chunks, const LeafIndex& index,
                                      const LeafTarget& target, bool causal,
                                      std::span<const std::int64_t> diagonals);

}  // namespace subquad
