#include "kernel_sums/centered_tile.h"

#include <algorithm>
#include <limits>

#include "core/round_up.h"
#include "kernels/gemm.h"
#include "kernels/pack.h"

namespace subquad {
namespace {

kernels::RowSource float_rows(const float* data, std::int64_t width, std::int64_t count) {
  return {data, DType::f32, width, width, nullptr, 0, count};
}

}  // namespace

CenteredTile::CenteredTile(const KernelFrame& frame, std::int64_t capacity, bool fused)
    : frame_(frame),
      fused_(fused),
      capacity_(round_up(capacity, kernels::blocking().panel)),
      panel_(kernels::blocking().panel),
      points_(capacity_ * frame.width()),
      values_(capacity_ * frame.channels),
      bias_(capacity_),
      packed_keys_(capacity_ * frame.width()),
      packed_values_(capacity_ * (fused ? frame.channels : round_up(frame.channels, panel_))) {}

void CenteredTile::pack(const KernelSource& source, const IndexList& keys, const float* center) {
  count_ = keys.count;
  columns_ = round_up(count_, panel_);
  CenteredKeys(frame_, source, center).load(keys, points_.data(), values_.data(), bias_.data());
  const std::int64_t padding = columns_ - count_;
  std::fill_n(bias_.data() + count_, padding, -std::numeric_limits<float>::infinity());
  std::fill_n(points_.data() + count_ * frame_.width(), padding * frame_.width(), 0.0f);
  std::fill_n(values_.data() + count_ * frame_.channels, padding * frame_.channels, 0.0f);
  key_stride_ = kernels::pack_transposed(float_rows(points_.data(), frame_.width(), columns_),
                                         packed_keys_.data());
  pack_values();
}

void CenteredTile::pack_values() {
  if (!fused_) {
    kernels::pack_rows(float_rows(values_.data(), frame_.channels, columns_), packed_values_.data(),
                       capacity_ * panel_);
    return;
  }
  for (std::int64_t k = 0; k < columns_; ++k)
    for (std::int64_t c = 0; c < frame_.channels; ++c)
      packed_values_[c * capacity_ + k] = values_[k * frame_.channels + c];
}

void CenteredTile::score(const float* queries, std::int64_t rows, float* out,
                         std::int64_t stride) const {
  kernels::gemm({queries, frame_.width(), 1}, {packed_keys_.data(), key_stride_, panel_}, rows,
                columns_, frame_.width(), out, stride, false);
}

void CenteredTile::add_fused(const kernels::GaussScores& scores, double* sums) const {
  kernels::gauss_sums(scores, packed_values_.data(), capacity_, frame_.channels, sums);
}

void CenteredTile::add_products(const float* weights, std::int64_t stride, std::int64_t rows,
                                float* products, std::int64_t product_stride, double* sums) const {
  kernels::gemm({weights, stride, 1}, {packed_values_.data(), capacity_ * panel_, panel_}, rows,
                frame_.channels, columns_, products, product_stride, false);
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < frame_.channels; ++c)
      sums[r * frame_.channels + c] += double{products[r * product_stride + c]};
}

}  // namespace subquad
