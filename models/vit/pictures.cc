#include "vit/pictures.h"

#include "core/threads.h"

namespace subquad::vit {

std::vector<float> load_pictures(std::span<const std::string> files, std::int64_t size,
                                 const Preprocessing& preprocessing, int threads) {
  const std::int64_t each = 3 * size * size;
  std::vector<float> pixels(files.size() * static_cast<std::size_t>(each));
  parallel_for(resolved_threads(threads), std::ssize(files), [&](std::int64_t i) {
    const Image image = load_jpeg(files[static_cast<std::size_t>(i)]);
    normalise(resize_and_crop(image, size, preprocessing), preprocessing, pixels.data() + i * each);
  });
  return pixels;
}

}  // namespace subquad::vit
