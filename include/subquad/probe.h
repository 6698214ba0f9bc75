// Probes of the assumptions that HyperAttention's guarantees rest on (paper 001), for one problem.
//
// source: HyperAttention, Lemma 1 (alpha, kappa), Lemma 2 (stable rank), Theorem 1, section 4.3.
// use when: deciding whether a bound says anything about a layer, or how it changes with length.
// do not use for: choosing a method by itself; `subquad compare` measures the error outright.
// cost: stated with each probe. None forms an n x n matrix.
//
// A = exp(scale Q K^T), unnormalised, with the problem's masks (hidden entries are 0); D its row
// sums, sinks included; P = D^-1 A the softmax weights. Every probe gives one result for each
// sequence (batch element or packed sequence) and query head, in that order. Results are the same
// bits for any number of threads. A NaN or +Inf among the scores of a head gives NaN. Values are
// never read. All throw Error (invalid_argument) that names the argument at fault; any
// number of threads may call at once.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "subquad/export.h"
#include "subquad/problem.h"

namespace subquad {

struct AlphaOptions {
  std::int64_t skip_columns = 0;  // leave out the first so many keys (section 4.3: 32); below n
  std::int64_t rows = 0;          // query rows to sample; 0 or at least Lq: all of them
  int threads = 0;
  std::uint64_t seed = 0;  // of the sample
};

struct Alpha {
  std::int64_t sequence = 0;
  std::int64_t head = 0;
  double alpha = 0;          // n max_j |P e_j|^2, n the number of keys
  std::int64_t column = -1;  // the (first) key of the maximum; -1 without keys
  std::int64_t rows = 0;     // query rows it was computed from
  bool sampled = false;      // from a sample of rows: biased upwards, see probe_alpha()
};

// alpha = n max_j |P e_j|^2: Theorem 1 assumes n^o(1), Lemma 1's sample grows as alpha^2. A
// column's norm is over the rows that see the key. At most n Lq; without sinks and skipped keys at
// least the share of rows that see a key, times Lq / n. Exact within the rounding of f32 scores.
// With options.rows, over that many query positions drawn without replacement (the same for the
// heads of a group), squares scaled by Lq / rows. Each column's estimate is unbiased; the maximum
// over columns is biased upwards, never above Lq / rows times the true one: the more, the more
// columns come near the maximum and the fewer rows make up a column's square. Measured: Gaussian
// scores of variance 1, n = 256 (tests/statistical/probe_test.cc): on average 1.29, 1.71 and 2.31
// times the true alpha from 128, 64 and 32 rows, and 1.00 with one key that every query likes.
// DeiT-tiny at n = 4097 without key 0, from 512 rows: 0.9 to 1.1 in block 5; up to 8 (= Lq / rows)
// in block 0, where single rows look at one key each.
// cost: 4 rows n D flops a query head; memory n doubles a query head and 16 bytes a row.
SUBQUAD_API std::vector<Alpha> probe_alpha(const Problem& problem,
                                           const AlphaOptions& options = {});

struct KappaOptions {
  int threads = 0;
  std::uint64_t seed = 0;  // of the heavy parts' draws, as in attend()
};

struct Kappa {
  std::int64_t sequence = 0;
  std::int64_t head = 0;
  double kappa = 1;                  // may be inf; 1 when no row is left
  double log10_kappa = 0;            // finite where kappa is not
  std::int64_t rows = 0;             // rows that count: all less the two below
  std::int64_t empty_rows = 0;       // no key outside the heavy set: left out
  std::int64_t unresolved_rows = 0;  // light sum below the floor: left out, kappa is a lower bound
};

// kappa = max_i L_i / min_i L_i, L_i = <1 - M^H_i, A_i> the unnormalised sum of the row's entries
// outside the heavy set: Theorem 1 assumes n^o(1), Lemma 1's sample grows as kappa^7.
// `heavy_spec` names the heavy parts alone, e.g. "sortlsh(block=256)" (docs/guide/specs.md).
// Sums of different rows are compared as they are: unlike the softmax, kappa changes when a vector
// is subtracted from every key.
// L_i is the difference of two f32 log-sums (all keys, heavy keys). The floor is kappa_floor(lse)
// times the row's sum; rows below it are counted, not guessed. With causal masks rows whose heavy
// set holds every visible key are left out and counted as empty. Empty is told from unresolved by
// a second pair of passes with all scores near 0, which heavy parts whose choice depends on the
// size of the scores (not only on their order) see differently; a complement of less than 6e-6 of
// the visible keys then counts as empty.
// cost: exact attention and the heavy parts with one value channel, twice if a row is at the floor.
SUBQUAD_API std::vector<Kappa> probe_kappa(const Problem& problem, std::string_view heavy_spec,
                                           const KappaOptions& options = {});

// The smallest share of a row's sum exp(lse) that kappa resolves; at the floor a light sum is known
// to a quarter.
SUBQUAD_API double kappa_floor(double lse);

struct StableRankOptions {
  int max_iterations = 30;  // of the power iteration for |P|_op, as in softmax_norms()
  double tolerance = 1e-3;
  int threads = 0;
};

struct StableRank {
  std::int64_t sequence = 0;
  std::int64_t head = 0;
  double frobenius_squared = 0;  // |P|_F^2
  double operator_norm = 0;      // |P|_op, from below: see softmax_norms()
  double stable_rank = 0;        // their quotient, hence from above; 0 without a visible entry
};

// srnk(P) = |P|_F^2 / |P|_op^2: Lemma 2's sample grows as d srnk(P) (the lemma's matrix has the
// estimated D in place of D; Theorem 1's proof bounds the one by the other).
// cost: 4 Lq n D flops for |P|_F, and softmax_norms().
SUBQUAD_API std::vector<StableRank> probe_stable_rank(const Problem& problem,
                                                      const StableRankOptions& options = {});

struct HeadTailOptions {
  std::int64_t prefix = 0;  // of queries and keys, the first so many of each; 0: all
  std::int64_t rows = 0;    // query rows to sample; 0 or at least the prefix: all of them
  int threads = 0;
  std::uint64_t seed = 0;  // of the sample
};

struct HeadTail {
  std::int64_t sequence = 0;
  std::int64_t head = 0;
  std::int64_t size = 0;     // n of the matrix K: the prefix
  double ratio = 0;          // (|K|_1 - a) / a, a the sum of the n largest entries of K
  double ratio_error = 0;    // its standard error by the rows' sample; 0 where all were taken
  double log_largest = 0;    // natural logarithm of K's largest entry
  double nth_over_next = 1;  // n-th largest entry over the (n+1)-th; inf where that underflows
  double nth_over_2nth = 1;  // over the 2n-th
  std::int64_t rows = 0;     // query rows it was computed from
};

// Assumption A of the paper "Improved Algorithms for Kernel Matrix-Vector Multiplication under
// Sparsity Assumptions", section 4: |K|_1 less the sum of the n largest entries is at most a
// constant times that sum. K = exp(-|q' - k'|^2 / (2 sigma^2)) of Lemma 4.1 without centring, as
// the paper has it, over all entries: masks, windows and sinks of the problem are ignored. As many
// queries as keys.
// With options.rows, over that many query rows drawn without replacement: the sample's largest
// `rows` entries stand for the n largest. Entries are dependent within a row, so that the error is
// told by a jackknife over 16 groups of rows; a few rows that hold most of the head make it large.
// NaN where a score is NaN or infinite.
// cost: 6 rows n D flops and 2 exponentials an entry for each query head.
SUBQUAD_API std::vector<HeadTail> probe_head_tail(const Problem& problem,
                                                  const HeadTailOptions& options = {});

// What the lemmas leave open: m = Omega(..).
struct LemmaConstants {
  double lemma1 = 1;
  double lemma2 = 1;
};

struct LemmaInputs {
  std::int64_t n = 1;          // keys, from 1
  std::int64_t value_dim = 1;  // d of Lemma 2, from 1
  double epsilon = 0.5;        // above 0
  double alpha = 0;
  double log10_kappa = 0;
  double stable_rank = 0;
};

struct LemmaSamples {
  double lemma1 = 0;            // kappa^7 alpha^2 epsilon^-6 ln n; may be inf
  double log10_lemma1 = 0;      // finite where lemma1 is not; -inf for 0
  double lemma2 = 0;            // epsilon^-2 d srnk
  bool lemma1_vacuous = false;  // m >= n: the lemma promises nothing at this n
  bool lemma2_vacuous = false;
};

// Sample sizes m that Lemma 1 (for the error of D in operator norm) and Lemma 2 (for the product
// with V) ask for. NaN inputs give NaN, which counts as vacuous.
SUBQUAD_API LemmaSamples lemma_samples(const LemmaInputs& inputs,
                                       const LemmaConstants& constants = {});

}  // namespace subquad
