// The points of a density index: as given, and in units in which a kernel is 2^-|x - y|^2.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "subquad/tensor.h"

namespace subquad {

inline constexpr std::int64_t kMostColumns = 4096;

struct DensityPoints {
  std::int64_t dim = 0;
  std::vector<float> rows;        // n x dim
  std::vector<std::int64_t> ids;  // ascending
  std::int64_t next_id = 0;

  std::int64_t count() const { return static_cast<std::int64_t>(ids.size()); }
};

// Rows of a (1, 1, n, D) view as f32, after its shape and its numbers were checked. Throws Error
// naming `name`, and the row and column of what is not finite.
std::vector<float> finite_rows(const char* name, const TensorView& view, int threads);

// (x - center) / (sigma sqrt(2 / log2 e)), column by column.
class DensityUnits {
 public:
  DensityUnits() = default;
  // center: the points' mean. Error naming `points` where numbers leave the range in which squares
  // are finite: 10^16 bandwidths from the mean.
  DensityUnits(const DensityPoints& points, std::span<const double> bandwidth);

  // Rows of the points, or of queries: these are held at the border of that range, where every
  // kernel is zero.
  std::vector<float> scaled(std::span<const float> rows, int threads) const;

 private:
  std::vector<double> center_, factor_;
};

}  // namespace subquad
