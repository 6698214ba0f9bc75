#include "denoise/picture_noise.h"

#include <algorithm>
#include <cmath>

#include "core/rng.h"

namespace subquad::denoise {

vit::Image add_noise(const vit::Image& image, double noise, std::uint64_t seed) {
  const Rng rng(seed, 0);
  vit::Image noisy = image;
  for (std::size_t i = 0; i < noisy.pixels.size(); ++i) {
    const auto draw =
        static_cast<double>(rng.normal(Purpose::picture_noise, static_cast<std::uint32_t>(i / 3),
                                       static_cast<std::uint32_t>(i % 3)));
    const double value = std::clamp(image.pixels[i] + noise * draw, 0.0, 255.0);
    noisy.pixels[i] = static_cast<std::uint8_t>(std::lround(value));
  }
  return noisy;
}

double psnr(const vit::Image& a, const vit::Image& b) {
  double square = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) {
    const double difference = static_cast<double>(a.pixels[i]) - b.pixels[i];
    square += difference * difference;
  }
  const auto count = static_cast<double>(a.pixels.size());
  return 10 * std::log10(255.0 * 255.0 * count / square);
}

vit::Image side_by_side(const vit::Image& a, const vit::Image& b, const vit::Image& c) {
  constexpr std::int64_t kGap = 8;
  vit::Image all;
  all.width = a.width + b.width + c.width + 2 * kGap;
  all.height = a.height;
  all.pixels.assign(static_cast<std::size_t>(3 * all.width * all.height), 255);
  std::int64_t left = 0;
  for (const vit::Image* picture : {&a, &b, &c}) {
    for (std::int64_t y = 0; y < all.height; ++y)
      std::copy_n(picture->pixels.data() + 3 * y * picture->width, 3 * picture->width,
                  all.pixels.data() + 3 * (y * all.width + left));
    left += picture->width + kGap;
  }
  return all;
}

}  // namespace subquad::denoise
