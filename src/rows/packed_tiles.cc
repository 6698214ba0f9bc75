#include "rows/packed_tiles.h"

#include <algorithm>

namespace subquad {

PackedTiles::PackedTiles(const HeadProblem& head)
    : num_keys_(head.num_keys), keys_(head, kLargestFiniteBf16) {
  store_.reserve(head, keys_.count());
}

void PackedTiles::pack(std::int64_t part) {
  keys_.pack(part, [&](std::int64_t key, const HalfStepRows& rows) {
    store_.pack(keys_.place(key), rows);
  });
}

void PackedTiles::finish() {
  keys_.finish();
  for (const std::int32_t key : keys_.wild())
    wild_.push_back(static_cast<std::int32_t>(keys_.place(key)));
}

Range PackedTiles::places(const Range& keys) const {
  const std::int64_t step = kernels::kStepKeys;
  return {keys_.place(std::max(keys.begin, keys_.range().begin) / step * step),
          keys_.place(std::min(keys.end, keys_.range().end))};
}

TiledKeys PackedTiles::view() const {
  const Range& range = keys_.range();
  TiledKeys tiles = store_.view(index_range(range.begin, std::min(range.end, num_keys_)));
  tiles.wild = wild_;
  return tiles;
}

}  // namespace subquad
