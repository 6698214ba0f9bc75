// A tile of keys around a center, packed for products with queries and with weights.
#pragma once

#include <cstdint>

#include "core/memory.h"
#include "kernel_sums/kernel_source.h"
#include "kernels/gauss.h"

namespace subquad {

// One thread's.
class CenteredTile {
 public:
  // At most `capacity` keys; fused: for add_fused() alone, else for add_products(). The frame must
  // outlive the tile.
  CenteredTile(const KernelFrame& frame, std::int64_t capacity, bool fused = false);

  void pack(const KernelSource& source, const IndexList& keys, const float* center);
  std::int64_t count() const { return count_; }
  // `count` rounded up to whole panels: the padding has bias -inf.
  std::int64_t columns() const { return columns_; }
  std::int64_t capacity() const { return capacity_; }
  const float* bias() const { return bias_.data(); }
  // Rows of the frame's width and channels, as placed; the padding is zero.
  const float* points() const { return points_.data(); }
  const float* values() const { return values_.data(); }

  // out[r * stride + k] = query r . key k.
  void score(const float* queries, std::int64_t rows, float* out, std::int64_t stride) const;
  // sums[r * channels + c] += sum_k w[r][k] value_k[c] of up to kFusedChannels channels, by scores.
  void add_fused(const kernels::GaussScores& scores, double* sums) const;
  // The same by weights, any channels. `products` are rows `product_stride` apart, a multiple of 32
  // that is no less than the channels.
  void add_products(const float* weights, std::int64_t stride, std::int64_t rows, float* products,
                    std::int64_t product_stride, double* sums) const;

 private:
  void pack_values();

  const KernelFrame& frame_;
  bool fused_;
  std::int64_t capacity_, panel_, count_ = 0, columns_ = 0, key_stride_ = 0;
  Scratch<float> points_, values_, bias_, packed_keys_;
  Scratch<float> packed_values_;  // fused: by channel, `capacity` apart; else panels
};

}  // namespace subquad
