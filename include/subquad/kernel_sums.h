// Sums of Gaussian kernels: y_i = sum_k exp(-|q_i - k|^2 / (2 sigma^2)) x_k.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "subquad/attention.h"
#include "subquad/export.h"
#include "subquad/tensor.h"

namespace subquad {

// query (B, H, m, D), key (B, H, n, D), value (B, H, n, C): the x above, C of them at once. D and C
// from 1 to 512, any m, n >= 0; heads are independent problems. bandwidth: sigma, positive, in the
// units of the points. bandwidths: not empty, a sigma for each of the D channels instead, so that
// the exponent is -sum_d (q_d - k_d)^2 / (2 sigma_d^2); `bandwidth` must then be 0.
// A point with a NaN has a NaN kernel with everything: such a key makes its head's outputs NaN,
// such a query its own row. A point with an infinite coordinate (and no NaN) is infinitely far from
// everything: such a key adds nothing, such a query's row is zero. A value that is Inf or NaN
// reaches its column of every row, as 0 * NaN does where the kernel is too small for a float. Sums
// of finite values are finite where `out` can hold them, +-Inf beyond.
struct KernelProblem {
  TensorView query;
  TensorView key;
  TensorView value;
  double bandwidth = 0;
  std::vector<double> bandwidths = {};
};

// `out` (B, H, m, C) of any DType.
struct KernelOutputs {
  MutableTensorView out;
};

struct KernelReport {
  std::string path;                   // "exact", "far", or why far ran exactly: "far:exact(..)"
  std::int64_t rows = 0;              // query rows, all heads together
  std::int64_t scored_entries = 0;    // kernel values evaluated
  std::int64_t peak_extra_bytes = 0;  // largest scratch memory held at once, all threads together
  std::int64_t opened_entries = 0;    // of the rows' entries, those that far evaluated exactly
  // |y - exact|_F / |exact|_F, estimated by far from its probe rows, each left out of the fit in
  // turn; the largest head's. 0 where everything ran exactly, NaN where there is no estimate.
  double estimated_error = std::numeric_limits<double>::quiet_NaN();
  // What boxes guarantees, but for rounding: the largest |y - exact| of a query and column,
  // relative to sum_k w_k |x_k| + floor sum_k |x_k|. At most its error=; 0 where everything ran
  // exactly, NaN where a method has no bound.
  double error_bound = std::numeric_limits<double>::quiet_NaN();
};

// By "exact", "far(clusters=, order=, fit=, error=, ...)" or "boxes(error=, floor=)": see
// docs/guide/kernel_sums.md.
// Options::given must be empty. Throws Error; then nothing is written. Any number of threads may
// call at once; `out` must not share a byte with the inputs.
SUBQUAD_API KernelReport kernel_sums(const KernelProblem& problem, std::string_view spec,
                                     const KernelOutputs& outputs, const Options& options = {});

// out = log sum_k exp(-|q - k|^2 / (2 sigma^2)) x_k, for x >= 0: exact, and at any distance, since
// no kernel is ever smaller than the largest of its query. -inf where no key has a positive value,
// or the query is infinitely far. Error of a logarithm: some 1e-6 (1 + |log|). Each of the C
// columns costs 2 m n (D + 1) flops. Throws Error where a value is negative, naming it.
SUBQUAD_API KernelReport kernel_log_sums(const KernelProblem& problem, const KernelOutputs& outputs,
                                         const Options& options = {});

// Gradients of a loss through exact kernel sums.
//   grad_out       dL/d out, (B, H, m, C)
//   grad_query, grad_key, grad_value: f32, shapes of query, key, value; overwritten. A view with
//   data == nullptr is not computed.
//   grad_bandwidth summed over all heads: 1 number with `bandwidth`, D with `bandwidths`; empty:
//   not computed
// What is not finite: a key or a query with a NaN makes NaN of all that depends on it; one that is
// infinitely far has zero gradients, and adds none. Inf or NaN in value or grad_out make NaN of
// what depends on them.
struct KernelBackwardArguments {
  TensorView grad_out;
  MutableTensorView grad_query = {};
  MutableTensorView grad_key = {};
  MutableTensorView grad_value = {};
  std::span<double> grad_bandwidth = {};
};

// f32, in tiles: memory (m + n) (D + C) floats and a few MB a thread. 2 m n (2 D + C) flops for the
// queries' gradients (2 m n D more for the bandwidths'), 2 m n (2 D + 2 C) for the keys' and
// values'. The same bits for any number of threads.
SUBQUAD_API KernelReport kernel_sums_backward(const KernelProblem& problem,
                                              const KernelBackwardArguments& arguments,
                                              const Options& options = {});

}  // namespace subquad
