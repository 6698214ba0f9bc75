#include "vit/positions.h"

#include "vit/resample.h"

namespace subquad::vit {
namespace {

// One dimension of a (lines, in, dim) array.
std::vector<double> resample_middle(const std::vector<double>& values, std::int64_t lines,
                                    std::int64_t in, std::int64_t dim,
                                    const std::vector<Taps>& taps) {
  std::vector<double> out;
  out.reserve(static_cast<std::size_t>(lines * dim) * taps.size());
  for (std::int64_t line = 0; line < lines; ++line) {
    for (const Taps& tap : taps) {
      const double* first = values.data() + (line * in + tap.first) * dim;
      for (std::int64_t c = 0; c < dim; ++c) {
        double sum = 0;
        for (std::size_t i = 0; i < tap.weights.size(); ++i)
          sum += tap.weights[i] * first[static_cast<std::int64_t>(i) * dim + c];
        out.push_back(sum);
      }
    }
  }
  return out;
}

}  // namespace

std::vector<float> interpolate_positions(std::span<const float> trained, std::int64_t dim,
                                         std::int64_t from, std::int64_t to) {
  if (from == to) return {trained.begin(), trained.end()};
  const std::vector<Taps> taps = bicubic_taps(from, to);
  const std::vector<double> patches(trained.begin() + dim, trained.end());
  const std::vector<double> wide = resample_middle(patches, from, from, dim, taps);
  const std::vector<double> all = resample_middle(wide, 1, from, to * dim, taps);
  std::vector<float> out(trained.begin(), trained.begin() + dim);
  out.reserve(static_cast<std::size_t>((1 + to * to) * dim));
  for (const double value : all) out.push_back(static_cast<float>(value));
  return out;
}

}  // namespace subquad::vit
