// Heavy entries of the score matrix by its columns: every (i, j) with
//     (Q K^T)_ij^2 >= |Q K^T e_j|^2 / tau,
// found without forming Q K^T. The rows i are those of a HeadProblem (stacked query heads); masks
// and causality play no part here, but that rows which see no key are left out. tau is a share: a
// column has at most tau heavy entries.
//
// source: HyperAttention, Corollary 2: sketch T Q once, (T Q) k_j for each column, decode
// candidates from it and evaluate them exactly. |Q k_j|^2 = k_j^T (Q^T Q) k_j and the test of a
// candidate are in double, so nothing false is ever listed; the modes differ in what they may miss.
//   leverage    |x_i|^2 <= l_i |x|^2 with l_i = q_i^T (Q^T Q)^-1 q_i (Cauchy-Schwarz), so only rows
//               with l_i >= 1 / tau can be heavy in any column, and sum_i l_i <= D leaves at most
//               tau D of them. Misses nothing. (LevAttention: Kannan, Bhattacharyya, Kacham and
//               Woodruff 2024; the draw of T is not needed at all.)
//   countsketch digit trees over random groups of rows (expander_tree.cc).
//   expander    ExpanderSketch (Larsen, Nelson, Nguyen and Thorup 2016; expander_clusters.cc).
//   exhaustive  all n x n products, in f32. Misses nothing.
// use when: a rule by columns is wanted, as Theorem 1 is stated; mode=leverage, always.
// do not use for: finding what softmax weighs: the rule is by columns and by squares, so that large
// negative scores count as heavy, and a row's largest score need not be. Prefer sortlsh for speed.
// Needs no assumption.
// cost: flops 2 rows(T) D for each key, D^2 more for |Q k|^2 and 2 n D^2 once, in double, and what
// the modes' files say of decoding. rows(T): leverage at most min(n, tau D), often far fewer;
// countsketch 64 tau up to n = 2,048 tau, and as many again for each further factor of 16;
// expander 56 (3 ceil(log2(n) / 6) + 6) tau; exhaustive n. Memory: n D floats, T Q, and a block of
// at least 12 columns of T x a thread (16 MB where that is more).
// parameters: tau 1 to 2^20, default 64; mode, default leverage; width counters a table for each
// unit of tau, 1 to 4,096, default 32 (countsketch) or 2 (expander); repetitions independent
// sketches whose candidates are joined, 1 to 64, default 2.
// Columns of zeros, keys and queries with an Inf or a NaN, queries that see no key: nothing is
// heavy there. A sketch is f32: next to a row that is 1e6 times longer, entries are lost in its
// rounding (leverage loses none).
#pragma once

#include <cstdint>

#include "rows/head_problem.h"
#include "core/rng.h"
#include "parts/row_lists.h"
#include "parts/spec.h"

namespace subquad {

enum class SketchMode : std::uint8_t { leverage, countsketch, expander, exhaustive };

struct ExpanderOptions {
  double tau = 64;
  SketchMode mode = SketchMode::leverage;
  std::int64_t width = 0;        // 0: the mode's default
  std::int64_t repetitions = 0;  // 0: the mode's default
};

// Parameters tau, mode, width, repetitions, in this order. The caller calls reader.finish().
ExpanderOptions make_expander_options(SpecReader& reader);

// What a search did.
struct SketchReport {
  std::int64_t sketch_rows = 0;  // rows of T: 2 * sketch_rows * D flops a key
  std::int64_t candidates = 0;   // entries that were evaluated, over all columns
};

// Multiply-adds of the search, by the options: parts/work.h.
double search_steps(const HeadProblem& head, const ExpanderOptions& options);

// The same lists for any number of threads.
RowLists find_heavy_hitters(const HeadProblem& head, const ExpanderOptions& options, const Rng& rng,
                            int threads, SketchReport* report = nullptr);

}  // namespace subquad
