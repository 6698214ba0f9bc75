// Listed keys of a head and their values as tiles of bf16: what a run of keys is packed as.
#pragma once

#include <cstdint>
#include <vector>

#include "core/memory.h"
#include "rows/tile_keys.h"
#include "rows/tiled_keys.h"

namespace subquad {

class ListedTiles {
 public:
  // Packs the listed keys; `keys` and `bias` (TiledKeys) must stay alive while they are used.
  // O(count * (head_dim + value_dim)).
  void pack(const HeadProblem& head, const IndexList& keys, const float* bias);
  // Likewise, unless this very list is packed already.
  void keep(const HeadProblem& head, const IndexList& keys, const float* bias);

  TiledKeys view() const;

 private:
  HeadProblem head_;
  IndexList keys_;
  const float* bias_ = nullptr;
  bool same_bias_ = false;  // of all keys
  std::int64_t depth_ = 0, columns_ = 0;
  Scratch<kernels::Tile> key_tiles_, value_tiles_;
  std::vector<std::uint8_t> is_wild_;
  std::vector<std::int32_t> wild_;
};

}  // namespace subquad
