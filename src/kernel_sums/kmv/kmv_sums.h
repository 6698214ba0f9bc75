// kmv(eps, delta, mode): kernel sums with an error bounded by |x|, whatever the signs of x.
//
// source: KMV, Algorithm 3: |Kx - y|_2 <= eps |x|_2 with a probability of at least 1 - delta. The
// bound is relative to |x|, not to |Kx|; with C columns, to the Frobenius norm of all of X.
// theorem: the paper's Lemma 3.2, Algorithms 1 and 2 and constants (theorem_sums.h). practical: a
// few large x_j exactly for all rows; heavy keys by hash tables whose sizes follow from a sample of
// queries; the other keys by draws in proportion to x_j^2, as many for each block of near queries
// as its second moment asks for (practical_sums.h). Runs exactly where that is no dearer.
// use when: Assumption A holds (few keys near each query: `subquad diagnose`), n is large, x may
// have any signs.
// do not use for: wide bandwidths, where sums grow with n (far); an error relative to |Kx|.
// assumption: A, for the cost alone: the sum of all kernels grows with n, not n^2.
// cost: practical: tables, candidates and draws, all measured by the plan; theorem: refused above
// 4,096 keys and where Algorithm 2 asks for more than 1e9 draws.
// parameters: eps 1e-4 to 10, default 0.1; delta 1e-4 to 0.5, default 0.1; mode practical |
// theorem (whose delta is the paper's 0.01), default practical; always approximate even where exact
// is no dearer, default false.
#pragma once

#include <cstdint>

#include "core/rng.h"
#include "kernel_sums/kernel_head.h"
#include "kernel_sums/kernel_record.h"
#include "parts/spec.h"

namespace subquad {

struct KmvOptions {
  double eps = 0.1, delta = 0.1;
  bool theorem = false, always = false;
};

KmvOptions read_kmv_options(const SpecPart& part);

// Writes the sums of query i of the head to out + i * channels.
KernelRecord kmv_sums(const KernelHead& head, const KmvOptions& options, float* out, const Rng& rng,
                      int threads);

}  // namespace subquad
