#include "density_picture.h"

#include <png.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "subquad/error.h"

namespace subquad::cli {
namespace {

constexpr std::int64_t kSide = 512, kWidth = 1024, kHeight = 384;
using Colour = std::array<double, 3>;

// Black, purple, red, orange, light yellow: lighter from each to the next.
Colour colour_of(double share) {
  constexpr std::array<Colour, 5> stops{
      {{0, 0, 4}, {87, 16, 110}, {188, 55, 84}, {249, 142, 9}, {252, 255, 164}}};
  const double at = std::clamp(share, 0.0, 1.0) * 4;
  const auto i = std::min<std::size_t>(static_cast<std::size_t>(at), 3);
  Colour colour{};
  for (std::size_t c = 0; c < 3; ++c)
    colour[c] = std::lerp(stops[i][c], stops[i + 1][c], at - static_cast<double>(i));
  return colour;
}

class Canvas {
 public:
  Canvas(std::int64_t width, std::int64_t height)
      : width_(width), height_(height), bytes_(static_cast<std::size_t>(3 * width * height), 255) {}

  void set(std::int64_t x, std::int64_t y, const Colour& colour) {
    for (std::size_t c = 0; c < 3; ++c)
      bytes_[static_cast<std::size_t>(3 * (y * width_ + x)) + c] =
          static_cast<std::uint8_t>(std::lround(colour[c]));
  }
  std::string png() const {
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    image.width = static_cast<png_uint_32>(width_);
    image.height = static_cast<png_uint_32>(height_);
    image.format = PNG_FORMAT_RGB;
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
    std::string file(size, '\0');
    if (png_image_write_to_memory(&image, file.data(), &size, 0, bytes_.data(), 0, nullptr) == 0)
      throw_failed(std::string("picture: ") + image.message);
    file.resize(size);
    return file;
  }

 private:
  std::int64_t width_, height_;
  std::vector<std::uint8_t> bytes_;
};

// The middle of step i of `count` between low and high.
float middle(const PictureRange& range, std::size_t column, std::int64_t i, std::int64_t count) {
  const double share = (static_cast<double>(i) + 0.5) / static_cast<double>(count);
  return static_cast<float>(std::lerp(range.low[column], range.high[column], share));
}

TensorView view_of(const std::vector<float>& points, std::int64_t columns) {
  return dense_view(points.data(), DType::f32,
                    {1, 1, static_cast<std::int64_t>(points.size()) / columns, columns});
}

double largest_of(const std::vector<double>& values) {
  return std::max(*std::max_element(values.begin(), values.end()), 1e-300);
}

void draw_plane(const std::vector<double>& values, Canvas& canvas) {
  const double largest = largest_of(values);
  for (std::int64_t y = 0; y < kSide; ++y)
    for (std::int64_t x = 0; x < kSide; ++x) {
      const double value = values[static_cast<std::size_t>(y * kSide + x)];
      canvas.set(x, y, colour_of(std::sqrt(value / largest)));
    }
}

void draw_curve(const std::vector<double>& values, Canvas& canvas) {
  const double largest = largest_of(values);
  constexpr Colour line{188, 55, 84}, area{250, 225, 215};
  const auto top_of = [&](std::int64_t x) {
    const double value = values[static_cast<std::size_t>(x)] / largest;
    return static_cast<std::int64_t>(std::lround((kHeight - 6) * (1 - value))) + 2;
  };
  for (std::int64_t x = 0; x < kWidth; ++x) {
    const std::int64_t top = top_of(x), before = top_of(std::max<std::int64_t>(x - 1, 0));
    const std::int64_t end = std::max(top, before) + 3;  // the line joins its neighbour
    for (std::int64_t y = std::min(top, before); y < kHeight; ++y)
      canvas.set(x, y, y < end ? line : area);
  }
}

}  // namespace

PictureRange picture_range(std::span<const float> points, std::span<const double> bandwidth) {
  PictureRange range;
  for (std::size_t c = 0; c < bandwidth.size(); ++c) {
    float low = points[c], high = points[c];
    for (std::size_t i = c; i < points.size(); i += bandwidth.size()) {
      low = std::min(low, points[i]);
      high = std::max(high, points[i]);
    }
    range.low.push_back(double{low} - 3 * bandwidth[c]);
    range.high.push_back(double{high} + 3 * bandwidth[c]);
  }
  return range;
}

std::string density_picture(const PictureRange& range,
                            const std::function<std::vector<double>(const TensorView&)>& density) {
  const bool plane = range.low.size() == 2;
  std::vector<float> points;
  for (std::int64_t y = 0; plane && y < kSide; ++y)
    for (std::int64_t x = 0; x < kSide; ++x) {
      points.push_back(middle(range, 0, x, kSide));
      points.push_back(middle(range, 1, kSide - 1 - y, kSide));
    }
  for (std::int64_t x = 0; !plane && x < kWidth; ++x) points.push_back(middle(range, 0, x, kWidth));
  const std::vector<double> values = density(view_of(points, plane ? 2 : 1));
  Canvas canvas(plane ? kSide : kWidth, plane ? kSide : kHeight);
  plane ? draw_plane(values, canvas) : draw_curve(values, canvas);
  return canvas.png();
}

}  // namespace subquad::cli
