// Half a step of keys and values as pieces of bf16: one thread's memory.
#pragma once

#include <cstdint>

#include "core/index_list.h"
#include "rows/head_problem.h"
#include "rows/split_rows.h"
#include "rows/step_norms.h"
#include "rows/tiled_keys.h"

namespace subquad {

class SplitHalfStep {
 public:
  SplitHalfStep(const HeadProblem& head, const KeyPieces& pieces);

  // Up to 32 keys. wild[i]: key i or its value is beyond the limits; to be packed as zeros. Norms
  // go into the step's, from `place` on.
  void load(const IndexList& keys, std::uint8_t* wild, std::int64_t place, StepNorms& step);

  // Rows of one piece, to be packed; nullptr: zeros.
  const std::uint16_t* const* key_rows(int piece);
  const std::uint16_t* const* value_rows(int piece);

 private:
  const std::uint16_t* const* rows_of(const SplitRows& from, int piece);

  HeadProblem head_;
  SplitRows keys_, values_;
  bool packed_[kernels::kTileDepth] = {};
  const std::uint16_t* rows_[kernels::kTileDepth] = {};
};

}  // namespace subquad
