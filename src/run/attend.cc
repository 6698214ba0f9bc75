// attend(): checks, then the method that the spec names.
#include "subquad/attention.h"

#include <cmath>
#include <iterator>
#include <limits>

#include "exact/forward.h"
#include "run/call.h"
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
    const ExactRun run = exact_forward(route.heads, outputs, call.threads());
    report.scored_entries += run.scored_entries;
    total.exact_heads += std::ssize(route.heads);
    return "exact:" + run.path;
  }
  const SplitCounts counts = split_attention(route.heads, *route.method, outputs, options);
  report.fallback_rows += counts.fallback_rows;
  report.scored_entries += counts.scored_entries;
  report.exact_heads += counts.exact_heads;
  report.negative_rows += counts.negative_rows;
  total.add(counts);
  return split_path(*route.method, counts, route.heads);
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
  if (method.recipe == nullptr || method.recipe->certified_rows() == 0) return call.close();
  if (total.exact_heads == std::ssize(call.heads())) return call.close();  // nothing to certify
  report.certificate = certify_output(problem, as_const(outputs.out), *method.recipe, options);
  if (report.certificate.rel_fro > method.recipe->error_limit()) {
    const ExactRun run = exact_forward(call.heads(), outputs, call.threads());
    report.scored_entries += run.scored_entries;
    report.exact_heads = std::ssize(call.heads());
    report.path += "|exact after all";
    report.estimated_error = std::numeric_limits<double>::quiet_NaN();
    report.certificate = certify_output(problem, as_const(outputs.out), *method.recipe, options);
  }
  return call.close();
}

}  // namespace subquad
