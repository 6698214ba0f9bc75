// Keys and values packed as tiles of bf16, whoever holds them.
#pragma once

#include <cstdint>
#include <span>

#include "core/index_list.h"
#include "kernels/tiles/tile_engine.h"
#include "rows/head_problem.h"
#include "rows/step_norms.h"

namespace subquad {

// Of how many bf16 numbers a key's and a value's are the sum.
struct KeyPieces {
  int key = 1, value = 1;
};

// The key of place p is keys[p]; whole steps are packed, with zeros beyond the last key.
struct TiledKeys {
  const HeadProblem* head = nullptr;
  IndexList keys = {};
  // Added to the base-2 logits: of each key (may be nullptr), and of all.
  const float* bias = nullptr;
  float shift = 0;
  const kernels::Tile *key_tiles = nullptr, *value_tiles = nullptr;
  std::int64_t depth = 0;    // tiles along the head's dimension
  std::int64_t columns = 0;  // and along the values'
  // Places of keys that tiles cannot hold: zeros here, and not for rows that see them. Ascending.
  std::span<const std::int32_t> wild = {};
  KeyPieces pieces = {};
  const StepNorms* norms = nullptr;  // of split keys: of each step

  const kernels::Tile* keys_from(std::int64_t place) const {
    return key_tiles + place / kernels::kTileColumns * depth * pieces.key;
  }
  const kernels::Tile* values_from(std::int64_t place) const {
    return value_tiles + place / kernels::kTileDepth * columns * pieces.value;
  }
};

}  // namespace subquad
