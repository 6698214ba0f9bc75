#include "kernels/tiles/avx512_steps.h"

#if SUBQUAD_AVX512_TILES
#include <immintrin.h>

#include "kernels/tiles/tile_exp2.h"

// Not for the whole file: headers must not compile for machines that have it.
#define SUBQUAD_TILE_CODE __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512bf16")))

namespace subquad::kernels {
namespace {

// 32 weights in the order of weight_key(), from the units of 32 scores.
SUBQUAD_TILE_CODE inline __m512i exp2_words(__m512i units, __m512i table) {
  // Bytes of a word's upper half get no correction.
  const __m512i correction =
      _mm512_maskz_permutexvar_epi8(0x5555555555555555, _mm512_srli_epi16(units, 3), table);
  return _mm512_srli_epi16(_mm512_subs_epu16(units, correction), 2);
}

SUBQUAD_TILE_CODE inline __m512i units_of(const float* scores, __m512 factor, __m512 offset) {
  // The form without a mask trips g++ 12's warning about its own header.
  return _mm512_maskz_cvtps_epi32(0xFFFF, _mm512_fmadd_ps(_mm512_load_ps(scores), factor, offset));
}

SUBQUAD_TILE_CODE inline __m512 exp2_of(__m512 x) {
  const __m512 whole = _mm512_maskz_roundscale_ps(0xFFFF, x, _MM_FROUND_TO_NEAREST_INT);
  const __m512 f = _mm512_sub_ps(x, whole);
  __m512 sum = _mm512_set1_ps(kExp2Terms[5]);
  for (int k = 4; k >= 0; --k) sum = _mm512_fmadd_ps(sum, f, _mm512_set1_ps(kExp2Terms[k]));
  return _mm512_maskz_scalef_ps(0xFFFF, sum, whole);
}

struct WeightAndGradient {
  __m512 weight, gradient;
};

// Of 16 keys of row r, from key c of the step on.
SUBQUAD_TILE_CODE inline WeightAndGradient differentiate(const GradientStep& step, std::int64_t r,
                                                         std::int64_t c) {
  const __m512 score = _mm512_load_ps(step.scores + r * kStepKeys + c);
  const __m512 product = _mm512_load_ps(step.products + r * kStepKeys + c);
  const __m512 x = _mm512_fmsub_ps(score, _mm512_set1_ps(step.factor), _mm512_set1_ps(step.lse[r]));
  const __mmask16 seen = _mm512_cmp_ps_mask(score, _mm512_set1_ps(-__builtin_inff()), _CMP_NEQ_UQ) &
                         _mm512_cmp_ps_mask(x, _mm512_set1_ps(kLeastExponent), _CMP_GE_OQ);
  const __m512 weight = _mm512_maskz_mov_ps(seen, exp2_of(x));
  const __m512 pull = _mm512_add_ps(product, _mm512_set1_ps(step.offsets[r]));
  return {weight, _mm512_maskz_mul_ps(seen, weight, pull)};
}

// Rows r (even) and r + 1 of a right tile, 16 columns, their elements in pairs.
SUBQUAD_TILE_CODE inline void store_pairs(__m512 even, __m512 odd, __m512i pairs, std::int64_t r,
                                          Tile& tile) {
  const auto words = (__m512i)_mm512_cvtne2ps_pbh(odd, even);
  _mm512_store_si512(tile.bits + r / 2 * kTileDepth,
                     _mm512_maskz_permutexvar_epi16(0xFFFFFFFF, pairs, words));
}

// 32 keys of row r of a left tile.
SUBQUAD_TILE_CODE inline void store_row(__m512 low, __m512 high, std::int64_t r, Tile& tile) {
  _mm512_store_si512(tile.bits + r % kTileRows * kTileDepth,
                     (__m512i)_mm512_cvtne2ps_pbh(high, low));
}

// 2^x to an error of 2^-22, 0 where not `seen`.
SUBQUAD_TILE_CODE inline __m512 fine_exp2_of(__m512 x, __mmask16 seen) {
  const __m512 magic = _mm512_set1_ps(kExp2Magic);
  const __m512 shifted = _mm512_add_ps(x, magic);
  const __m512 fraction = _mm512_sub_ps(x, _mm512_sub_ps(shifted, magic));
  __m512 sum = _mm512_set1_ps(kExp2FineTerms[5]);
#pragma GCC unroll 5
  for (int k = 4; k >= 0; --k)
    sum = _mm512_fmadd_ps(sum, fraction, _mm512_set1_ps(kExp2FineTerms[k]));
  const __m512i power = _mm512_maskz_slli_epi32(0xFFFF, _mm512_castps_si512(shifted), 23);
  return _mm512_maskz_mul_ps(seen, sum, _mm512_castsi512_ps(power));
}

// The next piece of 32 numbers, in their order; what is left of them stays.
SUBQUAD_TILE_CODE inline __m512i take_pieces(__m512& low, __m512& high, __m512i upper_words) {
  const __m512i rounding = _mm512_set1_epi32(kPieceRounding);
  const __m512i bits = _mm512_set1_epi32(static_cast<int>(kPieceBits));
  const __m512i low_bits = _mm512_add_epi32(_mm512_castps_si512(low), rounding);
  const __m512i high_bits = _mm512_add_epi32(_mm512_castps_si512(high), rounding);
  low = _mm512_sub_ps(low, _mm512_castsi512_ps(_mm512_and_si512(low_bits, bits)));
  high = _mm512_sub_ps(high, _mm512_castsi512_ps(_mm512_and_si512(high_bits, bits)));
  return _mm512_permutex2var_epi16(low_bits, upper_words, high_bits);
}

// Exponents of the weights that are seen.
struct SplitRow {
  __m512 factor, offset, top;
};

SUBQUAD_TILE_CODE inline __m512 weights_of(const float* scores, SplitRow& row) {
  const __m512 x = _mm512_fmadd_ps(_mm512_load_ps(scores), row.factor, row.offset);
  const __mmask16 seen = _mm512_cmp_ps_mask(x, _mm512_set1_ps(kLeastExponent), _CMP_GE_OQ) &
                         _mm512_cmp_ps_mask(x, _mm512_set1_ps(__FLT_MAX__), _CMP_LE_OQ);
  row.top = _mm512_mask_max_ps(row.top, seen, row.top, x);
  return fine_exp2_of(x, seen);
}

template <int pieces>
SUBQUAD_TILE_CODE inline bool split_weights(const SplitWeightStep& step) {
  alignas(64) std::uint16_t order[kTileDepth];
  for (std::uint16_t i = 0; i < kTileDepth; ++i) order[i] = static_cast<std::uint16_t>(2 * i + 1);
  const __m512i upper_words = _mm512_load_si512(order);
  SplitRow row{_mm512_set1_ps(step.factor), _mm512_setzero_ps(), _mm512_setzero_ps()};
  for (std::int64_t r = 0; r < kPanelRows; ++r) {
    row.offset = _mm512_set1_ps(step.offsets[r]);
    Tile* const tiles = step.weights + r / kTileRows * step.stride;
    __m512 sums[2];
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const float* scores = step.scores + r * kStepKeys + half * kTileDepth;
      __m512 low = weights_of(scores, row), high = weights_of(scores + 16, row);
      sums[half] = _mm512_add_ps(low, high);
#pragma GCC unroll 3
      for (std::int64_t p = 0; p < pieces; ++p)
        _mm512_store_si512(tiles[2 * p * step.stride + half].bits + r % kTileRows * kTileDepth,
                           take_pieces(low, high, upper_words));
    }
    _mm512_store_ps(step.new_sums + r * kSumLanes,
                    _mm512_add_ps(_mm512_load_ps(step.old_sums + r * kSumLanes),
                                  _mm512_add_ps(sums[0], sums[1])));
  }
  return _mm512_cmp_ps_mask(row.top, _mm512_set1_ps(1), _CMP_GE_OQ) != 0;
}

}  // namespace

