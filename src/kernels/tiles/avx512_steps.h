// Weights and gradients of a step in AVX-512, for the engines whose products are its business.
#pragma once

#include "kernels/tiles/tile_engine.h"

#if defined(__x86_64__)
#define SUBQUAD_AVX512_TILES 1
#else
#define SUBQUAD_AVX512_TILES 0
#endif

namespace subquad::kernels {

// TileEngine::weights, ::split_weights and ::gradients, the model's bits; for machines that
// machine_has_dots() (core/avx512_bf16.h).
bool avx512_weights(const WeightStep& step);
bool avx512_split_weights(const SplitWeightStep& step);
void avx512_gradients(const GradientStep& step);

}  // namespace subquad::kernels
