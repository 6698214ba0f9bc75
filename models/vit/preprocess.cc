#include "vit/preprocess.h"

#include <algorithm>
#include <cmath>

namespace subquad::vit {
namespace {

std::uint8_t grey_level(double value) {
  return static_cast<std::uint8_t>(std::clamp(std::floor(value + 0.5), 0.0, 255.0));
}

// Pillow's weights for 8-bit pictures: multiples of 2^-22.
std::vector<Taps> fixed_point(std::vector<Taps> taps) {
  for (Taps& tap : taps)
    for (double& weight : tap.weights) weight = std::round(weight * 0x1p22) * 0x1p-22;
  return taps;
}

// Rows [begin, end) of `image` through `taps`.
Image resample_rows(const Image& image, std::int64_t begin, std::int64_t end,
                    const std::vector<Taps>& taps) {
  Image out{static_cast<std::int64_t>(taps.size()), end - begin, {}};
  out.pixels.reserve(static_cast<std::size_t>(out.width * out.height * 3));
  for (std::int64_t y = begin; y < end; ++y) {
    for (const Taps& tap : taps) {
      const std::uint8_t* first = image.pixels.data() + (y * image.width + tap.first) * 3;
      for (std::size_t channel = 0; channel < 3; ++channel) {
        double sum = 0;
        for (std::size_t i = 0; i < tap.weights.size(); ++i)
          sum += tap.weights[i] * first[3 * i + channel];
        out.pixels.push_back(grey_level(sum));
      }
    }
  }
  return out;
}

// `image` holds the rows from `begin` on.
Image resample_columns(const Image& image, std::int64_t begin, const std::vector<Taps>& taps) {
  const std::int64_t row = image.width * 3;
  Image out{image.width, static_cast<std::int64_t>(taps.size()), {}};
  out.pixels.reserve(static_cast<std::size_t>(row * out.height));
  std::vector<double> sums(static_cast<std::size_t>(row));
  for (const Taps& tap : taps) {
    std::fill(sums.begin(), sums.end(), 0.0);
    const std::uint8_t* line = image.pixels.data() + (tap.first - begin) * row;
    for (const double weight : tap.weights) {
      for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += weight * line[i];
      line += row;
    }
    for (const double sum : sums) out.pixels.push_back(grey_level(sum));
  }
  return out;
}

// Length of a side after the shorter one became `target`.
std::int64_t resized(std::int64_t side, std::int64_t shorter, std::int64_t target) {
  return side == shorter ? target : side * target / shorter;
}

// torchvision's centre crop: half to even.
std::int64_t crop_begin(std::int64_t side, std::int64_t size) {
  return static_cast<std::int64_t>(std::nearbyint(static_cast<double>(side - size) / 2));
}

}  // namespace

Image resize_and_crop(const Image& image, std::int64_t size, const Preprocessing& preprocessing) {
  const double exact = static_cast<double>(size) * preprocessing.resize_to / preprocessing.crop_to;
  const auto target = std::max(static_cast<std::int64_t>(exact + 1e-9), size);
  const std::int64_t shorter = std::min(image.width, image.height);
  const std::int64_t width = resized(image.width, shorter, target);
  const std::int64_t height = resized(image.height, shorter, target);
  const auto taps_of = [&](std::int64_t in, std::int64_t out) {
    return fixed_point(
        antialiased_taps(in, out, preprocessing.filter, crop_begin(out, size), size));
  };
  // The rows that the crop reads and no others: of a tall picture few.
  const std::vector<Taps> down = taps_of(image.height, height);
  const std::int64_t begin = down.front().first;
  const std::int64_t end = down.back().first + std::ssize(down.back().weights);
  return resample_columns(resample_rows(image, begin, end, taps_of(image.width, width)), begin,
                          down);
}

void normalise(const Image& image, const Preprocessing& preprocessing, float* out) {
  const auto count = static_cast<std::size_t>(image.width * image.height);
  for (std::size_t channel = 0; channel < 3; ++channel) {
    const float mean = preprocessing.mean[channel], deviation = preprocessing.deviation[channel];
    for (std::size_t i = 0; i < count; ++i)
      out[channel * count + i] =
          (static_cast<float>(image.pixels[3 * i + channel]) / 255.0f - mean) / deviation;
  }
}

}  // namespace subquad::vit
