// The keys and values of a head as tiles of bf16, packed once for all rows that meet them.
#pragma once

#include <cstdint>
#include <vector>

#include "core/index_list.h"
#include "core/memory.h"
#include "kernels/tiles/tile_engine.h"
#include "rows/head_problem.h"

namespace subquad {

// Scores on tiles are base-2 logits of at most 2^20: keys have no larger element than the first of
// these, and the magnitudes of a query, scaled, no larger sum than the second. What lies beyond,
// Inf and NaN go the other way, in f32.
constexpr float kLargestTileKey = 0x1p10f, kLargestTileQuery = 0x1p10f, kLargestTileScore = 0x1p20f;

// The keys that any row of the head may see, in whole steps.
Range tile_keys(const HeadProblem& head);

class PackedTiles {
 public:
  // For all keys that any row may see. (head_dim + value_dim, each rounded up to 32) * 2 bytes a
  // key.
  explicit PackedTiles(const HeadProblem& head);

  // Packs part i of so many, in any order on any thread; then call finish().
  std::int64_t parts() const;
  void pack(std::int64_t part);
  void finish();

  const HeadProblem& head() const { return head_; }
  // Whole steps of keys from the sequence's first; past its last there are zeros.
  const Range& keys() const { return keys_; }
  std::int64_t depth() const { return depth_; }      // tiles along the head's dimension
  std::int64_t columns() const { return columns_; }  // and along the values'
  const kernels::Tile* key_tiles(std::int64_t key) const {
    return key_tiles_.data() + (key - keys_.begin) / kernels::kTileColumns * depth_;
  }
  const kernels::Tile* value_tiles(std::int64_t key) const {
    return value_tiles_.data() + (key - keys_.begin) / kernels::kTileDepth * columns_;
  }
  // Keys that are beyond the limit or have a value that is not finite: zeros here, and not for rows
  // that see them. Ascending.
  const std::vector<std::int32_t>& wild() const { return wild_; }

 private:
  void pack_half(std::int64_t key);

  HeadProblem head_;
  Range keys_;
  std::int64_t depth_, columns_;
  Scratch<kernels::Tile> key_tiles_, value_tiles_;
  std::vector<std::uint8_t> is_wild_;
  std::vector<std::int32_t> wild_;
};

}  // namespace subquad
