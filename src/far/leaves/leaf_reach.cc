#include "far/leaves/leaf_reach.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "core/threads.h"
#include "rows/head_rows.h"
#include "rows/overflows.h"

namespace subquad {
namespace {

constexpr float kDeviations = 2.5f;

// The mean square of each channel of the queries at these keys, in base-2 units; those that are
// huge or not finite do not count. None there: those of a row of ones.
std::vector<float> mean_squares(const HeadProblem& head, const Range& keys, std::int64_t member) {
  const Range positions = positions_at(head, keys);
  std::vector<float> query(static_cast<std::size_t>(head.head_dim())), squares(query.size(), 0.0f);
  float count = 0;
  for (std::int64_t position = positions.begin; position < positions.end; ++position) {
    const std::int64_t row = position * head.group + member;
    load_head_rows(head, head.problem->query, index_range(row, row + 1), head.scale_log2,
                   query.data(), head.head_dim());
    if (!is_calm(query.data(), head.head_dim())) continue;
    for (std::size_t d = 0; d < query.size(); ++d) squares[d] += query[d] * query[d];
    count += 1;
  }
  for (float& square : squares)
    square = count > 0 ? square / count : head.scale_log2 * head.scale_log2;
  return squares;
}

// The largest over the leaf's keys of sum_d squares[d] (key_d - mean_d)^2.
float largest_square(const LeafIndex& index, std::int64_t leaf, const float* squares) {
  const std::int64_t size = index.shape().leaf;
  const kernels::RightMatrix keys = index.keys(leaf);
  const float* mean = index.mean_key(leaf);
  std::vector<float> sums(static_cast<std::size_t>(size), 0.0f);
  const std::int64_t panel = keys.depth_stride;
  for (std::int64_t begin = 0; begin < size; begin += panel)
    for (std::int64_t d = 0; d < index.head_dim(); ++d) {
      const float* channel = keys.data + begin / panel * keys.panel_stride + d * panel;
      for (std::int64_t j = 0; j < std::min(panel, size - begin); ++j) {
        const float off = channel[j] - mean[d];
        sums[static_cast<std::size_t>(begin + j)] += squares[d] * off * off;
      }
    }
  return *std::max_element(sums.begin(), sums.end());
}

}  // namespace

LeafReach::LeafReach(const HeadProblem& head, const LeafIndex& index, int threads)
    : stride_((index.size() + 63) / 64 * 64),
      log2_size_(std::log2(static_cast<float>(index.shape().leaf))),
      reach_(head.group * stride_) {
  const std::int64_t chunk = index.shape().chunk, chunks = index.chunks();
  parallel_for(threads, chunks * head.group, [&](std::int64_t item) {
    const std::int64_t c = item / head.group, member = item % head.group;
    const Range keys = head.problem->causal != Causal::none ? Range{c * chunk, (c + 1) * chunk}
                                                            : Range{0, head.num_keys};
    fill(index, c, mean_squares(head, keys, member).data(), reach_.data() + member * stride_);
  });
}

void LeafReach::fill(const LeafIndex& index, std::int64_t chunk, const float* squares,
                     float* reach) const {
  for (std::int64_t leaf = index.leaves_in(chunk); leaf < index.leaves_in(chunk + 1); ++leaf) {
    const float rise = kDeviations * std::sqrt(largest_square(index, leaf, squares));
    const float share = -std::expm1(-rise * std::numbers::ln2_v<float>);
    reach[leaf] = index.holds_sink(leaf) ? std::numeric_limits<float>::infinity()
                                         : log2_size_ + rise + std::log2(std::max(share, 1e-30f)) +
                                               std::log2(index.value_distance(leaf));
  }
}

}  // namespace subquad
