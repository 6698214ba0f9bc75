#include "kernel_sums/kmv/column_split.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace subquad {
namespace {

constexpr std::int64_t kUnit = std::int64_t{1} << 53;

// Positions in T, half of them in proportion to the running sums `up_to` of its squares.
std::int64_t draw_one(const std::vector<double>& up_to, const Rng& rng, std::uint32_t draw) {
  const auto count = static_cast<std::int64_t>(up_to.size());
  if (rng.below(2, Purpose::sample, 0, draw) == 0)
    return rng.below(count, Purpose::sample, 1, draw);
  const double at =
      up_to.back() * static_cast<double>(rng.below(kUnit, Purpose::sample, 1, draw)) * 0x1p-53;
  const auto found = std::upper_bound(up_to.begin(), up_to.end(), at);
  return std::min<std::int64_t>(found - up_to.begin(), count - 1);
}

}  // namespace

ColumnSplit split_columns(const KernelHead& head, double share) {
  ColumnSplit split;
  for (std::int64_t j = 0; j < head.num_keys; ++j) {
    const float* x = head.values.data() + j * head.channels;
    double square = 0;
    for (std::int64_t c = 0; c < head.channels; ++c) square += double{x[c]} * x[c];
    split.squares.push_back(square);
    split.total += square;
  }
  const double n = static_cast<double>(head.num_keys);
  const double least = split.total / std::pow(n, 5);  // x_j^2 = n^-4 where |x|^2 = n
  for (std::int32_t j = 0; j < head.num_keys; ++j) {
    const double square = split.squares[static_cast<std::size_t>(j)];
    if (square >= share * split.total) {
      split.large.push_back(j);
    } else if (square > least) {
      split.sampled.push_back(j);
      split.sampled_total += square;
    }
  }
  return split;
}

DrawnKeys draw_keys(const KernelHead& head, const ColumnSplit& columns, std::int64_t count,
                    const Rng& rng) {
  DrawnKeys drawn;
  std::vector<double> up_to;
  double sum = 0;
  for (const std::int32_t j : columns.sampled)
    up_to.push_back(sum += columns.squares[static_cast<std::size_t>(j)]);
  if (up_to.empty()) return drawn;
  for (std::int64_t t = 0; t < count; ++t) {
    const std::int32_t j =
        columns
            .sampled[static_cast<std::size_t>(draw_one(up_to, rng, static_cast<std::uint32_t>(t)))];
    const double p = columns.chance(j);
    drawn.keys.push_back(j);
    const float* point = head.keys.data() + j * head.dim;
    drawn.points.insert(drawn.points.end(), point, point + head.dim);
    for (std::int64_t c = 0; c < head.channels; ++c)
      drawn.values.push_back(static_cast<float>(head.values[j * head.channels + c] / p));
    drawn.squares.push_back(columns.squares[static_cast<std::size_t>(j)] / (p * p));
  }
  return drawn;
}

}  // namespace subquad
