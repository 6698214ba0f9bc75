// Global non-local means: every pixel becomes a mean of all pixels, weighed by how alike the
// patches around them are.
//
// source: Buades, Coll and Morel 2005, equation (1), with the whole picture searched; the distance
// corrected for noise as in their IPOL 2011 article; components of patches: Tasdizen 2009.
// y_i = sum_j K_ij v_j / sum_j K_ij, K_ij = exp(-|P_i - P_j|^2 / (2 bandwidth^2)): kernel sums of
// colours and of ones at the patches.
// use when: pictures that repeat themselves; a kernel-sum method that is fast at the bandwidth.
// do not use for: the best picture at any price (a window finds fewer false friends, and block
// matching does more with them).
// assumption: noise of one known size in every pixel, independent.
// cost: kernel sums of n points of `dim` with 4 columns (exact: 2 n^2 (dim + 4) flops), plus
// `checked` rows again by exact. n (dim + 8) floats.
// parameters: MeansOptions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "denoise/patches.h"
#include "subquad/attention.h"
#include "vit/image.h"

namespace subquad::denoise {

// The weight of a pixel in its own mean, K_ii = 1 for patches as they are:
//   one    as it is: too large, its noise is not another's;
//   none   0: only others count;
//   noise  exp(-noise^2 / bandwidth^2) (dim / values of a patch): the weight that a pixel with the
//          same patch but for its noise has on average. To take the noise's part, 2 noise^2, out of
//          the distances of all others, as the noise-corrected distance does, is the same thing.
enum class OwnWeight : std::uint8_t { one, none, noise };

struct MeansOptions {
  PatchOptions patch;
  double noise = 0;      // standard deviation of the noise in grey levels, 0 to 255
  double bandwidth = 0;  // in grey levels, root mean square over a patch's values; above 0
  OwnWeight own = OwnWeight::noise;
  std::string method = "exact";  // kernel_sums()'s
  std::string attention = {};    // not empty: attend()'s, in place of `method`
  // Rows whose weights add up to less than this are summed again by exact: what errors leave of
  // small sums is of no use, and a sum is never below its own 1. 0: none.
  double recheck = 10;
  Options run = {};
};

struct MeansReport {
  std::string path;            // of the kernel sums
  std::int64_t checked = 0;    // rows summed again by exact
  std::int64_t kept = 0;       // pixels without a neighbour, left as they were
  double estimated_error = 0;  // of the kernel sums, by the method itself; NaN: none
};

// What suits the noise: measured on pictures, docs/guide/denoise.md.
double default_bandwidth(const PatchOptions& patch, double noise);

// A picture of the same size. Throws Error that names side, components, noise, bandwidth, recheck
// or spec.
vit::Image nonlocal_means(const vit::Image& image, const MeansOptions& options,
                          MeansReport& report);

}  // namespace subquad::denoise
