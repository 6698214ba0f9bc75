// An attention problem that owns its storage.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "subquad/problem.h"
#include "support/draw.h"
#include "support/tensor_buffer.h"

namespace subquad::testing {

struct OwnedProblem {
  TensorBuffer query, key, value;
  std::vector<std::uint8_t> boolean_mask;
  std::vector<float> additive_mask;
  std::vector<float> sink_logits;
  std::vector<std::int64_t> query_offsets, key_offsets;
  Problem problem;  // views of the above: stays valid when the OwnedProblem moves
  std::string description;

  OwnedProblem();
  OwnedProblem(OwnedProblem&&) noexcept;
  OwnedProblem& operator=(OwnedProblem&&) noexcept;
  ~OwnedProblem();

  Shape4 out_shape() const {
    return {query.shape()[0], query.shape()[1], query.shape()[2], value.shape()[3]};
  }
  Shape4 row_shape() const { return {query.shape()[0], query.shape()[1], query.shape()[2], 1}; }
};

struct Dimensions {
  std::int64_t batch = 1, heads = 1, kv_heads = 1, queries = 1, keys = 1, head_dim = 8;
  std::int64_t value_dim = 0;  // 0: as head_dim
};

// Standard normal query, key and value, dense, nothing masked.
OwnedProblem gaussian_problem(const Dimensions& sizes, std::uint64_t seed, DType type = DType::f32,
                              double spread = 1.0);

}  // namespace subquad::testing
