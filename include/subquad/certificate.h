// A bound on the errors of any method's output, from a random sample of its rows recomputed
// exactly.
//
// source: order statistics; S. S. Wilks, Determination of sample sizes for setting tolerance
// limits, Annals of Mathematical Statistics 12 (1941): one-sided, distribution-free.
// use when: one particular output has to be trusted, whatever computed it, and running exact on all
// rows is too slow.
// do not use for: bounding the very worst row (a share of the rows stays outside), or an output
// that was chosen by looking at the certificate's rows. assumes nothing about the errors.
// cost: 2 rows Lk (D + Dv) flops for the recomputed rows, together; below 100 bytes a row. More
// rows than the confidence asks for raise the confidence, and with it the bound: it is a maximum.
// parameters: rows, share, confidence and seed, see CertificateOptions.
//
// Why it holds: the bound is the largest error among R rows drawn without replacement. It fails to
// cover a share s of all rows only if every draw fell among the fewer than s N rows of smaller
// error: with probability below s^R, for any output that was fixed before the rows were drawn.
#pragma once

#include <cstdint>

#include "subquad/export.h"
#include "subquad/problem.h"
#include "subquad/tensor.h"

namespace subquad {

struct CertificateOptions {
  // Query rows to recompute, from all batches, heads and positions alike; at least the number of
  // rows there are: all of them. 0: the fewest that reach `confidence` for `share` (90 by default).
  std::int64_t rows = 0;
  double share = 0.95;       // of all rows, that the bound is to hold for; in (0, 1)
  double confidence = 0.99;  // read when rows is 0; in (0, 1)
  // Of the choice of rows. They are independent of every draw of attend(), also with its seed.
  std::uint64_t seed = 0;
  int threads = 0;  // the result does not depend on it
};

// a: a row of the output; e: the same row by exact attention (f32 arithmetic). Elements that are
// equal, or both NaN, differ by 0; any other Inf or NaN makes the row's error infinite, and is left
// out of |e|. 0 / 0 counts as 0 (a row that sees no key), x / 0 as infinity. A row e that is not
// finite has no error to bound: if a is Inf and NaN where e is, both bounds are NaN, and `worst` is
// such a row.
struct Certificate {
  std::int64_t rows = 0;        // recomputed exactly
  std::int64_t total_rows = 0;  // of the call
  double share = 1;       // of all rows, whose errors the bounds hold for; 1 if all were drawn
  double confidence = 1;  // 1 - share^rows, at least the true one; 1 if all were drawn
  double largest_row_error = 0;  // max |a - e|_2 / |e|_2 over the recomputed rows
  // max |a - e|_2 / rms_row_norm: does not blow up at a row whose exact output is nearly zero.
  // Times rms_row_norm it bounds |a - e|_2 with the same share and confidence.
  double largest_row_error_to_rms = 0;
  double rms_row_norm = 0;  // root mean square of |e|_2 over the recomputed rows
  // Of the recomputed rows: an estimate of the call's rel_fro (subquad/measure.h), not a bound. One
  // row that was not drawn can hold any share of it. NaN if e holds nothing finite but zeros.
  double rel_fro = 0;
  struct Place {
    std::int64_t batch = -1, head = -1, position = -1;  // as in the query tensor; -1 without rows
  };
  Place worst;  // of largest_row_error
};

// out: (B, Hq, Lq, Dv) of any DType, as attend() wrote it for this problem; rounding to a narrower
// DType counts as error. Throws Error (invalid_argument) that names the argument at fault. Any
// number of threads may call at once.
SUBQUAD_API Certificate certify(const Problem& problem, const TensorView& out,
                                const CertificateOptions& options = {});

}  // namespace subquad
