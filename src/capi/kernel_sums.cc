// Kernel sums in C.
#include <cstdint>
#include <span>

#include "capi/convert.h"
#include "capi/options.h"
#include "capi/rows.h"
#include "subquad/kernel_sums.h"

namespace subquad::capi {
namespace {

KernelProblem to_kernels(const subquad_tensor* query, const subquad_tensor* key,
                         const subquad_tensor* value, std::span<const double> bandwidths) {
  KernelProblem problem{to_view("query", query), to_view("key", key), to_view("value", value)};
  if (bandwidths.size() == 1)
    problem.bandwidth = bandwidths.front();
  else
    problem.bandwidths.assign(bandwidths.begin(), bandwidths.end());
  return problem;
}

std::span<const double> to_bandwidths(const double* bandwidths, std::int64_t count) {
  const auto list = to_span("bandwidths", bandwidths, "num_bandwidths", count);
  if (list.empty()) throw_invalid("bandwidths: none are given");
  return list;
}

}  // namespace
}  // namespace subquad::capi

using namespace subquad;
using namespace subquad::capi;

extern "C" {

subquad_status subquad_kernel_sums(const subquad_tensor* query, const subquad_tensor* key,
                                   const subquad_tensor* value, double bandwidth, const char* spec,
                                   const subquad_tensor* out, const subquad_options* options,
                                   subquad_result* result) {
  return guarded([&] {
    const subquad_options all = options_of(options);
    store(kernel_sums(to_kernels(query, key, value, {&bandwidth, 1}), required_text("spec", spec),
                      {to_target("out", out)}, run_options(all)),
          result);
  });
}

subquad_status subquad_kernel_sums_with(const subquad_tensor* query, const subquad_tensor* key,
                                        const subquad_tensor* value, const double* bandwidths,
                                        int64_t num_bandwidths, const char* spec,
                                        const subquad_tensor* out, const subquad_options* options,
                                        subquad_result* result) {
  return guarded([&] {
    const subquad_options all = options_of(options);
    store(kernel_sums(to_kernels(query, key, value, to_bandwidths(bandwidths, num_bandwidths)),
                      required_text("spec", spec), {to_target("out", out)}, run_options(all)),
          result);
  });
}

subquad_status subquad_kernel_log_sums(const subquad_tensor* query, const subquad_tensor* key,
                                       const subquad_tensor* value, const double* bandwidths,
                                       int64_t num_bandwidths, const subquad_tensor* out,
                                       const subquad_options* options, subquad_result* result) {
  return guarded([&] {
    const subquad_options all = options_of(options);
    store(kernel_log_sums(to_kernels(query, key, value, to_bandwidths(bandwidths, num_bandwidths)),
                          {to_target("out", out)}, run_options(all)),
          result);
  });
}

subquad_status subquad_kernel_sums_backward(const subquad_tensor* query, const subquad_tensor* key,
                                            const subquad_tensor* value, const double* bandwidths,
                                            int64_t num_bandwidths, const subquad_tensor* grad_out,
                                            const subquad_tensor* grad_query,
                                            const subquad_tensor* grad_key,
                                            const subquad_tensor* grad_value,
                                            double* grad_bandwidths, const subquad_options* options,
                                            subquad_result* result) {
  return guarded([&] {
    const subquad_options all = options_of(options);
    const std::span<const double> given = to_bandwidths(bandwidths, num_bandwidths);
    KernelBackwardArguments arguments{
        to_view("grad_out", grad_out), optional_target("grad_query", grad_query),
        optional_target("grad_key", grad_key), optional_target("grad_value", grad_value)};
    if (grad_bandwidths != nullptr) arguments.grad_bandwidth = {grad_bandwidths, given.size()};
    store(kernel_sums_backward(to_kernels(query, key, value, given), arguments, run_options(all)),
          result);
  });
}

}  // extern "C"
