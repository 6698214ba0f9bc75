#include "index/scaled_points.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "core/threads.h"
#include "kernels/gemm.h"
#include "index/cluster_draws.h"

namespace subquad {
namespace {

constexpr std::int64_t kSample = 63;  // points that the medians are taken over
constexpr std::int64_t kChunk = 256;  // rows a work item
constexpr float kLimit = 0x1p50f;

struct Frame {
  std::vector<float> center;
  float scale = 1;
};

// The bits of |x| order like |x|, with infinities and NaN above every number.
std::uint32_t magnitude_bits(float x) { return std::bit_cast<std::uint32_t>(x) & 0x7FFFFFFFu; }
constexpr std::uint32_t kInfinityBits = 0x7F800000u;

std::uint32_t largest_bits(const float* x, std::int64_t dim) {
  std::uint32_t largest = 0;
  for (std::int64_t c = 0; c < dim; ++c) largest = std::max(largest, magnitude_bits(x[c]));
  return largest;
}

bool is_finite(const float* x, std::int64_t dim) { return largest_bits(x, dim) < kInfinityBits; }

template <typename T>
T median(std::vector<T>& values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double largest_deviation(const float* x, const std::vector<float>& center) {
  double largest = 0;
  for (std::size_t c = 0; c < center.size(); ++c)
    largest = std::max(largest, std::abs(double{x[c]} - center[c]));
  return largest;
}

class FrameFinder {
 public:
  FrameFinder(const float* points, std::int64_t n, std::int64_t dim)
      : points_(points), n_(n), dim_(dim) {}

  Frame find(const Rng& rng) const {
    const std::vector<const float*> sample = finite_sample(rng);
    Frame frame{std::vector<float>(static_cast<std::size_t>(dim_)), 1};
    std::vector<float> values(sample.size());
    for (std::size_t c = 0; c < frame.center.size(); ++c) {
      for (std::size_t s = 0; s < sample.size(); ++s) values[s] = sample[s][c];
      frame.center[c] = median(values);
    }
    std::vector<double> spread;
    for (const float* x : sample) spread.push_back(largest_deviation(x, frame.center));
    double size = median(spread);
    if (!(size > 0)) size = largest_of_all(frame.center);
    if (size > 0) frame.scale = std::ldexp(1.0f, std::clamp(-std::ilogb(size), -126, 126));
    return frame;
  }

 private:
  std::vector<const float*> finite_sample(const Rng& rng) const {
    std::vector<const float*> sample;
    const std::int64_t count = std::min(n_, kSample);
    for (std::int64_t s = 0; s < count; ++s) {
      const std::int64_t begin = n_ * s / count, end = n_ * (s + 1) / count;
      const std::int64_t pick = begin + rng.below(end - begin, Purpose::cluster,
                                                  static_cast<std::uint32_t>(ClusterDraw::scale),
                                                  static_cast<std::uint32_t>(s));
      if (is_finite(points_ + pick * dim_, dim_)) sample.push_back(points_ + pick * dim_);
    }
    return sample;
  }
  double largest_of_all(const std::vector<float>& center) const {
    double largest = 0;
    for (std::int64_t i = 0; i < n_; ++i)
      if (is_finite(points_ + i * dim_, dim_))
        largest = std::max(largest, largest_deviation(points_ + i * dim_, center));
    return largest;
  }

  const float* points_;
  std::int64_t n_, dim_;
};

// A row beyond the limit, shrunk to it.
void scale_far_row(const float* x, const Frame& frame, std::int64_t dim, float* out) {
  const double factor = double{kLimit} / largest_deviation(x, frame.center);
  for (std::int64_t c = 0; c < dim; ++c)
    out[c] =
        static_cast<float>((double{x[c]} - frame.center[static_cast<std::size_t>(c)]) * factor);
}

// Returns whether the row is finite.
bool scale_row(const float* x, const Frame& frame, std::int64_t dim, float* out) {
  const float* center = frame.center.data();
  for (std::int64_t c = 0; c < dim; ++c) out[c] = (x[c] - center[c]) * frame.scale;
  if (largest_bits(out, dim) <= magnitude_bits(kLimit)) return true;
  const bool finite = is_finite(x, dim);
  if (finite)
    scale_far_row(x, frame, dim, out);
  else
    std::fill(out, out + dim, 0.0f);
  return finite;
}

}  // namespace

ScaledPoints scale_points(const float* points, std::int64_t n, std::int64_t dim, const Rng& rng,
                          int threads) {
  const std::int64_t panel = kernels::blocking().panel;
  ScaledPoints scaled{n, dim, (dim + panel - 1) / panel * panel, {}, {}, {}};
  scaled.data = Scratch<float>(n * scaled.stride);
  const Frame frame = FrameFinder(points, n, dim).find(rng);
  std::vector<std::uint8_t> finite(static_cast<std::size_t>(n));
  parallel_for(threads, (n + kChunk - 1) / kChunk, [&](std::int64_t chunk) {
    for (std::int64_t i = chunk * kChunk; i < std::min(n, (chunk + 1) * kChunk); ++i) {
      float* out = scaled.data.data() + i * scaled.stride;
      finite[static_cast<std::size_t>(i)] = scale_row(points + i * dim, frame, dim, out) ? 1 : 0;
      std::fill(out + dim, out + scaled.stride, 0.0f);
    }
  });
  for (std::int32_t i = 0; i < n; ++i)
    (finite[static_cast<std::size_t>(i)] != 0 ? scaled.ids : scaled.odd).push_back(i);
  return scaled;
}

}  // namespace subquad
