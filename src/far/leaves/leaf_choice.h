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
#include "parts/budget.h"

namespace subquad {

constexpr std::int64_t kFewProbes = 32;  // of a query head: fewer say nothing

struct LeafTarget {
  double error = 0.03;  // relative, in the Frobenius norm, of each query head
  double margin = 0.9;  // of it, for the probes
  double most = 0.9;    // of exact's cost: above, rows run exactly
  bool always = false;  // never for their cost
};

// Rows of one prefix: limits of each query head of the group, as in LeafField::add.
struct LeafChoice {
  std::vector<std::int64_t> numbers;  // of the limits in limit_of(); kLimits: all is opened
  std::vector<float> limits;
  std::vector<float> row_error;  // root mean square of |error of the output|_2
};

// Probes in the order of their rows, and the keys that they stand at. Row r is one of query head
// r % group. Without a causal mask all probes serve all rows.
struct ProbedHead {
  std::span<const LeafProbe> probes;
  std::span<const std::int64_t> diagonals;
  std::int64_t group;
  bool causal;
};

// What the choices leave at the probes, which must not be of prefix 0.
ErrorSquares expected_squares(const ProbedHead& head, std::span<const LeafChoice> choices);

// Of prefixes 1, 2, .. `chunks`.
std::vector<LeafChoice> choose_leaves(const ProbedHead& head, const LeafIndex& index,
                                      std::int64_t chunks, const LeafTarget& target);

}  // namespace subquad
