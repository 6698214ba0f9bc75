// The derivative of the probe rows' exact sums, and of what the far field misses of them.
//
// source: ours. For probe i, key k of cluster c, with W = 2^(s_ik) / L_i and P = w_c(q_i) / L_i:
// the targets hold (W - P) (v_k, 1), less the slopes of the clusters for those keys (orders 1, 2),
// the features n_c P, and both are relative to L_i.
// cost: 2 p n (3 D + 2 Dv) flops, tiles alone in memory.
#pragma once

#include <cstdint>
#include <vector>

#include "far/fit/multipole_fit_backward.h"
#include "far/multipole_model.h"
#include "subquad/attention.h"

namespace subquad {

struct ProbeGradients {
  const PaddedMatrix& weights;        // P, p x R
  const PaddedMatrix& grad_weights;   // by P as feature, p x R
  const PaddedMatrix& grad_segments;  // by (W - P) (v_k, 1) of each segment, p x segments (Dv + 1)
  const std::vector<float>& pull;     // minus the derivative by log L
};

// Adds to the gradients of the probes' queries, of keys and of values, and to grad_means (R x D,
// less a factor ln 2); at orders 1 and 2 to `shape`.
void add_probe_gradients(const MultipoleModel& model, const MultipoleProbes& probes,
                         const ProbeGradients& gradients, const BackwardArguments& arguments,
                         std::vector<double>& grad_means, ClusterShapeBackward* shape, int threads);

}  // namespace subquad
