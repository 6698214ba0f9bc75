#include "rows/key_source.h"

#include "subquad/problem.h"

namespace subquad {

void LoadedKeys::pack(const KeySource& source, const IndexList& keys, KeyTile& tile) {
  if (bias_.size() == 0) {
    points_ = Scratch<float>(capacity_ * head_dim_);
    values_ = Scratch<float>(capacity_ * value_dim_);
    bias_ = Scratch<float>(capacity_);
  }
  source.load(keys, points_.data(), values_.data(), bias_.data());
  Problem problem;
  problem.key = dense_view(static_cast<const void*>(points_.data()), DType::f32,
                           {1, 1, capacity_, head_dim_});
  problem.value = dense_view(static_cast<const void*>(values_.data()), DType::f32,
                             {1, 1, capacity_, value_dim_});
  const HeadProblem loaded{.problem = &problem, .num_keys = keys.count};
  tile.pack(loaded, index_range(0, keys.count), bias_.data());
}

}  // namespace subquad
