// Products of a row's channels in bulk: the features of a polynomial of a dot product.
#pragma once

#include <cstdint>
#include <span>

namespace subquad::kernels {

// Monomials [to, to + count) are channel `lead` (-1: one) times those from `from` on.
struct MonomialSegment {
  std::int32_t lead, degree;
  std::int64_t from, to, count;
};

// What a vector more than a row's end is read and written: rows must lie so far apart.
inline constexpr std::int64_t kMonomialSlack = 16;

// `count` rows of channels, of monomials made before, and of factors by degree (nullptr: all 1).
struct MonomialRows {
  const float* channels;
  std::int64_t channel_stride;
  const float* chain;
  std::int64_t chain_stride;
  const float* factors;
  std::int64_t factor_stride;
  std::int64_t count;
};

// out[r][to ..] = factor[degree] * channel[lead] * chain[from ..] for every segment, in their
// order; each writes up to kMonomialSlack floats behind its end. `out` may be the chain itself.
// Unless nullptr, sums[n] += the sum over the rows, for n < width.
void expand_monomials(std::span<const MonomialSegment> segments, const MonomialRows& rows,
                      float* out, std::int64_t stride, std::int64_t width, float* sums);

// The adjoint: from the derivatives by the monomials those by the chain and the channels, added to
// grad_chain (strides as the chain) and grad_channels. The last segment comes first, so that
// `grads` may be grad_chain.
void reduce_monomials(std::span<const MonomialSegment> segments, const MonomialRows& rows,
                      const float* grads, std::int64_t stride, float* grad_chain,
                      float* grad_channels, std::int64_t grad_stride);

}  // namespace subquad::kernels
