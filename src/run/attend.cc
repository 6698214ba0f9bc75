// attend(): checks, then the method that the spec names.
#include "subquad/attention.h"

#include <cmath>
#include <iterator>
#include <limits>

#include "exact/forward.h"
#include "run/call.h"
#include "run/delta_run.h"
#include "methods/method.h"
#include "run/output_checks.h"
#include "run/route.h"
#include "run/forward.h"

namespace subquad {
namespace {

// Returns the path taken.
std::string run_route(const Route& route, const Outputs& outputs, const Options& options,
                      Call& call, SplitCounts& total) {
  Report& report = call.report();
  if (route.method->exact) {
    const ExactRun run =
        exact_forward(route.heads, outputs, call.threads(), route.method->precision);
    report.scored_entries += run.scored_entries;
    total.exact_heads += std::ssize(route.heads);
    total.error_square += run.errors.error_square;
    total.out_square += run.errors.out_square;
    total.largest_error = run.errors.largest;
    return "exact:" + run.path;
  }
  const auto run = route.method->delta_step > 0 ? delta_attention : split_attention;
  const SplitCounts counts = run(route.heads, *route.method, outputs, options);
  report.fallback_rows += counts.fallback_rows;
  report.scored_entries += counts.scored_entries;
  report.exact_heads += counts.exact_heads;
  report.negative_rows += counts.negative_rows;
  total.add(counts);
  return split_path(*route.method, counts, route.heads);
}

// Recomputes some rows of what a recipe approximated: where they are off by more than it may be,
// all run exactly after all.
void certify_recipe(const Problem& problem, const Recipe& recipe, const Outputs& outputs,
                    const Options& options, Call& call) {
  Report& report = call.report();
  const auto certify = [&] {
    report.certificate =
        certify_output(problem, as_const(outputs.out), recipe.certified_rows(), options);
  };
  certify();
  if (!(report.certificate.rel_fro > recipe.error_limit())) return;
  if (!recipe.runs_again(problem)) {
    report.path += "|above the error asked";
    return;
  }
  const ExactRun run = exact_forward(call.heads(), outputs, call.threads());
  report.scored_entries += run.scored_entries;
  report.exact_heads = std::ssize(call.heads());
  report.path += "|exact after all";
  report.estimated_error = std::numeric_limits<double>::quiet_NaN();
  certify();
}

// Likewise of what exact split: no row may be off by more than the largest bound.
void certify_split(const Problem& problem, std::int64_t rows, double largest_error,
                   const Outputs& outputs, const Options& options, Call& call) {
  Report& report = call.report();
  report.certificate = certify_output(problem, as_const(outputs.out), rows, options);
  const Certificate& found = report.certificate;
  if (!(found.largest_row_error_to_rms * found.rms_row_norm > largest_error)) return;
  const ExactRun run = exact_forward_in_f32(call.heads(), outputs, call.threads());
  report.scored_entries += run.scored_entries;
  report.path += "|f32 after all";
  report.estimated_error = 0;
  report.certificate = certify_output(problem, as_const(outputs.out), rows, options);
}

}  // namespace

Report attend(const Problem& problem, std::string_view spec, const Outputs& outputs,
              const Options& options) {
  check_call(problem, options);
  check_outputs(problem, outputs, options.given);
  const Method method = parse_method(spec, options.given);
  Call call(problem, options);
  std::vector<std::string> paths;
  SplitCounts total;
  for (const Route& route : route_heads(call.heads(), method))
    paths.push_back(run_route(route, outputs, options, call, total));
  Report& report = call.report();
  report.path = join_paths(method, paths);
  if (total.out_square > 0)
    report.estimated_error = std::sqrt(total.error_square / total.out_square);
  if (total.recall.wanted > 0)
    report.recall =
        static_cast<double>(total.recall.found) / static_cast<double>(total.recall.wanted);
  if (method.exact && total.largest_error > 0 && method.precision.certify > 0)
    certify_split(problem, method.precision.certify, total.largest_error, outputs, options, call);
  if (method.recipe == nullptr || method.recipe->certified_rows() == 0) return call.close();
  if (total.exact_heads < std::ssize(call.heads()))  // else there is nothing to certify
    certify_recipe(problem, *method.recipe, outputs, options, call);
  return call.close();
}

}  // namespace subquad
