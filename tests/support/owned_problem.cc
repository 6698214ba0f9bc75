#include "support/owned_problem.h"

#include <cstdint>

namespace subquad::testing {

OwnedProblem::OwnedProblem() = default;
OwnedProblem::OwnedProblem(OwnedProblem&&) noexcept = default;
OwnedProblem& OwnedProblem::operator=(OwnedProblem&&) noexcept = default;
OwnedProblem::~OwnedProblem() = default;

OwnedProblem gaussian_problem(const Dimensions& sizes, std::uint64_t seed, DType type,
                              double spread) {
  const std::int64_t value_dim = sizes.value_dim > 0 ? sizes.value_dim : sizes.head_dim;
  OwnedProblem owned;
  owned.query = TensorBuffer(type, {sizes.batch, sizes.heads, sizes.queries, sizes.head_dim});
  owned.key = TensorBuffer(type, {sizes.batch, sizes.kv_heads, sizes.keys, sizes.head_dim});
  owned.value = TensorBuffer(type, {sizes.batch, sizes.kv_heads, sizes.keys, value_dim});
  Draw draw(seed);
  owned.query.fill([&] { return spread * draw.normal(); });
  owned.key.fill([&] { return spread * draw.normal(); });
  owned.value.fill([&] { return draw.normal(); });
  owned.problem.query = owned.query.view();
  owned.problem.key = owned.key.view();
  owned.problem.value = owned.value.view();
  return owned;
}

}  // namespace subquad::testing
