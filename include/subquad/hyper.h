// HyperAttention's Algorithms 2 and 3 as the paper states them, with their draws.
//
// source: paper 001, Algorithm 2 (ApproxD), Lemma 2, Algorithm 3. The same estimate of the
// denominators is the spec part approxd(..) of attend(); rownorm(..) has the sampling of Lemma 2.
// use when: reproducing the paper, checking its assumptions, or D~ or S themselves are wanted.
// do not use for: speed, or the smallest error: see docs/guide/hyper.md.
//
// A = exp(scale Q K^T) with the problem's masks: a hidden entry counts as zero everywhere (the
// paper's algorithms are unmasked). n is the number of keys of the sequence. Every function throws
// Error (invalid_argument) that names the argument at fault, before anything is written; results
// are the same bits for any number of threads. Calls and outputs: as attention.h says.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "subquad/attention.h"
#include "subquad/export.h"
#include "subquad/problem.h"

namespace subquad {

// Algorithm 2. M is the mask of large entries: what the heavy parts hold. As published: under a
// causal mask tau, and the draws of Algorithm 3, take in later tokens (attend() with approxd does
// not).
struct ApproxDOptions {
  std::string heavy = "sortlsh(block=256)";  // any heavy spec; "": M = 0
  std::int64_t num_samples = 256;            // m, 1 to 2^30
  double epsilon = 0.5;                      // in (0, 1]
  double kappa = 100;                        // at least 1: max / min row sum that M leaves
  double cap_constant = 100;                 // the Theta of line 6, from 0
  bool cap = true;                           // line 7's min(.., C_i)
  bool floor = true;                         // line 8's max(.., tau / kappa)
  std::int64_t tau_samples = 0;              // |T|, 0 to 2^30; 0: num_samples
  bool replace = true;  // m independent draws (the paper's); false: m distinct keys
};

// What Algorithm 2 drew and did for one key/value head of one sequence (batch element or packed
// sequence); the query heads that share it share the draws.
struct ApproxDHead {
  std::int64_t sequence = 0;
  std::int64_t kv_head = 0;
  std::vector<std::int64_t> tau_positions;  // T, as positions in the sequence, ascending
  std::vector<std::int64_t> samples;        // l_1 .. l_m, ascending; repeats with replacement
  // ln tau of each query head of the group; -inf: nothing is left. Empty without cap and floor, or
  // where no row sees a key.
  std::vector<double> log_tau;
  std::int64_t capped_samples = 0;  // (row, sampled key) entries lowered to C_i
  std::int64_t floored_rows = 0;    // rows whose d_i was below tau / kappa
};

struct ApproxDReport {
  Report report;  // fallback_rows: D~_i would not be positive, replaced by the exact row sum
  std::vector<ApproxDHead> heads;
};

// ln D~_ii (sink logits included) into log_row_sums, f32 (B, Hq, Lq, 1); -inf for a row that sees
// no key. options.threads and options.seed as in attend(); values are never read.
// cost: nnz(M) + n (m + tau_samples) entries of 2 D flops a head.
SUBQUAD_API ApproxDReport approximate_row_sums(const Problem& problem,
                                               const ApproxDOptions& approx_d,
                                               const MutableTensorView& log_row_sums,
                                               const Options& options = {});

// S of Lemma 2 for one key/value head: row r is weights[r] e_indices[r]^T.
struct SamplingMatrix {
  std::int64_t sequence = 0;
  std::int64_t kv_head = 0;
  std::vector<std::int64_t> indices;  // key positions in the sequence
  std::vector<double> weights;
};

struct SampleOptions {
  std::int64_t num_samples = 256;  // m, 1 to 2^30
  // true (the paper): m independent draws, p_i = |V_i|^2 / |V|_F^2, weights |V|_F / (sqrt(m)
  // |V_i|). false: m distinct keys by ordered pivotal sampling, key i with the probability pi_i =
  // min(1, c |V_i|^2) whose sum is m, weights pi_i^(-1/2). Either way E[S^T S V] = V.
  bool replace = true;
};

// Rows of V that are zero are never drawn: fewer than m other rows make a smaller sample without
// replacement; V = 0 an empty one. A row with an Inf or NaN is always there, with weight 1.
SUBQUAD_API std::vector<SamplingMatrix> sample_value_rows(const Problem& problem,
                                                          const SampleOptions& sample,
                                                          const Options& options = {});

struct HyperReport {
  Report report;
  std::vector<ApproxDHead> heads;
  std::vector<SamplingMatrix> samples;
};

// Algorithm 3, and what it is for: out = D~^-1 A S^T S V with D~ of approximate_row_sums() and S of
// sample_value_rows() for the same options and seed; lse = ln D~. As printed: all values come from
// the sample, those of the entries in M too. row_error leaves out what the caps do.
SUBQUAD_API HyperReport hyper_attention(const Problem& problem, const ApproxDOptions& approx_d,
                                        const SampleOptions& sample, const Outputs& outputs,
                                        const Options& options = {});

}  // namespace subquad
