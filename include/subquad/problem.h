// What is to be computed: the tensors, the scale and every kind of masking. No method, no memory.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "subquad/export.h"
#include "subquad/tensor.h"

namespace subquad {

// Which corner of the score matrix the diagonal starts in. With Lq query and Lk key positions,
// query i sits at key position i + shift: shift = 0 (top_left) or Lk - Lq (bottom_right, decoding).
enum class Alignment : std::uint8_t { top_left, bottom_right };

// none: every query sees every key. Otherwise query i sees keys j <= i + shift.
enum class Causal : std::uint8_t { none, top_left, bottom_right };

// Sliding window: query i sees keys i + shift - left <= j <= i + shift + right; -1 means no limit.
// `alignment` gives the shift when causal is none; otherwise the causal alignment does.
struct Window {
  std::int64_t left = -1;
  std::int64_t right = -1;
  Alignment alignment = Alignment::top_left;
};

enum class MaskKind : std::uint8_t { none, boolean, additive };

// Element mask of shape (batch, Hq, Lq, Lk); the first three extents may be 1 (broadcast), so
// per-key padding is a boolean mask of shape (batch, 1, 1, Lk). boolean: one byte an element,
// nonzero = attend. additive: float32 added to the scaled score, -inf = masked; finite values of
// any size are finite (a row of -3.4e38 has the mean of its values). Last stride 1; the others as
// in a TensorView. kind none: no data, no shape, no strides.
struct Mask {
  MaskKind kind = MaskKind::none;
  const void* data = nullptr;
  Shape4 shape{0, 0, 0, 0};
  Shape4 stride{0, 0, 0, 0};
};

// softmax(scale * Q K^T + mask) V, with PyTorch's scaled_dot_product_attention semantics.
//   query (B, Hq, Lq, D), key (B, Hkv, Lk, D), value (B, Hkv, Lk, Dv); Hq a multiple of Hkv: query
//   head h reads key/value head h / (Hq / Hkv). D and Dv from 1 to 512, any Lq, Lk >= 0.
// Hidden keys and values may hold anything: they change no bit of a row (docs/guide/specs.md).
// Finite inputs of any size give finite results: a row whose scores or sums overflow float32 is
// computed again in double (by any method, exactly; `linear` throws instead), and lse ends at the
// largest float. An Inf or NaN that a row sees shows in it. Gradients of rows with |lse| above
// 2^30, which float32 cannot tell weights from: in double by `exact`; other methods throw, unless
// the row's grad_out and grad_lse are zero.
// Packed sequences of different lengths: B = 1, query_offsets and key_offsets hold the S + 1
// cumulative starts of the S sequences along the position dimension; sequence s attends only to
// itself. Plain views: the caller keeps all memory alive and unchanged during a call. A view or
// span with a count but no data, or not aligned to its elements, is an error.
struct Problem {
  TensorView query;
  TensorView key;
  TensorView value;
  std::optional<float> scale;  // default 1 / sqrt(D); must be finite
  Causal causal = Causal::none;
  Window window;
  Mask mask;  // not together with packed sequences
  std::span<const float>
      sink_logits;  // empty, or Hq logits: exp(logit) joins the softmax denominator
  std::span<const std::int64_t> query_offsets;
  std::span<const std::int64_t> key_offsets;
};

// Throws Error (invalid_argument) with one line that names the argument at fault.
SUBQUAD_API void validate(const Problem& problem);

// The scale in force: problem.scale or 1 / sqrt(D).
SUBQUAD_API float resolved_scale(const Problem& problem);

}  // namespace subquad
