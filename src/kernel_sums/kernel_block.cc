#include "kernel_sums/kernel_block.h"

#include <algorithm>
#include <cmath>

#include "kernels/softmax.h"

namespace subquad {
namespace {

// out = scale (point - center); returns |out|^2.
float place_point(const float* point, std::span<const float> center, float scale, float* out) {
  const float* origin = center.data();
  const std::size_t dim = center.size();
  float square = 0;
#pragma omp simd reduction(+ : square)
  for (std::size_t c = 0; c < dim; ++c) {
    out[c] = scale * (point[c] - origin[c]);
    square += out[c] * out[c];
  }
  return square;
}

}  // namespace

KernelBlock::KernelBlock(std::int64_t dim, std::int64_t channels, double scale, bool with_spread)
    : dim_(dim),
      channels_(channels),
      width_(dim + (with_spread ? 1 : 0)),
      scale_(static_cast<float>(scale)),
      half_square_(static_cast<std::size_t>(kRows)),
      queries_(kRows * width_),
      rows_(width_, channels, kRows),
      scratch_(width_, channels) {
  const std::int64_t tile = scratch_.tile_keys;
  keys_ = Scratch<float>(tile * width_);
  values_ = Scratch<float>(tile * channels);
  bias_ = Scratch<float>(tile);
  problem_.query =
      dense_view(static_cast<const void*>(queries_.data()), DType::f32, {1, 1, kRows, width_});
  problem_.key =
      dense_view(static_cast<const void*>(keys_.data()), DType::f32, {1, 1, tile, width_});
  problem_.value =
      dense_view(static_cast<const void*>(values_.data()), DType::f32, {1, 1, tile, channels});
  head_ = {.problem = &problem_, .query_len = kRows, .num_keys = tile, .scale_log2 = 1};
}

void KernelBlock::load(const float* queries, const IndexList& rows, std::span<const float> center) {
  center_.assign(center.begin(), center.end());
  for (std::int64_t r = 0; r < rows.count; ++r) {
    float* q = queries_.data() + r * width_;
    const float half = place_point(queries + rows[r] * dim_, center_, scale_, q) / 2;
    half_square_[static_cast<std::size_t>(r)] = half;
    if (width_ > dim_) q[dim_] = half;
  }
  rows_.load(head_, index_range(0, rows.count));
  // No kernel is above 1, whatever rounding says.
  rows_.set_limits({half_square_.data()});
}

float KernelBlock::place(const KernelSource& source, std::int64_t j, float* out) const {
  const float half = place_point(source.points + j * dim_, center_, scale_, out) / 2;
  if (width_ > dim_) out[dim_] = 0;
  if (source.spread == nullptr) return -half;
  const float spread = source.spread[j], wide = 1 + spread;
  for (std::int64_t c = 0; c < dim_; ++c) out[c] /= wide;
  out[dim_] = spread / wide;
  return -half / wide - 0.5f * static_cast<float>(dim_) * std::log2(wide);
}

void KernelBlock::pack(const KernelSource& source, const IndexList& keys) {
  for (std::int64_t i = 0; i < keys.count; ++i) {
    bias_[i] = place(source, keys[i], keys_.data() + i * width_);
    std::copy_n(source.values + keys[i] * channels_, channels_, values_.data() + i * channels_);
  }
  scratch_.tile.pack(head_, index_range(0, keys.count), bias_.data());
}

void KernelBlock::add(const KernelSource& source, const IndexList& keys) {
  for (std::int64_t begin = 0; begin < keys.count; begin += scratch_.tile_keys) {
    pack(source, keys.slice(begin, std::min(scratch_.tile_keys, keys.count - begin)));
    attend_tile(head_, rows_, {0, rows_.rows().count}, scratch_.tile, {}, scratch_.panel);
  }
}

void KernelBlock::weigh(const KernelSource& source, const IndexList& keys, float* out,
                        std::int64_t stride) {
  const std::int64_t step = kernels::blocking().rows, rows = rows_.rows().count;
  ScorePanel& panel = scratch_.panel;
  for (std::int64_t begin = 0; begin < keys.count; begin += scratch_.tile_keys) {
    const std::int64_t count = std::min(scratch_.tile_keys, keys.count - begin);
    pack(source, keys.slice(begin, count));
    for (std::int64_t r = 0; r < rows; r += step) {
      const Range part{r, std::min(r + step, rows)};
      score_rows(head_, rows_, part, scratch_.tile, {0, count}, {}, panel);
      kernels::exp2_rows(panel.data(), panel.stride(), part.end - r, count,
                         half_square_.data() + r);
      for (std::int64_t i = r; i < part.end; ++i)
        std::copy_n(panel.data() + (i - r) * panel.stride(), count, out + i * stride + begin);
    }
  }
}

template <typename Number>
void KernelBlock::read_as(std::int64_t r, Number* out) {
  const Partial sums = rows_.partial();
  const double factor =
      std::exp2(double{sums.m[r]} - double{half_square_[static_cast<std::size_t>(r)]});
  for (std::int64_t c = 0; c < channels_; ++c)
    out[c] = static_cast<Number>(factor * double{sums.o[r * sums.o_stride + c]});
}
template void KernelBlock::read_as(std::int64_t, float*);
template void KernelBlock::read_as(std::int64_t, double*);

std::vector<float> median_point(const float* points, const IndexList& rows, std::int64_t dim) {
  std::vector<float> center(static_cast<std::size_t>(dim));
  std::vector<float> values(static_cast<std::size_t>(rows.count));
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(rows.count / 2);
  for (std::int64_t c = 0; c < dim && rows.count > 0; ++c) {
    for (std::int64_t r = 0; r < rows.count; ++r)
      values[static_cast<std::size_t>(r)] = points[rows[r] * dim + c];
    std::nth_element(values.begin(), middle, values.end());
    center[static_cast<std::size_t>(c)] = *middle;
  }
  return center;
}

}  // namespace subquad
