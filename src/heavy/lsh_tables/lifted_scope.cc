#include "heavy/lsh_tables/lifted_scope.h"

#include <cmath>

#include "index/gaussian_lift.h"
#include "rows/head_rows.h"

namespace subquad {
namespace {

std::vector<float> load_keys(const HeadProblem& head, const IndexList& keys) {
  std::vector<float> rows(static_cast<std::size_t>(keys.count * head.head_dim()));
  if (keys.count > 0)
    kernels::load_rows(select_rows(head.keys(), keys), 1.0f, rows.data(), head.head_dim(),
                       head.head_dim());
  return rows;
}

double norm_of(const float* x, std::int64_t dim) {
  double square = 0;
  for (std::int64_t c = 0; c < dim; ++c) square += double{x[c]} * x[c];
  return std::sqrt(square);
}

}  // namespace

double LiftedScope::slope(std::int64_t r, double scale_log2) const {
  return std::abs(scale_log2) * norms[static_cast<std::size_t>(r)] / (2 * radius);
}

LiftedScope lift_scope(const HeadProblem& head, const IndexList& rows, const IndexList& keys,
                       const IndexList& reference) {
  const std::int64_t width = head.head_dim();
  const KeyLift lift = lift_from(load_keys(head, reference).data(), reference.count, width);
  LiftedScope scope;
  scope.dim = width + 1;
  scope.radius = std::sqrt(lift.largest);
  const std::vector<float> plain = load_keys(head, keys);
  scope.keys.resize(static_cast<std::size_t>(keys.count * scope.dim));
  for (std::int64_t k = 0; k < keys.count; ++k)
    lift.lift_key(plain.data() + k * width, scope.keys.data() + k * scope.dim);
  std::vector<float> query(static_cast<std::size_t>(width));
  for (std::int64_t r = 0; r < rows.count; ++r) {
    load_head_rows(head, head.problem->query, rows.slice(r, 1), head.scale_log2 < 0 ? -1.0f : 1.0f,
                   query.data(), width);
    scope.norms.push_back(norm_of(query.data(), width));
    const double factor = scope.norms.back() > 0 ? scope.radius / scope.norms.back() : 0;
    for (const float c : query) scope.rows.push_back(static_cast<float>(factor * double{c}));
    scope.rows.push_back(0);
  }
  return scope;
}

}  // namespace subquad