SUBQUAD_TILE_CODE bool avx512_split_weights(const SplitWeightStep& step) {
  return step.pieces == 2 ? split_weights<2>(step) : split_weights<3>(step);
}

SUBQUAD_TILE_CODE bool avx512_weights(const WeightStep& step) {
  const __m512i table = _mm512_loadu_si512(exp2_corrections().data());
  const __m512bh ones = (__m512bh)_mm512_set1_epi16(0x3F80);
  const __m512 factor = _mm512_set1_ps(step.factor);
  __m512i top = _mm512_setzero_si512();
  for (std::int64_t r = 0; r < kPanelRows; ++r) {
    const float* scores = step.scores + r * kStepKeys;
    const __m512 offset = _mm512_set1_ps(step.offsets[r]);
    const __m512i units0 = _mm512_packus_epi32(units_of(scores, factor, offset),
                                               units_of(scores + 16, factor, offset));
    const __m512i units1 = _mm512_packus_epi32(units_of(scores + 32, factor, offset),
                                               units_of(scores + 48, factor, offset));
    top = _mm512_max_epu16(top, _mm512_max_epu16(units0, units1));
    const __m512i words0 = exp2_words(units0, table), words1 = exp2_words(units1, table);
    Tile* tiles = step.weights + r / kTileRows * step.stride;
    _mm512_store_si512(tiles[0].bits + r % kTileRows * kTileDepth, words0);
    _mm512_store_si512(tiles[1].bits + r % kTileRows * kTileDepth, words1);
    __m512 sum = _mm512_load_ps(step.old_sums + r * kSumLanes);
    sum = _mm512_dpbf16_ps(sum, (__m512bh)words0, ones);
    sum = _mm512_dpbf16_ps(sum, (__m512bh)words1, ones);
    _mm512_store_ps(step.new_sums + r * kSumLanes, sum);
  }
  return _mm512_cmpeq_epi16_mask(top, _mm512_set1_epi16(-1)) != 0;
}

SUBQUAD_TILE_CODE void avx512_gradients(const GradientStep& step) {
  alignas(64) std::uint16_t order[kTileDepth];
  for (std::uint16_t i = 0; i < kTileDepth; ++i)
    order[i] = static_cast<std::uint16_t>(i / 2 + i % 2 * 16);
  const __m512i pairs = _mm512_load_si512(order);
  for (std::int64_t r = 0; r < kPanelRows; r += 2)
    for (std::int64_t half = 0; half < kStepKeys / kTileDepth; ++half) {
      const std::int64_t c = half * kTileDepth, t = c / kTileColumns;
      const WeightAndGradient even0 = differentiate(step, r, c),
                              even1 = differentiate(step, r, c + 16),
                              odd0 = differentiate(step, r + 1, c),
                              odd1 = differentiate(step, r + 1, c + 16);
      store_pairs(even0.weight, odd0.weight, pairs, r, step.weights[t]);
      store_pairs(even1.weight, odd1.weight, pairs, r, step.weights[t + 1]);
      store_pairs(even0.gradient, odd0.gradient, pairs, r, step.gradients[t]);
      store_pairs(even1.gradient, odd1.gradient, pairs, r, step.gradients[t + 1]);
      Tile& left = step.left_gradients[r / kTileRows * step.stride + half];
      store_row(even0.gradient, even1.gradient, r, left);
      store_row(odd0.gradient, odd1.gradient, r + 1, left);
    }
}

}  // namespace subquad::kernels

#endif
