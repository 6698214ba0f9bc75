// From the gradients of a row's sums to those of its channels: through all monomials.
#pragma once

#include "core/memory.h"
#include "kernels/gemm.h"
#include "kernels/pack.h"
#include "light/poly/monomials.h"
#include "rows/head_rows.h"

namespace subquad {

// One thread's memory for up to `capacity` rows, which go through panel after panel.
class FeatureGrads {
 public:
  FeatureGrads(const MonomialLayout& layout, std::int64_t width, std::int64_t capacity);

  // Rows of channels (dim floats apart), factors by degree (nullptr: 1) and gradients of the sums.
  struct Rows {
    const float* channels;
    const float* factors;
    const float* grads;
    std::int64_t grad_stride, count;
  };
  void begin(const Rows& rows);
  // `table`: the panel's features' rows of `width` floats, `stride` apart; the derivative by a
  // feature is <grads, its row> + last * counts[feature], last the number behind a row's grads.
  void add(const MonomialPanel& panel, const float* table, std::int64_t stride,
           const float* counts);
  // grad_channels, stride floats apart, += the derivatives.
  void finish(float* grad_channels, std::int64_t stride);
  // Of the rows that have begun: rows.count x panel.count, stride() floats apart.
  const float* expand(const MonomialPanel& panel);
  std::int64_t stride() const { return layout_.panel_stride(); }

 private:
  kernels::MonomialRows source(std::int64_t first, std::int64_t count) const;

  const MonomialLayout& layout_;
  std::int64_t width_;
  Rows rows_{};
  Scratch<float> chain_, grad_chain_, features_, grads_, packed_, grad_channels_;
};

}  // namespace subquad
