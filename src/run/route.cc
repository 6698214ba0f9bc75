#include "run/route.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "exact/tile_forward.h"

namespace subquad {
namespace {

bool has_mask_by_row(const HeadProblem& head) {
  const Mask& mask = head.problem->mask;
  return mask.kind != MaskKind::none && mask.shape[2] > 1;
}

}  // namespace

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

std::string split_path(const Method& method, const SplitCounts& counts,
                       std::span<const HeadProblem> heads) {
  const std::string exact = counts.on_tiles ? "exact:" + tile_path() : "exact";
  if (counts.exact_heads > 0 && counts.exact_heads == std::ssize(heads)) return exact;
  const Strict strict = method.strictness();
  const bool lax = std::any_of(heads.begin(), heads.end(), [&](const HeadProblem& head) {
    return (head.has_band() && strict == Strict::no) ||
           (has_mask_by_row(head) && strict != Strict::always);
  });
  std::string path = method.names + (lax ? ":not-strict" : "");
  if (counts.runs_on_tiles) path += fmt::format(":{}", tile_path());
  if (counts.exact_heads > 0)
    path += fmt::format("[{} of {} heads {}]", counts.exact_heads, heads.size(), exact);
  return path;
}

std::string join_paths(const Method& method, const std::vector<std::string>& paths) {
  const std::string joined = fmt::format("{}", fmt::join(paths, "|"));
  return method.recipe == nullptr ? joined : method.names + ":" + joined;
}

Certificate certify_output(const Problem& problem, const TensorView& out, std::int64_t rows,
                           const Options& options) {
  CertificateOptions asked;
  asked.rows = rows;
  asked.seed = options.seed;
  asked.threads = options.threads;
  return certify(problem, out, asked);
}

}  // namespace subquad
