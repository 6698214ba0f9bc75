#include "denoise/patches.h"

#include <algorithm>
#include <cmath>

#include <Eigen/Eigenvalues>
#include <fmt/format.h>

#include "subquad/error.h"

namespace subquad::denoise {
namespace {

constexpr std::int64_t kMostSide = 13, kMostSamples = 20000, kRowsAtOnce = 4096;
constexpr std::int64_t kUsual = 12;  // components
using Patches = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

void check_patches(const PatchOptions& options) {
  if (options.side < 1 || options.side > kMostSide || options.side % 2 == 0)
    throw_invalid(fmt::format("side: {} must be odd, 1 to {}", options.side, kMostSide));
  const std::int64_t most = 3 * options.side * options.side;
  if (options.components < -1 || options.components > most)
    throw_invalid(fmt::format("components: {} must be -1 to {}, the values of a patch",
                              options.components, most));
}

// -1 is 0, as -2 is 1; so at the other end, however small the picture.
std::int64_t mirrored(std::int64_t x, std::int64_t size) {
  const std::int64_t period = 2 * size, place = ((x % period) + period) % period;
  return place < size ? place : period - 1 - place;
}

void copy_patch(const vit::Image& image, std::int64_t pixel, std::int64_t side, float* out) {
  const std::int64_t x = pixel % image.width, y = pixel / image.width, reach = side / 2;
  const float scale = 1 / (std::sqrt(3.0F) * static_cast<float>(side));
  for (std::int64_t dy = -reach; dy <= reach; ++dy)
    for (std::int64_t dx = -reach; dx <= reach; ++dx) {
      const std::int64_t place =
          mirrored(y + dy, image.height) * image.width + mirrored(x + dx, image.width);
      for (std::int64_t c = 0; c < 3; ++c)
        *out++ = scale * image.pixels[static_cast<std::size_t>(3 * place + c)];
    }
}

// Pixels first, first + step, ..: count of them.
Patches take(const vit::Image& image, std::int64_t side, std::int64_t first, std::int64_t step,
             std::int64_t count) {
  Patches patches(count, 3 * side * side);
  for (std::int64_t i = 0; i < count; ++i)
    copy_patch(image, first + i * step, side, patches.row(i).data());
  return patches;
}

// Orthonormal columns, by falling variance.
Patches principal_directions(const vit::Image& image, const PatchOptions& options) {
  const std::int64_t pixels = image.width * image.height;
  const std::int64_t step = (pixels + kMostSamples - 1) / kMostSamples;
  Patches sample = take(image, options.side, 0, step, (pixels - 1) / step + 1);
  sample.rowwise() -= sample.colwise().mean().eval();
  const Eigen::MatrixXd covariance = (sample.transpose() * sample).cast<double>();
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(covariance);
  return eigen.eigenvectors().rowwise().reverse().leftCols(patch_dim(options)).cast<float>();
}

}  // namespace

std::int64_t patch_dim(const PatchOptions& options) {
  const std::int64_t values = 3 * options.side * options.side;
  if (options.components < 0) return std::min(kUsual, values);
  return options.components > 0 ? options.components : values;
}

PatchPoints patch_points(const vit::Image& image, const PatchOptions& options) {
  check_patches(options);
  PatchPoints points{image.width * image.height, patch_dim(options), {}};
  points.rows.resize(static_cast<std::size_t>(points.count * points.dim));
  Patches directions;
  if (options.components != 0) directions = principal_directions(image, options);
  for (std::int64_t first = 0; first < points.count; first += kRowsAtOnce) {
    const std::int64_t count = std::min(kRowsAtOnce, points.count - first);
    const Patches patches = take(image, options.side, first, 1, count);
    Eigen::Map<Patches> out(points.rows.data() + first * points.dim, count, points.dim);
    if (options.components != 0)
      out.noalias() = patches * directions;
    else
      out = patches;
  }
  return points;
}

}  // namespace subquad::denoise
