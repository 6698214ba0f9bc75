#include "index/kmeans.h"

#include <algorithm>
#include <limits>

#include "core/threads.h"
#include "kernels/backward.h"
#include "kernels/cluster.h"
#include "kernels/gemm.h"
#include "kernels/pack.h"
#include "core/sampling.h"
#include "index/cluster_draws.h"

namespace subquad {
namespace {

constexpr std::int64_t kPointsPerCenter = 4;  // of the sample
constexpr int kIterations = 3;
constexpr std::int64_t kPoints = 256;  // points assigned at a time
constexpr std::int64_t kCenters = 32;  // centers scored at a time: the tile stays in cache

// Assigns tiles of points; owns the scratch of one thread.
class Assigner {
 public:
  Assigner(const ScaledPoints& points, std::span<const float> centers, const float* bias)
      : points_(points),
        centers_(centers.data()),
        count_(static_cast<std::int64_t>(centers.size()) / points.stride),
        bias_(bias),
        packed_(kPoints * points.dim),
        scores_(kCenters * kPoints),
        best_(kPoints),
        winner_(kPoints) {}

  // ids: at most kPoints.
  void assign(std::span<const std::int32_t> ids, std::int32_t* nearest) {
    const auto size = static_cast<std::int64_t>(ids.size());
    const std::int64_t panel_stride = kernels::pack_transposed(
        {points_.data.data(), DType::f32, points_.stride, points_.dim, ids.data(), 0, size},
        packed_.data());
    std::fill_n(best_.data(), kPoints, -std::numeric_limits<float>::infinity());
    std::fill_n(winner_.data(), kPoints, 0);
    for (std::int64_t first = 0; first < count_; first += kCenters) {
      const std::int64_t rows = std::min(kCenters, count_ - first);
      kernels::gemm({centers_ + first * points_.stride, points_.stride, 1},
                    {packed_.data(), panel_stride, kernels::blocking().panel}, rows, size,
                    points_.dim, scores_.data(), kPoints, false);
      // The nearest center has the largest x . c - |c|^2 / 2.
      kernels::take_largest(scores_.data(), kPoints, rows, size, bias_ + first,
                            static_cast<std::int32_t>(first), best_.data(), winner_.data());
    }
    std::copy_n(winner_.data(), size, nearest);
  }

 private:
  const ScaledPoints& points_;
  const float* centers_;
  std::int64_t count_;
  const float* bias_;
  Scratch<float> packed_, scores_, best_;
  Scratch<std::int32_t> winner_;
};

std::vector<float> center_biases(std::span<const float> centers, std::int64_t stride) {
  const std::int64_t count = static_cast<std::int64_t>(centers.size()) / stride;
  std::vector<float> bias(static_cast<std::size_t>(count));
  kernels::dot_rows(centers.data(), centers.data(), count, stride, bias.data());
  for (float& b : bias) b *= -0.5f;
  return bias;
}

// Every center moves to the mean of its points; one without points stays. In the order of the ids.
void move_centers(const ScaledPoints& points, std::span<const std::int32_t> ids,
                  std::span<const std::int32_t> nearest, std::span<float> centers) {
  const auto stride = static_cast<std::size_t>(points.stride);
  std::vector<double> sums(centers.size());
  std::vector<std::int64_t> sizes(centers.size() / stride);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto center = static_cast<std::size_t>(nearest[i]);
    const float* row = points.row(ids[i]);
    double* sum = sums.data() + center * stride;
    for (std::size_t c = 0; c < stride; ++c) sum[c] += row[c];
    ++sizes[center];
  }
  for (std::size_t i = 0; i < centers.size(); ++i)
    if (const std::int64_t size = sizes[i / stride]; size > 0)
      centers[i] = static_cast<float>(sums[i] / static_cast<double>(size));
}

}  // namespace

std::vector<float> kmeans_centers(const ScaledPoints& points, std::span<const std::int32_t> ids,
                                  std::int64_t count, const Rng& rng, int threads) {
  const auto all = static_cast<std::int64_t>(ids.size());
  const auto draw = [&](std::int64_t size, ClusterDraw use) {
    return stratified_sample(ids, size, rng, Purpose::cluster, static_cast<std::uint32_t>(use));
  };
  std::vector<float> centers;
  for (const std::int32_t i : draw(count, ClusterDraw::centers))
    centers.insert(centers.end(), points.row(i), points.row(i) + points.stride);
  const auto sample = draw(std::min(all, kPointsPerCenter * count), ClusterDraw::lloyd);
  for (int i = 0; i < kIterations; ++i)
    move_centers(points, sample, nearest_centers(points, sample, centers, threads), centers);
  return centers;
}

std::vector<std::int32_t> nearest_centers(const ScaledPoints& points,
                                          std::span<const std::int32_t> ids,
                                          std::span<const float> centers, int threads) {
  const std::vector<float> bias = center_biases(centers, points.stride);
  const auto all = static_cast<std::int64_t>(ids.size());
  std::vector<std::int32_t> nearest(ids.size());
  parallel_workers(threads, (all + kPoints - 1) / kPoints, [&] {
    return [&, assigner = Assigner(points, centers, bias.data())](std::int64_t tile) mutable {
      const auto begin = static_cast<std::size_t>(tile * kPoints);
      const auto size = static_cast<std::size_t>(std::min(kPoints, all - tile * kPoints));
      assigner.assign(ids.subspan(begin, size), nearest.data() + begin);
    };
  });
  return nearest;
}

}  // namespace subquad
