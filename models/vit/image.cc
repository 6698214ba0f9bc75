#include "vit/image.h"

#include <fmt/format.h>

#include "subquad/error.h"

namespace subquad::vit {
namespace {

constexpr std::int64_t kMaxPixels = std::int64_t{1} << 27;

}  // namespace

Image make_image(const std::string& path, std::int64_t width, std::int64_t height) {
  if (width * height > kMaxPixels)
    throw_invalid(fmt::format("{}: {} x {} pixels, more than 2^27", path, width, height));
  return {width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(width * height * 3))};
}

}  // namespace subquad::vit
