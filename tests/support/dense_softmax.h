// The softmax matrix itself, dense and in double precision: the yardstick of the probes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "support/owned_problem.h"
#include "support/reference_attention.h"
#include "support/tensor_buffer.h"

namespace subquad::testing {

// One query head of one sequence (batch element or packed sequence).
struct DenseHead {
  std::int64_t sequence = 0, head = 0;
  std::int64_t rows = 0, keys = 0;
  std::vector<double> weights;  // P, row-major (rows, keys)
  std::vector<char> visible;    // likewise: whether the row may see the key
  std::vector<double> lse;      // natural log, sinks included
  double max_score = 0;         // largest finite |score| of the problem

  double weight(std::int64_t i, std::int64_t j) const {
    return weights[static_cast<std::size_t>(i * keys + j)];
  }
  bool sees(std::int64_t i, std::int64_t j) const {
    return visible[static_cast<std::size_t>(i * keys + j)] != 0;
  }
  // sum_i P_ij^2.
  double column_square(std::int64_t j) const;
  double frobenius_square() const;
  // |P|_op by power iteration on P^T P to 1e-3 at worst (usually far closer).
  double operator_norm() const;
};

// Every sequence and query head, in this order: attention with the identity as values.
std::vector<DenseHead> dense_softmax(const Problem& problem);

}  // namespace subquad::testing
