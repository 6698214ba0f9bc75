#include "rows/packed_tiles.h"

#include <algorithm>

#include "rows/split_half_step.h"

namespace subquad {

PackedTiles::PackedTiles(const HeadProblem& head, int order)
    : head_(head),
      pieces_{pieces_of(head.problem->key.dtype, order),
              pieces_of(head.problem->value.dtype, order)},
      split_(order > 0),
      keys_(head, kLargestFiniteBf16) {
  store_.reserve(head, keys_.count(), pieces_);
  if (split_) norms_.resize(static_cast<std::size_t>(keys_.count() / kernels::kStepKeys));
}

void PackedTiles::pack(std::int64_t part) {
  if (split_) return pack_split(part);
  keys_.pack(part, [&](std::int64_t key, const HalfStepRows& rows) {
    store_.pack(keys_.place(key), rows);
  });
}

void PackedTiles::pack_split(std::int64_t part) {
  SplitHalfStep half(head_, pieces_);
  keys_.each_half(part, [&](const IndexList& keys, std::uint8_t* wild) {
    const std::int64_t place = keys_.place(keys.first);
    StepNorms& step = norms_[static_cast<std::size_t>(place / kernels::kStepKeys)];
    half.load(keys, wild, place % kernels::kStepKeys, step);
    for (int p = 0; p < pieces_.key; ++p) store_.pack_key_piece(place, p, half.key_rows(p));
    for (int p = 0; p < pieces_.value; ++p) store_.pack_value_piece(place, p, half.value_rows(p));
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
  TiledKeys tiles = store_.view(index_range(range.begin, std::min(range.end, head_.num_keys)));
  tiles.wild = wild_;
  if (split_) tiles.norms = norms_.data();
  return tiles;
}

}  // namespace subquad
