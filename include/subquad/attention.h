// Exact and approximate attention, forward and backward.
//
// Any number of threads may call at once, with different outputs; only release_scratch() and
// select_isa() (info.h) want to be alone. What is written (Outputs, gradients) must not share a
// byte with what is read, nor with each other, nor an element with another of its own: such calls
// throw and write nothing. Views that interleave without a common byte are fine, as are the
// gradients of a packed query-key-value buffer.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "subquad/certificate.h"
#include "subquad/export.h"
#include "subquad/given.h"
#include "subquad/problem.h"
#include "subquad/tensor.h"

namespace subquad {

struct Options {
  // 0: the processors this process may use, or OMP_NUM_THREADS. No more are used than there is
  // work for, and 1,024 at most. The result does not depend on it.
  int threads = 0;
  std::uint64_t seed = 0;                 // of every random draw; same seed, same bits
  std::span<const GivenMask> given = {};  // what the spec parts given(0), given(1), .. stand for
};

// Where the results go; a stride of 0 needs an extent of 1. `out` (B, Hq, Lq, Dv) of any DType is
// required. Optional (data == nullptr leaves them out), both f32 of shape (B, Hq, Lq, 1):
//   lse        log-sum-exp of the row's scaled, masked scores (natural log); -inf for a masked row
//   row_error  estimated standard error |out - exact|_2 of the row, from the method's own samples;
//              0 for exact rows; of exact(precision=..), exact(error=..) and exact(skip=..) a
//              bound; NaN where the method has no estimate (nothing is sampled, or the row sees
//              fewer than two sampled keys)
struct Outputs {
  MutableTensorView out;
  MutableTensorView lse;
  MutableTensorView row_error;
};

// What happened.
struct Report {
  std::string path;                   // which code ran, e.g. "exact:packed" or "topk:lsh+uniform"
  std::int64_t rows = 0;              // query rows computed, all heads together
  std::int64_t fallback_rows = 0;     // rows recomputed exactly: the estimate was not positive
  std::int64_t scored_entries = 0;    // score entries evaluated (visible or not), for cost models
  std::int64_t peak_extra_bytes = 0;  // largest scratch memory held at once, all threads together
  std::int64_t exact_heads = 0;  // key/value heads that a method with a target error ran exactly
  // Rows whose sum of weights was negative and was divided by as it stood: linear(map=none), which
  // is defined so. Every other method computes such rows again (fallback_rows). Counted by the
  // forward alone: 0 after attend_backward().
  std::int64_t negative_rows = 0;
  // Share of each row's true top-k keys that a search through candidates found, on rows searched
  // in full for it; NaN: no such search, or attend_backward().
  double recall = std::numeric_limits<double>::quiet_NaN();
  // Relative Frobenius error of the output by the method's own probes (multipole with fit > 0:
  // their leave-one-out errors; exact heads count as 0, and their outputs not at all), or bounded
  // by exact(precision=split3|split6), exact(error=..) and exact(skip=..); NaN: none.
  double estimated_error = std::numeric_limits<double>::quiet_NaN();
  // Of rows recomputed exactly after the run, drawn apart from all else; rows = 0: not asked for
  // (far(certify=R) asks, and exact(precision|skip=.., certify=R)), or every head ran exactly. Its
  // confidence holds for every output.
  Certificate certificate;
};

// Attention by a method given as a spec string: "exact", or heavy and light parts joined by '+',
// e.g. "sink(4)+window(512)+sortlsh(block=256)+uniform(m=256)". See docs/guide/specs.md.
// Where the processor has AMX, bf16 query, key and value meet on tiles of bf16, in exact attention
// and where more than a few rows meet keys exactly (heavy parts, opened clusters, samples), and the
// path says "bf16-amx". Weights are then rounded to bf16: each is off by at most 0.57 % of itself,
// an output of exact by at most 1.14 % of the largest |V|, lse by 0.0057; select_isa("avx3") has it
// computed in f32 (info.h). The same with AVX512-BF16 alone where that is faster than f32
// ("bf16-avx512").
// exact(precision=split3|split6), exact(error=E): on AMX f32 and f16 meet on tiles too, as sums of
// bf16 ("split3-amx"), 1.5 to 2.2 times as fast with split3; row_error and estimated_error bound
// what that costs, and the certificate holds it to the bound. In f32 elsewhere. Their gradients are
// those of exact. docs/guide/precision.md.
// exact(skip=TAU): in f32, rows drop tiles of keys whose weights are at most TAU times their
// largest so far; row_error and estimated_error bound what that costs. Forward only.
// docs/guide/rivals.md. Throws Error. Nothing is written to the outputs when the arguments are
// invalid.
SUBQUAD_API Report attend(const Problem& problem, std::string_view spec, const Outputs& outputs,
                          const Options& options = {});

// Gradients of a loss through attend(). With `out` and `lse` from the forward:
//   out, lse       what attend() returned (lse f32, (B, Hq, Lq, 1))
//   grad_out       dL/d out, (B, Hq, Lq, Dv)
//   grad_lse       dL/d lse, f32 (B, Hq, Lq, 1), or data == nullptr for zero
//   grad_query, grad_key, grad_value: f32, shapes of query, key, value; overwritten. A view with
//   data == nullptr is not computed.
struct BackwardArguments {
  TensorView out;
  TensorView lse;
  TensorView grad_out;
  TensorView grad_lse;
  MutableTensorView grad_query;
  MutableTensorView grad_key;
  MutableTensorView grad_value;
};

// The exact derivative of attend(problem, spec, ..), approximate or not: what was drawn at random
// or chosen (samples, buckets, clusters, probes, what is opened, the ridge) is held fixed,
// everything else is differentiated, the fit to the probes included. Held fixed too are the
// directions that multipole(order=1|2) keeps where `rank` does not keep them all. `spec`,
// options.seed and options.given must be those of the forward; the thread count may differ.
// Computed in f32, but for what runs exactly of bf16 inputs on AMX, as attend() has it (report.path
// says bf16-amx): weights, grad_out and score gradients are then rounded to bf16, sums are f32.
// What `out` and `lse` are off by is in the gradients too. Throws Error.
SUBQUAD_API Report attend_backward(const Problem& problem, std::string_view spec,
                                   const BackwardArguments& arguments, const Options& options = {});
// Of "exact".
SUBQUAD_API Report attend_backward(const Problem& problem, const BackwardArguments& arguments,
                                   const Options& options = {});

// Gives scratch memory kept for reuse back to the system. Call when no attention is running.
SUBQUAD_API void release_scratch();

}  // namespace subquad
