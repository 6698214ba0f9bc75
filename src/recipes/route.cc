#include "recipes/route.h"

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

std::string join_paths(const Method& method, const std::vector<std::string>& paths) {
  const std::string joined = fmt::format("{}", fmt::join(paths, "|"));
  return method.recipe == nullptr ? joined : method.names + ":" + joined;
}

}  // namespace subquad
