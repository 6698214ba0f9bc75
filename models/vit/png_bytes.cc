#include "vit/png_bytes.h"

#include <png.h>

#include "subquad/error.h"

namespace subquad::vit {

std::string png_bytes(const Image& image) {
  if (image.pixels.empty()) throw_invalid("image: has no pixels");
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(image.width);
  png.height = static_cast<png_uint_32>(image.height);
  png.format = PNG_FORMAT_RGB;
  std::string bytes(PNG_IMAGE_PNG_SIZE_MAX(png), '\0');
  png_alloc_size_t size = bytes.size();
  if (png_image_write_to_memory(&png, bytes.data(), &size, 0, image.pixels.data(), 0, nullptr) == 0)
    throw_failed(std::string("PNG: ") + png.message);
  bytes.resize(size);
  return bytes;
}

}  // namespace subquad::vit
