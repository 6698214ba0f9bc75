// attend(): checks, then the method that the spec names.
#include "subquad/attention.h"

#include "exact/forward.h"
#include "recipes/call.h"
#include "recipes/method.h"
#include "recipes/output_checks.h"
#include "recipes/route.h"
#include "recipes/split_attention.h"

namespace subquad {
namespace {

// Returns the path taken.
std::string run_route(const Route& route, const Outputs& outputs, const Options& options,
                      Call& call) {
  Report& report = call.report();
  if (route.method->exact) {
    const ExactRun run = exact_forward(route.heads, outputs, call.threads());
    report.scored_entries += run.scored_entries;
    return "exact:" + run.path;
  }
  const SplitCounts counts = split_attention(route.heads, *route.method, outputs, options);
  report.fallback_rows += counts.fallback_rows;
  report.scored_entries += counts.scored_entries;
  return route.method->names;
}

}  // namespace

Report attend(const Problem& problem, std::string_view spec, const Outputs& outputs,
              const Options& options) {
  check_call(problem, options);
  check_outputs(problem, outputs);
  const Method method = parse_method(spec, options.given);
  Call call(problem, options);
  std::vector<std::string> paths;
  for (const Route& route : route_heads(call.heads(), method))
    paths.push_back(run_route(route, outputs, options, call));
  call.report().path = join_paths(method, paths);
  return call.close();
}

}  // namespace subquad
