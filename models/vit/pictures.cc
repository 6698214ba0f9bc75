#include "vit/pictures.h"

#include <algorithm>

#include "core/threads.h"
#include "subquad/error.h"
#include "vit/picture_file.h"

namespace subquad::vit {
namespace {

// What is wrong with a file; empty: nothing, and `out` holds the picture.
std::string load(const std::string& file, std::int64_t size, const Preprocessing& preprocessing,
                 float* out) {
  try {
    normalise(resize_and_crop(load_picture(file), size, preprocessing), preprocessing, out);
    return {};
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::invalid_argument) throw;
    return error.what();
  }
}

}  // namespace

Pictures load_pictures(std::span<const std::string> files, std::int64_t size,
                       const Preprocessing& preprocessing, int threads) {
  const std::int64_t each = 3 * size * size, count = std::ssize(files);
  Pictures result;
  result.pixels.resize(static_cast<std::size_t>(count * each));
  std::vector<std::string> complaints(files.size());
  parallel_for(resolved_threads(threads), count, [&](std::int64_t i) {
    const auto n = static_cast<std::size_t>(i);
    complaints[n] = load(files[n], size, preprocessing, result.pixels.data() + i * each);
  });
  auto end = result.pixels.begin();
  for (std::int64_t i = 0; i < count; ++i) {
    std::string& complaint = complaints[static_cast<std::size_t>(i)];
    if (complaint.empty()) {
      end = std::copy_n(result.pixels.begin() + i * each, each, end);
      result.files.push_back(i);
    } else {
      result.complaints.push_back(std::move(complaint));
    }
  }
  result.pixels.erase(end, result.pixels.end());
  return result;
}

}  // namespace subquad::vit
