// HyperAttention's Algorithms 2 and 3 straight from the paper, in double precision, given the same
// mask M and draws: the yardstick of the library's. Logarithms throughout, so that scores may be
// huge. Shares no arithmetic with the library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "rows/head_problem.h"
#include "methods/method.h"
#include "rows/visible_keys.h"
#include "subquad/hyper.h"
#include "support/owned_problem.h"
#include "support/reference_attention.h"

namespace subquad::testing {

constexpr double nothing = -std::numeric_limits<double>::infinity();

// ln(e^a + e^b).
double log_add(double a, double b);

// One query head of one sequence: scores (natural log of A) and the mask M, row-major.
struct PlainHead {
  std::int64_t sequence = 0, b = 0, head = 0, kv_head = 0, in_group = 0;
  std::int64_t query_begin = 0, key_begin = 0, rows = 0, keys = 0;
  std::vector<double> scores;  // -inf: hidden
  std::vector<char> heavy;
  double max_score = 0;
  std::int64_t visible = 0;  // keys that any row of the key/value head sees

  double score(std::int64_t i, std::int64_t j) const {
    return scores[static_cast<std::size_t>(i * keys + j)];
  }
  bool in_mask(std::int64_t i, std::int64_t j) const {
    return heavy[static_cast<std::size_t>(i * keys + j)] != 0;
  }
  // ln of the row's sum over the entries that M holds, or those that it leaves.
  double log_sum(std::int64_t i, bool of_heavy) const;
};

// Every sequence and query head, in this order.
std::vector<PlainHead> plain_heads(const Problem& problem, const std::string& heavy,
                                   std::uint64_t seed);

struct PlainApproxD {
  double log_tau = nothing;
  std::vector<double> log_row_sums;
  std::vector<char> redone;  // rows whose sum is the exact one
  std::int64_t capped = 0, floored = 0;
};

// Algorithm 2 with T and l_1 .. l_m as drawn. What would be 0 is the exact sum instead.
PlainApproxD plain_approx_d(const PlainHead& head, const ApproxDOptions& options,
                            const ApproxDHead& draws);

}  // namespace subquad::testing
