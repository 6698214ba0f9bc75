#include "index/cluster_tree.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "core/threads.h"
#include "kernels/backward.h"
#include "kernels/cluster.h"
#include "kernels/gemm.h"
#include "kernels/pack.h"
#include "core/sampling.h"
#include "index/cluster_draws.h"

namespace subquad {
namespace {

constexpr std::int64_t kSample = 64;  // points that a direction is computed from
constexpr int kIterations = 3;        // of the power method

struct Node {
  std::int64_t first_leaf, leaves;
  std::uint32_t number;  // root 1, children 2 i and 2 i + 1

  std::int64_t middle() const { return first_leaf + leaves / 2; }
};

// Divides by the largest magnitude; false if that is 0.
bool normalize(float* values, std::int64_t count) {
  float largest = 0;
  for (std::int64_t i = 0; i < count; ++i) largest = std::max(largest, std::abs(values[i]));
  if (largest == 0.0f) return false;
  for (std::int64_t i = 0; i < count; ++i) values[i] /= largest;
  return true;
}

// A number that orders like (projection, index).
std::uint64_t sort_key(float projection, std::int64_t index) {
  const auto bits = std::bit_cast<std::uint32_t>(projection + 0.0f);  // no -0
  const std::uint32_t ordered = (bits >> 31) != 0 ? ~bits : bits | 0x80000000u;
  return (std::uint64_t{ordered} << 32) | static_cast<std::uint64_t>(index);
}

// Splits nodes; owns the scratch of one thread.
class NodeSplitter {
 public:
  NodeSplitter(const ScaledPoints& points, const Rng& rng)
      : points_(points),
        rng_(rng),
        rows_(kSample * points.stride),
        dots_(kSample),
        direction_(points.stride) {}

  // The first `left` ids become those with the least projections.
  void split(std::span<std::int32_t> ids, std::int64_t left, std::uint32_t number) {
    find_direction(ids, number);
    const auto count = static_cast<std::int64_t>(ids.size());
    Scratch<std::uint64_t> keys(count), sorted(count);
    project_all(ids, keys.data());
    std::copy(keys.data(), keys.data() + count, sorted.data());
    std::nth_element(sorted.data(), sorted.data() + left, sorted.data() + count);
    move_apart(ids, keys.data(), sorted[left], left);
  }

 private:
  void load(std::span<const std::int32_t> ids) {
    kernels::load_rows({points_.data.data(), DType::f32, points_.stride, points_.stride, ids.data(),
                        0, static_cast<std::int64_t>(ids.size())},
                       1.0f, rows_.data(), points_.stride, points_.stride);
  }

  // Into direction_, largest coordinate 1; all zeros where the sampled points are all equal.
  void find_direction(std::span<const std::int32_t> ids, std::uint32_t number) {
    const auto all = static_cast<std::int64_t>(ids.size());
    const std::int64_t count = std::min(all, kSample);
    if (count < all)
      load(stratified_sample(ids, count, rng_, Purpose::cluster, number));
    else
      load(ids);
    center_rows(count);
    start_direction(count);
    for (int i = 0; i < kIterations && normalize(direction_.data(), points_.stride); ++i) {
      kernels::project_rows(rows_.data(), points_.stride, nullptr, count, direction_.data(),
                            dots_.data());
      if (normalize(dots_.data(), count)) combine(count, direction_.data());
    }
    normalize(direction_.data(), points_.stride);
  }

  // out = sum_i dots_[i] * row_i
  void combine(std::int64_t count, float* out) const {
    kernels::gemm({dots_.data(), count, 1},
                  {rows_.data(), kernels::blocking().panel, points_.stride}, 1, points_.stride,
                  count, out, points_.stride, false);
  }
  void center_rows(std::int64_t count) {
    std::fill(dots_.data(), dots_.data() + count, 1.0f / static_cast<float>(count));
    combine(count, direction_.data());
    kernels::add_rows(direction_.data(), 0, count, points_.stride, -1.0f, rows_.data(),
                      points_.stride);
  }
  // The row farthest from the mean.
  void start_direction(std::int64_t count) {
    kernels::dot_rows(rows_.data(), rows_.data(), count, points_.stride, dots_.data());
    const std::int64_t far = std::max_element(dots_.data(), dots_.data() + count) - dots_.data();
    std::copy_n(rows_.data() + far * points_.stride, points_.stride, direction_.data());
  }

  void project_all(std::span<const std::int32_t> ids, std::uint64_t* keys) {
    const auto count = static_cast<std::int64_t>(ids.size());
    for (std::int64_t begin = 0; begin < count; begin += kSample) {
      const std::int64_t size = std::min(kSample, count - begin);
      kernels::project_rows(points_.data.data(), points_.stride, ids.data() + begin, size,
                            direction_.data(), dots_.data());
      for (std::int64_t i = 0; i < size; ++i) keys[begin + i] = sort_key(dots_[i], begin + i);
    }
  }

  // Stable: ids whose key is below `bound` (`left` of them) come first.
  static void move_apart(std::span<std::int32_t> ids, const std::uint64_t* keys,
                         std::uint64_t bound, std::int64_t left) {
    const std::vector<std::int32_t> old(ids.begin(), ids.end());
    std::size_t next[2] = {0, static_cast<std::size_t>(left)};
    for (std::size_t i = 0; i < old.size(); ++i) ids[next[keys[i] < bound ? 0 : 1]++] = old[i];
  }

  const ScaledPoints& points_;
  Rng rng_;
  Scratch<float> rows_;       // kSample x stride
  Scratch<float> dots_;       // kSample
  Scratch<float> direction_;  // stride
};

std::vector<Node> children(const std::vector<Node>& level) {
  std::vector<Node> next;
  const auto add = [&](const Node& node) {
    if (node.leaves > 1) next.push_back(node);
  };
  for (const Node& node : level) {
    const std::int64_t left = node.leaves / 2;
    add({node.first_leaf, left, 2 * node.number});
    add({node.middle(), node.leaves - left, 2 * node.number + 1});
  }
  return next;
}

}  // namespace

void sort_by_tree(const ScaledPoints& points, std::span<std::int32_t> ids, std::int64_t count,
                  const Rng& rng, int threads) {
  const auto at = [&](std::int64_t leaf) {
    return run_begin(static_cast<std::int64_t>(ids.size()), leaf, count);
  };
  std::vector<Node> level;
  if (count > 1) level.push_back({0, count, 1});
  for (; !level.empty(); level = children(level))
    parallel_workers(threads, static_cast<std::int64_t>(level.size()), [&] {
      return [&, splitter = NodeSplitter(points, rng)](std::int64_t i) mutable {
        const Node& node = level[static_cast<std::size_t>(i)];
        const std::int64_t begin = at(node.first_leaf), end = at(node.first_leaf + node.leaves);
        splitter.split(
            ids.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)),
            at(node.middle()) - begin, node.number);
      };
    });
}

}  // namespace subquad
