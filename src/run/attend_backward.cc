// attend_backward(): checks, then the backward pass of the method that the spec names.
#include <cmath>
#include <iterator>

#include "core/checks.h"
#include "exact/backward.h"
#include "core/given_check.h"
#include "kernels/pack.h"
#include "run/call.h"
#include "run/delta_run.h"
#include "methods/method.h"
#include "run/route.h"
#include "run/backward.h"
#include "subquad/attention.h"

namespace subquad {
namespace {

void check_row_values(const char* name, const Problem& problem, const TensorView& view) {
  const Shape4& q = problem.query.shape;
  check_shape(name, view, {q[0], q[1], q[2], 1});
  check_f32(name, view);
}

void check_gradient(const char* name, const MutableTensorView& view, const TensorView& input) {
  if (view.empty()) return;
  check_target(name, view, input.shape);
  check_f32(name, view);
}

void check_memory(const Problem& problem, const BackwardArguments& arguments,
                  std::span<const GivenMask> given) {
  std::vector<Region> read = inputs_of(problem, given);
  read.push_back(region_of("out", arguments.out));
  read.push_back(region_of("lse", arguments.lse));
  read.push_back(region_of("grad_out", arguments.grad_out));
  if (!arguments.grad_lse.empty()) read.push_back(region_of("grad_lse", arguments.grad_lse));
  std::vector<Region> written;
  const auto add = [&](const char* name, const MutableTensorView& view) {
    if (!view.empty()) written.push_back(region_of(name, view));
  };
  add("grad_query", arguments.grad_query);
  add("grad_key", arguments.grad_key);
  add("grad_value", arguments.grad_value);
  check_apart(written, read);
}

bool has_elements(const TensorView& view) {
  return view.batch() * view.heads() * view.length() * view.channels() > 0;
}

void check_arguments(const Problem& problem, const BackwardArguments& arguments) {
  const Shape4& q = problem.query.shape;
  const Shape4 out_shape{q[0], q[1], q[2], problem.value.channels()};
  check_shape("out", arguments.out, out_shape);
  check_shape("grad_out", arguments.grad_out, out_shape);
  check_row_values("lse", problem, arguments.lse);
  if (!arguments.grad_lse.empty()) check_row_values("grad_lse", problem, arguments.grad_lse);
  check_gradient("grad_query", arguments.grad_query, problem.query);
  check_gradient("grad_key", arguments.grad_key, problem.key);
  check_gradient("grad_value", arguments.grad_value, problem.value);
  const bool none =
      arguments.grad_query.empty() && arguments.grad_key.empty() && arguments.grad_value.empty();
  if (none && (has_elements(problem.query) || has_elements(problem.key)))
    throw_invalid("grad_query, grad_key, grad_value: none has data, ask for at least one");
}

bool all_finite(const TensorView& view) {
  if (view.empty() || !has_elements(view)) return true;
  for (std::int64_t b = 0; b < view.batch(); ++b)
    for (std::int64_t h = 0; h < view.heads(); ++h) {
      const auto* base =
          static_cast<const char*>(view.data) + view.offset(b, h, 0) * size_of(view.dtype);
      if (!kernels::all_finite(
              {base, view.dtype, view.stride[2], view.channels(), nullptr, 0, view.length()}))
        return false;
    }
  return true;
}

// -inf is the lse of a row that sees nothing.
bool all_known(const TensorView& lse) {
  bool known = true;
  for (std::int64_t b = 0; b < lse.batch(); ++b)
    for (std::int64_t h = 0; h < lse.heads(); ++h)
      for (std::int64_t i = 0; i < lse.length(); ++i)
        known = known && static_cast<const float*>(lse.data)[lse.offset(b, h, i)] < HUGE_VALF;
  return known;
}

// Error (invalid_argument) where float32 overflowed on the way: gradients that are not finite
// though all that they come from is.
void check_gradients(const Problem& problem, const BackwardArguments& arguments) {
  if (all_finite(arguments.grad_query) && all_finite(arguments.grad_key) &&
      all_finite(arguments.grad_value))
    return;
  if (all_finite(problem.query) && all_finite(problem.key) && all_finite(problem.value) &&
      all_finite(arguments.out) && all_finite(arguments.grad_out) &&
      all_finite(arguments.grad_lse) && all_known(arguments.lse))
    throw_invalid(
        "query, key, value, grad_out: their gradients overflow float32; scale grad_out down");
}

// Returns the path taken.
std::string run_route(const Route& route, const BackwardArguments& arguments,
                      const Options& options, Call& call) {
  Report& report = call.report();
  if (route.method->exact) {
    report.scored_entries += exact_backward(route.heads, arguments, call.threads());
    return exact_backward_path(route.heads);
  }
  const auto run = route.method->delta_step > 0 ? delta_backward : split_backward;
  const SplitCounts counts = run(route.heads, *route.method, arguments, options);
  report.fallback_rows += counts.fallback_rows;
  report.scored_entries += counts.scored_entries;
  report.exact_heads += counts.exact_heads;
  return split_path(*route.method, counts, route.heads);
}

// Whether the forward of a recipe that may run exactly after all did so: its rows then are exact up
// to the rounding of `out`.
bool ran_exactly(const Problem& problem, const TensorView& out, const Method& method,
                 const Options& options) {
  if (method.recipe == nullptr || method.recipe->certified_rows() == 0) return false;
  const double rounding = out.dtype == DType::bf16 ? 4e-3 : out.dtype == DType::f16 ? 5e-4 : 1e-5;
  return certify_output(problem, out, method.recipe->certified_rows(), options).rel_fro <= rounding;
}

}  // namespace

Report attend_backward(const Problem& problem, std::string_view spec,
                       const BackwardArguments& arguments, const Options& options) {
  check_call(problem, options);
  check_arguments(problem, arguments);
  check_memory(problem, arguments, options.given);
  const Method method = parse_method(spec, options.given);
  if (method.precision.skip > 0)
    throw_invalid("exact(skip=..): has no gradient; train with exact, or with heavy parts");
  Call call(problem, options);
  if (ran_exactly(problem, arguments.out, method, options)) {
    call.report().exact_heads = std::ssize(call.heads());
    call.report().scored_entries += exact_backward(call.heads(), arguments, call.threads());
    call.report().path = method.names + ":" + exact_backward_path(call.heads()) + ":backward";
    check_gradients(problem, arguments);
    return call.close();
  }
  std::vector<std::string> paths;
  for (const Route& route : route_heads(call.heads(), method))
    paths.push_back(run_route(route, arguments, options, call));
  call.report().path = join_paths(method, paths) + ":backward";
  check_gradients(problem, arguments);
  return call.close();
}

Report attend_backward(const Problem& problem, const BackwardArguments& arguments,
                       const Options& options) {
  return attend_backward(problem, "exact", arguments, options);
}

}  // namespace subquad
