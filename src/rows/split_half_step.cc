#include "rows/split_half_step.h"

#include <algorithm>

#include "rows/tile_keys.h"

namespace subquad {

SplitHalfStep::SplitHalfStep(const HeadProblem& head, const KeyPieces& pieces)
    : head_(head),
      keys_(head.head_dim(), pieces.key, kernels::kTileDepth),
      values_(head.value_dim(), pieces.value, kernels::kTileDepth) {}

void SplitHalfStep::load(const IndexList& keys, std::uint8_t* wild, std::int64_t place,
                         StepNorms& step) {
  const kernels::RowSource points = head_.keys(), values = head_.values();
  std::fill(std::begin(packed_), std::end(packed_), false);
  for (std::int64_t i = 0; i < keys.count; ++i) {
    const PieceNorms key = keys_.load(points.row(keys[i]), points.dtype, i);
    const PieceNorms value = values_.load(values.row(keys[i]), values.dtype, i);
    packed_[i] = key.whole <= kLargestTileKey && value.whole <= kLargestSplitNorm;
    wild[i] = packed_[i] ? 0 : 1;
    if (!packed_[i]) continue;
    const float norms[kNormKinds] = {key.whole, key.mid, key.rest, value.whole};
    for (int kind = 0; kind < kNormKinds; ++kind) {
      step.of[kind][place + i] = norms[kind];
      step.tops[kind] = std::max(step.tops[kind], norms[kind]);
    }
  }
}

const std::uint16_t* const* SplitHalfStep::rows_of(const SplitRows& from, int piece) {
  for (std::int64_t i = 0; i < kernels::kTileDepth; ++i)
    rows_[i] = packed_[i] ? from.piece(i, piece) : nullptr;
  return rows_;
}

const std::uint16_t* const* SplitHalfStep::key_rows(int piece) { return rows_of(keys_, piece); }

const std::uint16_t* const* SplitHalfStep::value_rows(int piece) { return rows_of(values_, piece); }

}  // namespace subquad
