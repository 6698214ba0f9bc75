#include "far/leaves/leaf_index.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/threads.h"
#include "index/cluster_tree.h"
#include "index/scaled_points.h"
#include "kernels/pack.h"
#include "rows/head_rows.h"
#include "rows/overflows.h"
#include "rows/partial.h"

namespace subquad {
namespace {

// Where all values of a chunk are alike, a leaf's may still differ from those of other chunks.
constexpr double kLeastShare = 0.0025;  // of the mean square of its values

// The root mean square of each channel of the queries that stand at these keys, but for those that
// are huge or not finite; ones without any.
std::vector<float> query_scales(const HeadProblem& head, const Range& keys) {
  const std::int64_t dim = head.head_dim();
  const auto [begin, end] = positions_at(head, keys);
  std::vector<float> scales(static_cast<std::size_t>(dim), begin == end ? 1.0f : 0.0f);
  std::vector<float> query(static_cast<std::size_t>(dim));
  for (std::int64_t row = begin * head.group; row < end * head.group; ++row) {
    load_head_rows(head, head.problem->query, index_range(row, row + 1), 1.0f, query.data(), dim);
    if (!is_calm(query.data(), dim)) continue;
    for (std::size_t d = 0; d < scales.size(); ++d) scales[d] += query[d] * query[d];
  }
  for (float& scale : scales) scale = std::sqrt(scale);
  return scales;
}

// out = mean of `count` rows, `stride` apart.
void mean_of(const float* rows, std::int64_t count, std::int64_t stride, std::int64_t width,
             float* out) {
  std::fill(out, out + width, 0.0f);
  for (std::int64_t i = 0; i < count; ++i)
    for (std::int64_t d = 0; d < width; ++d) out[d] += rows[i * stride + d];
  for (std::int64_t d = 0; d < width; ++d) out[d] /= static_cast<float>(count);
}

}  // namespace

Range positions_at(const HeadProblem& head, const Range& keys) {
  const std::int64_t shift = head.diagonal(0);
  const std::int64_t begin = std::clamp<std::int64_t>(keys.begin - shift, 0, head.query_len);
  return {begin, std::clamp<std::int64_t>(keys.end - shift, begin, head.query_len)};
}

LeafIndex::LeafIndex(const HeadProblem& head, const LeafShape& shape, std::int64_t chunks,
                     const Rng& rng, int threads)
    : shape_(shape),
      chunks_(chunks),
      leaves_(chunks * shape.chunk / shape.leaf),
      head_dim_(head.head_dim()),
      value_dim_(head.value_dim()),
      value_stride_(padded_values(value_dim_)),
      panel_(kernels::blocking().panel),
      columns_((shape.leaf + panel_ - 1) / panel_ * panel_),
      ids_(static_cast<std::size_t>(chunks * shape.chunk)),
      keys_(leaves_ * columns_ * head_dim_),
      values_(chunks * shape.chunk * value_stride_),
      means_(leaves_ * head_dim_),
      packed_means_((leaves_ + panel_) * head_dim_),
      mean_values_(leaves_ * value_stride_),
      value_distance_(static_cast<std::size_t>(leaves_)) {
  std::vector<std::uint8_t> finite(static_cast<std::size_t>(chunks));
  parallel_for(threads, chunks, [&](std::int64_t chunk) {
    sort_chunk(head, chunk, rng);
    const bool good = pack_chunk(head, chunk);
    finite[static_cast<std::size_t>(chunk)] = good ? 1 : 0;
    if (good) summarize_chunk(head, chunk);
  });
  chunks_ = std::find(finite.begin(), finite.end(), 0) - finite.begin();
  kernels::pack_transposed(dense_rows(means_.data(), head_dim_, head_dim_, leaves_in(chunks_)),
                           packed_means_.data());
}

void LeafIndex::sort_chunk(const HeadProblem& head, std::int64_t chunk, const Rng& rng) {
  const Range keys{chunk * shape_.chunk, (chunk + 1) * shape_.chunk};
  std::vector<float> points(static_cast<std::size_t>(shape_.chunk * head_dim_));
  kernels::load_rows(head.keys().slice(keys.begin, shape_.chunk), 1.0f, points.data(), head_dim_,
                     head_dim_);
  const std::vector<float> scales = query_scales(head, keys);
  for (std::int64_t i = 0; i < shape_.chunk; ++i)
    for (std::int64_t d = 0; d < head_dim_; ++d)
      points[static_cast<std::size_t>(i * head_dim_ + d)] *= scales[static_cast<std::size_t>(d)];
  const ScaledPoints scaled = scale_points(points.data(), shape_.chunk, head_dim_, rng, 1);
  const std::span ids(ids_.data() + keys.begin, static_cast<std::size_t>(shape_.chunk));
  std::iota(ids.begin(), ids.end(), 0);
  sort_by_tree(scaled, ids, shape_.chunk / shape_.leaf, rng, 1);
  for (std::int32_t& id : ids) id += static_cast<std::int32_t>(keys.begin);
}

// False: a key or a value is not finite, or so large that sums may not be.
bool LeafIndex::pack_chunk(const HeadProblem& head, std::int64_t chunk) {
  const std::int64_t begin = chunk * shape_.chunk / shape_.leaf;
  const std::int64_t end = leaves_in(chunk + 1);
  for (std::int64_t leaf = begin; leaf < end; ++leaf) {
    const kernels::RowSource keys = select_rows(head.keys(), members(leaf));
    const kernels::RowSource values = select_rows(head.values(), members(leaf));
    float* packed = keys_.data() + leaf * columns_ * head_dim_;
    float* loaded = values_.data() + leaf * shape_.leaf * value_stride_;
    kernels::pack_transposed(keys, packed);
    kernels::load_rows(values, 1.0f, loaded, value_stride_, value_stride_);
    if (!is_calm(packed, columns_ * head_dim_) || !is_calm(loaded, shape_.leaf * value_stride_))
      return false;
  }
  return true;
}

void LeafIndex::summarize_chunk(const HeadProblem& head, std::int64_t chunk) {
  std::vector<float> keys(static_cast<std::size_t>(shape_.leaf * head_dim_));
  std::vector<float> center(static_cast<std::size_t>(value_dim_));
  mean_of(values_.data() + chunk * shape_.chunk * value_stride_, shape_.chunk, value_stride_,
          value_dim_, center.data());
  for (std::int64_t leaf = leaves_in(chunk); leaf < leaves_in(chunk + 1); ++leaf) {
    kernels::load_rows(select_rows(head.keys(), members(leaf)), 1.0f, keys.data(), head_dim_,
                       head_dim_);
    summarize_leaf(leaf, keys.data(), center.data());
  }
}

void LeafIndex::summarize_leaf(std::int64_t leaf, const float* keys, const float* center) {
  const float* values = this->values(leaf).data;
  mean_of(keys, shape_.leaf, head_dim_, head_dim_, means_.data() + leaf * head_dim_);
  mean_of(values, shape_.leaf, value_stride_, value_stride_,
          mean_values_.data() + leaf * value_stride_);
  std::vector<float> distance(static_cast<std::size_t>(value_dim_), 0.0f), length = distance;
  for (std::int64_t i = 0; i < shape_.leaf; ++i)
    for (std::int64_t d = 0; d < value_dim_; ++d) {
      const auto at = static_cast<std::size_t>(d);
      const float value = values[i * value_stride_ + d], off = value - center[d];
      distance[at] += off * off;
      length[at] += value * value;
    }
  const auto mean = [&](const std::vector<float>& squares) {
    return std::accumulate(squares.begin(), squares.end(), 0.0) / static_cast<double>(shape_.leaf);
  };
  value_distance_[static_cast<std::size_t>(leaf)] =
      static_cast<float>(std::sqrt(std::max(mean(distance), kLeastShare * mean(length))));
}

}  // namespace subquad
