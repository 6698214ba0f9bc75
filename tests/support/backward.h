// Running the library's backward into guarded buffers and comparing with the reference.
#pragma once

#include <cstdint>

#include "subquad/attention.h"
#include "support/forward.h"
#include "support/owned_problem.h"
#include "support/reference_attention.h"
#include "support/tensor_buffer.h"

namespace subquad::testing {

// The gradients that arrive from above: normal draws.
struct Upstream {
  TensorBuffer out;  // (B, Hq, Lq, Dv)
  TensorBuffer lse;  // (B, Hq, Lq, 1)
  bool with_lse = true;

  DenseTensor dense_lse() const {
    return with_lse ? read_tensor(lse.view()) : DenseTensor(lse.shape());
  }
};

Upstream random_upstream(const Problem& problem, std::uint64_t seed, DType type,
                         const Layout& layout = {});

struct BackwardRun {
  TensorBuffer query, key, value;
  Report report;
};

BackwardArguments backward_arguments(const ForwardRun& forward, const Upstream& upstream,
                                     BackwardRun& run);

BackwardRun run_backward(const Problem& problem, const ForwardRun& forward,
                         const Upstream& upstream, int threads = 0, const Layout& layout = {});

// Largest difference over the three gradients, each relative to its own largest entry, in units of
// max(1, largest |score|). The floor covers gradients that are nothing but cancelled rounding.
double gradient_error(const BackwardRun& run, const ReferenceAttention& reference,
                      const ReferenceAttention::Gradients& expected, double floor);

// Likewise, of what exceeds that which the forward's rounded weights bring, and the backward's own
// rounding (nothing unless they ran in bf16).
double gradient_error_beyond(const ForwardRun& forward, const Upstream& upstream,
                             const BackwardRun& run, const ReferenceAttention& reference,
                             const ReferenceAttention::Gradients& expected, double floor);

}  // namespace subquad::testing
