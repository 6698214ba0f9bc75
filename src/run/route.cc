#include "run/route.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace subquad {

std::vector<Route> route_heads(std::span<const HeadProblem> heads, const Method& method) {
  if (method.recipe == nullptr) return {{&method, {heads.begin(), heads.end()}}};
  std::vector<Route> routes;
  for (const HeadProblem& head : heads) {
    const Method* chosen = &method.recipe->choose(head);
    auto route = std::find_if(routes.begin(), routes.end(),
                              [&](const Route& r) { return r.method == chosen; });
    if (route == routes.end()) route = routes.insert(route, {chosen, {}});
    route->heads.push_back(head);
  }
  return routes;
}

std::string split_path(const Method& method, const SplitCounts& counts, std::int64_t heads) {
  if (counts.exact_heads == 0) return method.names;
  if (counts.exact_heads == heads) return "exact";
  return fmt::format("{}[{} of {} heads exact]", method.names, counts.exact_heads, heads);
}

std::string join_paths(const Method& method, const std::vector<std::string>& paths) {
  const std::string joined = fmt::format("{}", fmt::join(paths, "|"));
  return method.recipe == nullptr ? joined : method.names + ":" + joined;
}

Certificate certify_output(const Problem& problem, const TensorView& out, const Recipe& recipe,
                           const Options& options) {
  CertificateOptions asked;
  asked.rows = recipe.certified_rows();
  asked.seed = options.seed;
  asked.threads = options.threads;
  return certify(problem, out, asked);
}

}  // namespace subquad
