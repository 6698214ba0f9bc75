#include "far/clusters/opening_search.h"

#include <algorithm>
#include <cmath>

namespace subquad {
namespace {

constexpr double kClose = 2;  // predictions this many times the target are worth a trial
constexpr double kLeastSaturation = 0.01, kMostSaturation = 100;

}  // namespace

double OpeningSearch::predict(const OpeningLevel& level) const {
  return closed_square_ * level.left * (1 + saturation_) / (level.left + saturation_);
}

const OpeningLevel* OpeningSearch::next(double target, double most_keys) {
  std::size_t end = begin_;
  while (end < levels_.size() && levels_[end].keys <= most_keys) ++end;
  if (end == begin_) return nullptr;
  std::size_t chosen = begin_;
  while (chosen + 1 < end && predict(levels_[chosen]) > target) ++chosen;
  if (!(predict(levels_[chosen]) <= kClose * target)) return nullptr;
  begin_ = chosen + 1;
  return &levels_[chosen];
}

// Half way, in logarithms, to the a for which the prediction would have been right: near 1, shares
// tell little of it.
void OpeningSearch::learn(double square) {
  const double left = levels_[begin_ - 1].left, share = square / closed_square_;
  if (!(left > 0 && left < 1)) return;
  const double told = share > left ? left * (1 - share) / (share - left) : kMostSaturation;
  saturation_ = std::sqrt(saturation_ * std::clamp(told, kLeastSaturation, kMostSaturation));
}

}  // namespace subquad
