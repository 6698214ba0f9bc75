// Problems that blocks of keys meet: open, causal, windowed, padded and packed, with heads in
// groups and lengths that no block divides.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "support/owned_problem.h"

namespace subquad::testing {

struct BlockScene {
  std::string name;
  OwnedProblem owned;
};

// Two sequences, four heads on two key/value heads.
OwnedProblem block_problem(std::int64_t queries, std::int64_t keys, DType type, std::uint64_t seed);

std::vector<BlockScene> block_scenes(DType type = DType::f32);

}  // namespace subquad::testing
