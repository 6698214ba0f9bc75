// Which heads go which way.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/head_problem.h"
#include "recipes/method.h"

namespace subquad {

struct Route {
  const Method* method;
  std::vector<HeadProblem> heads;
};

// The heads by the method that the spec, or its recipe, gives them; in order of their first head.
std::vector<Route> route_heads(std::span<const HeadProblem> heads, const Method& method);

// The path of a report: what ran on each route, "hyper:exact" or "hyper:sortlsh+uniform|exact".
std::string join_paths(const Method& method, const std::vector<std::string>& paths);

}  // namespace subquad
