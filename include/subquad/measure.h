// How wrong an approximate output is, against the exact one. Any number of threads may
// call at once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "subquad/export.h"
#include "subquad/problem.h"

namespace subquad {

// Errors of one query head, or of all heads together (head = -1, pooled over heads: norms over all
// elements, maxima over heads, shares over all rows).
struct ErrorMetrics {
  std::int64_t head = -1;
  double rel_fro = 0;        // |approx - exact|_F / |exact|_F
  double max_over_vmax = 0;  // max |approx - exact| / max |V| (Support Basis, Definition 1.3)
  double op_rel = 0;         // |approx - exact|_op / (|D^-1 A|_op |V|_op) (HyperAttention, eq. (1))
  double rows_over_1pct = 0;  // share of rows with |row error|_2 / |exact row|_2 above 1 %
  double rows_over_5pct = 0;
  double rows_over_20pct = 0;
};

struct MeasureOptions {
  bool operator_norm = true;  // op_rel by power iteration, else NaN
  // What softmax_norms() gave for this problem, for several approximations of it (finite); empty:
  // computed.
  std::span<const double> norms = {};
  int max_iterations = 30;  // of each power iteration
  double tolerance = 1e-3;  // relative change that ends it
  int threads = 0;
};

// |D^-1 A|_op of every (batch, query head), entry b * Hq + h, D^-1 A the softmax weights with the
// problem's masks and sinks. By power iteration through exact attention forward and backward: no
// n x n matrix is formed. A lower bound that rises with each iteration; iteration ends when no
// head's bound rose by more than options.tolerance, or after options.max_iterations. cost: an
// iteration is about 4 Lq Lk D flops a query head; memory 5 floats a row and key of each.
SUBQUAD_API std::vector<double> softmax_norms(const Problem& problem,
                                              const MeasureOptions& options = {});

// One entry a query head, then the pooled one, for batch element 0..B-1 pooled into each head.
// approx, exact: f32 (B, Hq, Lq, Dv). Throws Error (invalid_argument)
// for shapes or options that do not fit.
SUBQUAD_API std::vector<ErrorMetrics> measure_errors(const Problem& problem,
                                                     const TensorView& approx,
                                                     const TensorView& exact,
                                                     const MeasureOptions& options = {});

}  // namespace subquad
