// Which heads go which way.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "rows/head_problem.h"
#include "methods/method.h"
#include "run/each_head.h"
#include "subquad/attention.h"

namespace subquad {

struct Route {
  const Method* method;
  std::vector<HeadProblem> heads;
};

// The heads by the method that the spec, or its recipe, gives them; in order of their first head.
std::vector<Route> route_heads(std::span<const HeadProblem> heads, const Method& method);

// What ran on the heads of a route: the method's parts, exact, or how many heads ran exactly.
// Parts that are not strict say so where a causal mask or a window hides entries.
std::string split_path(const Method& method, const SplitCounts& counts,
                       std::span<const HeadProblem> heads);

// The path of a report: what ran on each route, "hyper:exact" or "hyper:sortlsh+uniform|exact".
std::string join_paths(const Method& method, const std::vector<std::string>& paths);

// The certificate that a method asks for, of so many rows.
Certificate certify_output(const Problem& problem, const TensorView& out, std::int64_t rows,
                           const Options& options);

}  // namespace subquad
