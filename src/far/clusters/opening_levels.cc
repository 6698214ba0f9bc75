#include "far/clusters/opening_levels.h"

#include <cmath>
#include <utility>

namespace subquad {

std::vector<std::int32_t> clusters_above(std::span<const double> missed, double limit) {
  std::vector<std::int32_t> above;
  for (std::size_t c = 0; c < missed.size(); ++c)
    if (missed[c] > limit) above.push_back(static_cast<std::int32_t>(c));
  return above;
}

std::vector<double> falling_thresholds(double first, double step, int count) {
  std::vector<double> thresholds;
  for (int i = 0; i < count; ++i) thresholds.push_back(first * std::pow(step, i));
  return thresholds;
}

OpeningLevels::OpeningLevels(std::span<const double> thresholds, const Partition& clusters,
                             std::int64_t rows)
    : clusters_(clusters), rows_(static_cast<double>(rows)), levels_(thresholds.size()) {
  for (std::size_t i = 0; i < levels_.size(); ++i) levels_[i].threshold = thresholds[i];
}

void OpeningLevels::add(std::int64_t rows, std::span<const double> missed) {
  const auto count = static_cast<double>(rows);
  for (std::size_t c = 0; c < missed.size(); ++c) {
    total_ += count * missed[c];
    const auto keys = static_cast<double>(clusters_.members(static_cast<std::int64_t>(c)).count);
    for (OpeningLevel& level : levels_) {
      if (missed[c] > level.threshold * level.threshold)
        level.keys += count * keys / rows_;
      else
        level.left += count * missed[c];
    }
  }
}

std::vector<OpeningLevel> OpeningLevels::finish() {
  for (OpeningLevel& level : levels_) level.left = total_ > 0 ? level.left / total_ : 0;
  return std::move(levels_);
}

}  // namespace subquad
