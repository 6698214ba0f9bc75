// How large split keys and values are: what their error is bounded by.
#pragma once

#include <cstdint>

#include "kernels/tiles/tile_engine.h"

namespace subquad {

// Euclidean norms of x = hi + mid + rest (kernels/tiles/tile_pieces.h): |x|, |x - hi|, and what two
// pieces leave.
struct PieceNorms {
  float whole = 0, mid = 0, rest = 0;
};

// Of a step of keys, 0 for those that are wild or none: |k|, its mid and rest, |v|.
enum NormKind { kKeyNorm, kKeyMid, kKeyRest, kValueNorm, kNormKinds };
struct StepNorms {
  alignas(64) float of[kNormKinds][kernels::kStepKeys] = {};
  float tops[kNormKinds] = {};  // the largest of each
};

}  // namespace subquad
