// Weights and gradients of a step in AVX-512, for the engines whose products are its business.
#pragma once

#include "kernels/tiles/tile_engine.h"

#if defined(__x86_64__)
#define SUBQUAD_AVX512_TILES 1
#else
#define SUBQUAD_AVX512_TILES 0
#endif

namespace subquad::kernels {

// TileEngine::weights and ::gradients, the model's bits; for machines that machine_has_dots()
// (core/avx512_bf16.h).
bool avx512_weights(const WeightStep& step);
void avx512_gradients(const GradientStep& step);

}  // namespace subquad::kernels
