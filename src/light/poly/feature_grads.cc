#include "light/poly/feature_grads.h"

#include <algorithm>

#include "core/round_up.h"

namespace subquad {

FeatureGrads::FeatureGrads(const MonomialLayout& layout, std::int64_t width, std::int64_t capacity)
    : layout_(layout),
      width_(width),
      chain_(capacity * layout.chain_stride()),
      grad_chain_(capacity * layout.chain_stride()),
      features_(capacity * layout.panel_stride()),
      grads_(capacity * layout.panel_stride()),
      packed_(round_up(layout.panel_stride(), kernels::blocking().panel) * width),
      grad_channels_(capacity * layout.dim()) {}

kernels::MonomialRows FeatureGrads::source(std::int64_t first, std::int64_t count) const {
  const std::int64_t factors = layout_.degree() + 1;
  return {rows_.channels + first * layout_.dim(),
          layout_.dim(),
          chain_.data() + first * layout_.chain_stride(),
          layout_.chain_stride(),
          rows_.factors == nullptr ? nullptr : rows_.factors + first * factors,
          factors,
          count};
}

void FeatureGrads::begin(const Rows& rows) {
  rows_ = rows;
  layout_.fill_chain(rows.channels, layout_.dim(), rows.count, chain_.data());
  std::fill_n(grad_chain_.data(), rows.count * layout_.chain_stride(), 0.0f);
  std::fill_n(grad_channels_.data(), rows.count * layout_.dim(), 0.0f);
}

void FeatureGrads::add(const MonomialPanel& panel, const float* table, std::int64_t stride,
                       const float* counts) {
  const std::int64_t columns = kernels::blocking().panel;
  const std::int64_t packed_stride =
      kernels::pack_transposed(dense_rows(table, width_, stride, panel.count), packed_.data());
  kernels::gemm({rows_.grads, rows_.grad_stride, 1}, {packed_.data(), packed_stride, columns},
                rows_.count, panel.count, width_, grads_.data(), this->stride(), false);
  for (std::int64_t i = 0; counts != nullptr && i < rows_.count; ++i) {
    const float last = rows_.grads[i * rows_.grad_stride + width_];
    float* row = grads_.data() + i * this->stride();
    for (std::int64_t f = 0; f < panel.count; ++f) row[f] += last * counts[f];
  }
  kernels::reduce_monomials(panel.segments, source(0, rows_.count), grads_.data(), this->stride(),
                            grad_chain_.data(), grad_channels_.data(), layout_.dim());
}

void FeatureGrads::finish(float* grad_channels, std::int64_t stride) {
  layout_.reduce_chain(source(0, rows_.count), grad_chain_.data(), grad_channels_.data(),
                       layout_.dim());
  for (std::int64_t i = 0; i < rows_.count; ++i)
    for (std::int64_t c = 0; c < layout_.dim(); ++c)
      grad_channels[i * stride + c] += grad_channels_[i * layout_.dim() + c];
}

const float* FeatureGrads::expand(const MonomialPanel& panel) {
  kernels::expand_monomials(panel.segments, source(0, rows_.count), features_.data(), stride(),
                            panel.count, nullptr);
  return features_.data();
}

}  // namespace subquad
