#include "support/planted_kernels.h"

#include <cmath>
#include <vector>

#include "support/draw.h"

namespace subquad::testing {
namespace {

double draw_x(PlantedX kind, std::int64_t j, Draw& draw) {
  switch (kind) {
    case PlantedX::normal:
      return draw.normal();
    case PlantedX::one_hot:
      return j == 17 ? 1 : 0;
    case PlantedX::ones:
      return 1;
    case PlantedX::heavy_tailed:  // no second moment
      return draw.normal() / std::pow(draw.unit() + 1e-6, 0.7);
  }
  return 0;
}

}  // namespace

KernelCloud planted_kernels(const PlantedShape& shape, PlantedX x, std::uint64_t seed,
                            double spread) {
  const std::int64_t n = shape.keys;
  KernelCloud cloud{{DType::f32, {1, 1, n, shape.dim}, {}},
                    {DType::f32, {1, 1, n, shape.dim}, {}},
                    {DType::f32, {1, 1, n, shape.channels}, {}},
                    1};
  Draw draw(seed);
  const double within = 0.45 / std::sqrt(static_cast<double>(shape.dim));
  std::vector<double> center(static_cast<std::size_t>(shape.dim));
  for (std::int64_t j = 0; j < n; ++j) {
    if (j % shape.cluster == 0)
      for (double& c : center) c = spread * draw.normal();
    for (std::int64_t c = 0; c < shape.dim; ++c) {
      const double at = center[static_cast<std::size_t>(c)] + within * draw.normal();
      cloud.key.set(0, 0, j, c, at);
      cloud.query.set(0, 0, j, c, at);
    }
    for (std::int64_t c = 0; c < shape.channels; ++c)
      cloud.value.set(0, 0, j, c, draw_x(x, j, draw));
  }
  return cloud;
}

}  // namespace subquad::testing
