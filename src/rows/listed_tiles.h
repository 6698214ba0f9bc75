// Listed keys of a head and their values as tiles of bf16: what a run of keys is packed as.
#pragma once

#include <cstdint>
#include <vector>

#include "rows/tile_store.h"
#include "rows/tiled_keys.h"

namespace subquad {

class ListedTiles {
 public:
  // Packs the listed keys; `keys` and `bias` (TiledKeys) must stay alive while they are used.
  // one_weight: where all biases are the same, they may be taken for one, which shows in the bits;
  // not where they would be others if a tensor held other numbers where a row does not see them.
  // O(count * (head_dim + value_dim)).
  void pack(const HeadProblem& head, const IndexList& keys, const float* bias, bool one_weight);
  // Likewise, unless this very list is packed already.
  void keep(const HeadProblem& head, const IndexList& keys, const float* bias, bool one_weight);

  TiledKeys view() const;

 private:
  TileStore store_;
  IndexList keys_;
  const float* bias_ = nullptr;
  bool same_bias_ = false;  // of all keys
  std::vector<std::uint8_t> is_wild_;
  std::vector<std::int32_t> wild_;
};

}  // namespace subquad
