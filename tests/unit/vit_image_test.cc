// Resizing against plain loops and Pillow.
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "support/jpeg_file.h"
#include "vit/preprocess.h"

namespace subquad::testing {
namespace {

vit::Image pattern(std::int64_t width, std::int64_t height) {
  vit::Image image{width, height, {}};
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x < width; ++x)
      for (std::int64_t c = 0; c < 3; ++c)
        image.pixels.push_back(
            static_cast<std::uint8_t>((37 * x + 91 * y + 53 * c + x * y * c * 7) % 256));
  return image;
}

vit::Preprocessing whole_picture(vit::Filter filter) {
  vit::Preprocessing rules;
  rules.filter = filter;
  rules.resize_to = rules.crop_to = 1;
  return rules;
}

// Image.resize((5, 4)) of pattern(9, 7), columns 0 to 3, by Pillow 9.4.
TEST(VitResize, ShrinksAsPillow) {
  const std::vector<std::uint8_t> triangle{
      68,  118, 159, 117, 141, 147, 158, 141, 168, 118, 117, 125, 129, 133, 119, 88,
      131, 131, 120, 138, 113, 137, 126, 142, 118, 155, 133, 138, 131, 118, 96,  133,
      136, 120, 134, 82,  122, 148, 88,  98,  160, 110, 137, 123, 165, 111, 137, 139};
  const std::vector<std::uint8_t> bicubic{
      62,  118, 163, 123, 140, 149, 163, 143, 173, 115, 116, 127, 134, 132, 118, 83,
      130, 133, 121, 138, 106, 139, 127, 144, 116, 157, 134, 142, 129, 116, 91,  135,
      140, 122, 135, 67,  128, 149, 81,  92,  159, 111, 141, 121, 174, 109, 138, 143};
  const vit::Image image = pattern(9, 7);
  EXPECT_EQ(vit::resize_and_crop(image, 4, whole_picture(vit::Filter::triangle)).pixels, triangle);
  EXPECT_EQ(vit::resize_and_crop(image, 4, whole_picture(vit::Filter::bicubic)).pixels, bicubic);
}

// Row 3 of Image.resize((12, 10)) of pattern(9, 7), columns 1 to 10, by Pillow 9.4.
TEST(VitResize, EnlargesAsPillow) {
  const std::vector<std::uint8_t> triangle{200, 110, 81, 137, 57,  123, 13,  93,  164, 40,
                                           122, 212, 68, 158, 109, 91,  196, 65,  111, 203,
                                           114, 138, 60, 162, 166, 67,  203, 194, 105, 154};
  const std::vector<std::uint8_t> bicubic{222, 105, 71, 146, 33,  122, 3,   88,  171, 34,
                                          121, 230, 63, 161, 99,  88,  213, 44,  111, 218,
                                          114, 138, 45, 163, 170, 50,  224, 203, 105, 160};
  const auto row = [](vit::Filter filter) {
    const vit::Image image = vit::resize_and_crop(pattern(9, 7), 10, whole_picture(filter));
    return std::vector<std::uint8_t>(image.pixels.begin() + 90, image.pixels.begin() + 120);
  };
  EXPECT_EQ(row(vit::Filter::triangle), triangle);
  EXPECT_EQ(row(vit::Filter::bicubic), bicubic);
}

double plain_filter(vit::Filter filter, double t) {
  t = std::fabs(t);
  if (filter == vit::Filter::triangle) return t < 1 ? 1 - t : 0;
  if (t < 1) return 1.5 * t * t * t - 2.5 * t * t + 1;
  return t < 2 ? -0.5 * t * t * t + 2.5 * t * t - 4 * t + 2 : 0;
}

// Output pixel (y, x) of the whole resized picture by the definition: every input pixel weighted by
// the widened filter. Not rounded between the passes.
double plain_pixel(const vit::Image& image, std::int64_t width, std::int64_t height, std::int64_t y,
                   std::int64_t x, std::int64_t channel, vit::Filter filter) {
  const auto weights = [&](std::int64_t in, std::int64_t out, std::int64_t i) {
    const double step = static_cast<double>(in) / static_cast<double>(out);
    const double widened = std::max(1.0, step);
    std::vector<double> all;
    double sum = 0;
    for (std::int64_t j = 0; j < in; ++j) {
      const double t = (static_cast<double>(j) + 0.5 - (static_cast<double>(i) + 0.5) * step);
      sum += all.emplace_back(plain_filter(filter, t / widened));
    }
    for (double& weight : all) weight /= sum;
    return all;
  };
  const auto across = weights(image.width, width, x), down = weights(image.height, height, y);
  double sum = 0;
  for (std::size_t j = 0; j < down.size(); ++j)
    for (std::size_t i = 0; i < across.size(); ++i)
      sum += down[j] * across[i] *
             image.pixels[(j * across.size() + i) * 3 + static_cast<std::size_t>(channel)];
  return std::clamp(sum, 0.0, 255.0);
}

// The two roundings and the clip between the passes: the first is weighted by at most the sum of
// |weights|, 1.3 for the cubic.
void check_resize(std::int64_t width, std::int64_t height, std::int64_t size,
                  const vit::Preprocessing& rules) {
  vit::Image image{width, height,
                   smooth_pixels(static_cast<int>(width), static_cast<int>(height), 3)};
  const vit::Image found = vit::resize_and_crop(image, size, rules);
  ASSERT_EQ(found.width, size);
  ASSERT_EQ(found.height, size);
  const auto target =
      static_cast<std::int64_t>(static_cast<double>(size) * rules.resize_to / rules.crop_to + 1e-9);
  const std::int64_t shorter = std::min(width, height);
  const std::int64_t wide = width * target / shorter, high = height * target / shorter;
  const auto left = static_cast<std::int64_t>(std::nearbyint(static_cast<double>(wide - size) / 2));
  const auto top = static_cast<std::int64_t>(std::nearbyint(static_cast<double>(high - size) / 2));
  for (std::int64_t n = 0; n < size * size * 3; ++n) {
    const std::int64_t y = n / 3 / size, x = n / 3 % size;
    ASSERT_NEAR(found.pixels[static_cast<std::size_t>(n)],
                plain_pixel(image, wide, high, top + y, left + x, n % 3, rules.filter), 1.2)
        << n;
  }
}

TEST(VitResize, CentreOfThePlainResizedPicture) {
  for (const vit::Filter filter : {vit::Filter::triangle, vit::Filter::bicubic}) {
    vit::Preprocessing rules;
    rules.filter = filter;
    check_resize(40, 23, 14, rules);
    check_resize(23, 41, 28, rules);
    check_resize(9, 9, 14, rules);
    check_resize(61, 20, 7, whole_picture(filter));
  }
}

TEST(VitResize, OnePixelFillsEverything) {
  const vit::Image dot{1, 1, {10, 20, 30}};
  const vit::Image found = vit::resize_and_crop(dot, 5, vit::Preprocessing{});
  ASSERT_EQ(found.pixels.size(), 75u);
  for (std::size_t i = 0; i < 75; ++i) EXPECT_EQ(found.pixels[i], 10 * (1 + i % 3));
}

// Only the rows under the crop are resampled: 224 columns of all rows would be 670 MB.
TEST(VitResize, ATallAndAWidePictureTakeLittleMemory) {
  constexpr std::int64_t length = 1'000'000, size = 224;
  const auto peak = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;  // kB
  };
  vit::Image line{1, length, std::vector<std::uint8_t>(3 * length, 200)};
  std::vector<std::uint8_t> expected(3 * size * size, 200);
  const auto before = peak();
  EXPECT_EQ(vit::resize_and_crop(line, size, vit::Preprocessing{}).pixels, expected);
  EXPECT_LT(peak() - before, 100'000);
  std::swap(line.width, line.height);
  EXPECT_EQ(vit::resize_and_crop(line, size, vit::Preprocessing{}).pixels, expected);
}

TEST(VitResize, Normalise) {
  vit::Preprocessing rules;
  std::vector<float> out(6);
  vit::normalise({2, 1, {0, 51, 102, 153, 204, 255}}, rules, out.data());
  for (std::size_t i = 0; i < 6; ++i) {
    const std::size_t channel = i / 2, pixel = i % 2;
    const double level = 51.0 * static_cast<double>(3 * pixel + channel) / 255;
    EXPECT_NEAR(out[i], (level - rules.mean[channel]) / rules.deviation[channel], 1e-6);
  }
}

}  // namespace
}  // namespace subquad::testing
