// Attention, certificates, and errors in C.
#include <algorithm>

#include "capi/convert.h"
#include "capi/options.h"
#include "capi/rows.h"

namespace subquad::capi {
namespace {

void store_short(const Report& from, subquad_report* to) {
  if (to != nullptr)
    *to = {from.rows,          from.fallback_rows, from.scored_entries, from.peak_extra_bytes,
           from.negative_rows, from.recall};
}

BackwardArguments to_arguments(const subquad_tensor* out, const subquad_tensor* lse,
                               const subquad_tensor* grad_out, const subquad_tensor* grad_lse,
                               const subquad_tensor* grad_query, const subquad_tensor* grad_key,
                               const subquad_tensor* grad_value) {
  return {to_view("out", out),
          to_view("lse", lse),
          to_view("grad_out", grad_out),
          optional_view("grad_lse", grad_lse),
          optional_target("grad_query", grad_query),
          optional_target("grad_key", grad_key),
          optional_target("grad_value", grad_value)};
}

}  // namespace
}  // namespace subquad::capi

using namespace subquad;
using namespace subquad::capi;

extern "C" {

subquad_problem subquad_problem_default(void) {
  subquad_problem problem{};
  problem.window_left = problem.window_right = -1;
  return problem;
}

subquad_tensor subquad_dense(void* data, int dtype, int64_t batch, int64_t heads, int64_t length,
                             int64_t channels) {
  subquad_tensor tensor{data, dtype, {batch, heads, length, channels}, {}};
  const Shape4 strides = dense_strides({batch, heads, length, channels});
  std::copy(strides.begin(), strides.end(), tensor.stride);
  return tensor;
}

subquad_status subquad_validate(const subquad_problem* problem) {
  return guarded([&] { validate(to_problem(problem)); });
}

subquad_status subquad_attend(const subquad_problem* problem, const char* spec,
                              const subquad_tensor* out, const subquad_tensor* lse,
                              const subquad_tensor* row_error, int threads, uint64_t seed,
                              subquad_report* report) {
  return guarded([&] {
    store_short(attend(to_problem(problem), required_text("spec", spec),
                       to_outputs(out, lse, row_error), {threads, seed}),
                report);
  });
}

subquad_status subquad_attend_with(const subquad_problem* problem, const char* spec,
                                   const subquad_tensor* out, const subquad_tensor* lse,
                                   const subquad_tensor* row_error, const subquad_options* options,
                                   subquad_result* result) {
  return guarded([&] {
    const subquad_options all = options_of(options);
    store(attend(to_problem(problem), required_text("spec", spec), to_outputs(out, lse, row_error),
                 run_options(all)),
          result);
  });
}

subquad_status subquad_attend_backward(
    const subquad_problem* problem, const char* spec, const subquad_tensor* out,
    const subquad_tensor* lse, const subquad_tensor* grad_out, const subquad_tensor* grad_lse,
    const subquad_tensor* grad_query, const subquad_tensor* grad_key,
    const subquad_tensor* grad_value, int threads, uint64_t seed, subquad_report* report) {
  return guarded([&] {
    const BackwardArguments arguments =
        to_arguments(out, lse, grad_out, grad_lse, grad_query, grad_key, grad_value);
    store_short(attend_backward(to_problem(problem), required_text("spec", spec), arguments,
                                {threads, seed}),
                report);
  });
}

subquad_status subquad_attend_backward_with(
    const subquad_problem* problem, const char* spec, const subquad_tensor* out,
    const subquad_tensor* lse, const subquad_tensor* grad_out, const subquad_tensor* grad_lse,
    const subquad_tensor* grad_query, const subquad_tensor* grad_key,
    const subquad_tensor* grad_value, const subquad_options* options, subquad_result* result) {
  return guarded([&] {
    const subquad_options all = options_of(options);
    const BackwardArguments arguments =
        to_arguments(out, lse, grad_out, grad_lse, grad_query, grad_key, grad_value);
    store(attend_backward(to_problem(problem), required_text("spec", spec), arguments,
                          run_options(all)),
          result);
  });
}

subquad_status subquad_certify(const subquad_problem* problem, const subquad_tensor* out,
                               const subquad_options* options, subquad_result* result) {
  return guarded([&] {
    const subquad_options all = options_of(options);
    store(certify(to_problem(problem), to_view("out", out), with_run(all.certificate, all)),
          result);
  });
}

subquad_status subquad_measure_errors(const subquad_problem* problem, const subquad_tensor* approx,
                                      const subquad_tensor* exact, const double* norms,
                                      int64_t num_norms, const subquad_options* options,
                                      subquad_result* result) {
  return guarded([&] {
    const subquad_options all = options_of(options);
    MeasureOptions measure = with_run(all.measure, all);
    measure.norms = to_span("norms", norms, "num_norms", num_norms);
    store(measure_errors(to_problem(problem), to_view("approx", approx), to_view("exact", exact),
                         measure),
          result);
  });
}

subquad_status subquad_softmax_norms(const subquad_problem* problem, const subquad_options* options,
                                     double* norms, int64_t num_norms) {
  return guarded([&] {
    const subquad_options all = options_of(options);
    const Problem given = to_problem(problem);
    validate(given);
    const std::span<double> list = to_numbers({"norms", norms, "num_norms", num_norms},
                                              heads_of("query", given.query), inputs_of(given));
    std::ranges::copy(softmax_norms(given, with_run(all.measure, all)), list.begin());
  });
}

}  // extern "C"
