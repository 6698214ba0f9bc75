#include "far/leaves/leaf_reach.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/threads.h"
#include "kernels/open.h"
#include "kernels/pack.h"
#include "rows/head_rows.h"

namespace subquad {
namespace {

// Of the scores, for the leaf's largest: 2.5 opens less on some layers, 3.5 on others.
constexpr float kDeviations = 3.0f;

// The mean square of each channel of the leaf's keys about their mean.
void channel_variances(const LeafIndex& index, std::int64_t leaf, float* variances) {
  const std::int64_t size = index.shape().leaf;
  const kernels::RightMatrix keys = index.keys(leaf);
  const float* mean = index.mean_key(leaf);
  const std::int64_t panel = keys.depth_stride;
  std::fill_n(variances, index.head_dim(), 0.0f);
  for (std::int64_t begin = 0; begin < size; begin += panel)
    for (std::int64_t d = 0; d < index.head_dim(); ++d) {
      const float* channel = keys.data + begin / panel * keys.panel_stride + d * panel;
      for (std::int64_t j = 0; j < std::min(panel, size - begin); ++j) {
        const float off = channel[j] - mean[d];
        variances[d] += off * off / static_cast<float>(size);
      }
    }
}

}  // namespace

LeafReach::LeafReach(const LeafIndex& index, int threads)
    : head_dim_(index.head_dim()),
      log2_size_(std::log2(static_cast<float>(index.shape().leaf))),
      packed_variances_((index.leaves_in(index.chunks()) + kernels::blocking().panel) *
                        index.head_dim()) {
  const std::int64_t leaves = index.leaves_in(index.chunks());
  base_.resize(static_cast<std::size_t>(score_stride(leaves)), 0.0f);
  Scratch<float> variances(leaves * head_dim_);
  parallel_for(threads, leaves, [&](std::int64_t leaf) {
    channel_variances(index, leaf, variances.data() + leaf * head_dim_);
    base_[static_cast<std::size_t>(leaf)] =
        index.holds_sink(leaf) ? std::numeric_limits<float>::infinity()
                               : log2_size_ + std::log2(index.value_distance(leaf));
  });
  kernels::pack_transposed(dense_rows(variances.data(), head_dim_, head_dim_, leaves),
                           packed_variances_.data());
}

void LeafReach::measure(const ReachingRows& rows, std::int64_t leaves, float* squares, float* reach,
                        std::int64_t reach_stride) const {
  for (std::int64_t r = 0; r < rows.count; ++r)
    for (std::int64_t d = 0; d < head_dim_; ++d) {
      const float x = kDeviations * rows.queries[r * rows.stride + d];
      squares[r * head_dim_ + d] = x * x;
    }
  const std::int64_t panel = kernels::blocking().panel;
  kernels::gemm({squares, head_dim_, 1}, {packed_variances_.data(), panel * head_dim_, panel},
                rows.count, leaves, head_dim_, reach, reach_stride, false);
  for (std::int64_t r = 0; r < rows.count; ++r)
    kernels::reach_of_squares(base_.data(), leaves, reach + r * reach_stride);
}

}  // namespace subquad
