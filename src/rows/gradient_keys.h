// The keys and values of a head as tiles of bf16 for the backward pass, packed once for all rows.
#pragma once

#include <cstdint>
#include <vector>

#include "core/memory.h"
#include "kernels/tiles/tile_engine.h"
#include "rows/head_problem.h"
#include "rows/tile_keys.h"

namespace subquad {

// No element of a value or of an output gradient is larger on tiles, nor one of a query: sums of
// their products stay finite.
constexpr float kLargestTileValue = 0x1p30f, kLargestTileElement = 0x1p20f;

class GradientKeys {
 public:
  // (2 head_dim + value_dim, each rounded up to 32) * 2 bytes a key that any row may see.
  explicit GradientKeys(const HeadProblem& head);

  // Packs part i of so many, in any order on any thread; then call finish().
  std::int64_t parts() const { return keys_.parts(); }
  void pack(std::int64_t part);
  void finish() { keys_.finish(); }

  const Range& keys() const { return keys_.range(); }
  std::int64_t depth() const { return depth_; }
  std::int64_t value_depth() const { return value_depth_; }
  const std::vector<std::int32_t>& wild() const { return keys_.wild(); }
  // Right tiles of a step: of Q K^T, of dO V^T, of dS K.
  const kernels::Tile* key_columns(std::int64_t key) const {
    return key_columns_.data() + keys_.place(key) / kernels::kTileColumns * depth_;
  }
  const kernels::Tile* value_columns(std::int64_t key) const {
    return value_columns_.data() + keys_.place(key) / kernels::kTileColumns * value_depth_;
  }
  const kernels::Tile* key_pairs(std::int64_t key) const {
    return key_pairs_.data() + keys_.place(key) / kernels::kTileDepth * 2 * depth_;
  }

 private:
  HeadProblem head_;
  TileKeys keys_;
  std::int64_t depth_, value_depth_;
  Scratch<kernels::Tile> key_columns_, value_columns_, key_pairs_;
};

}  // namespace subquad
