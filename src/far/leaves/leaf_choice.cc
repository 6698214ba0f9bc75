#include "far/leaves/leaf_choice.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace subquad {
namespace {

// Probes of prefixes below this share of a row's are too unlike it: what a limit leaves grows with
// the prefix.
constexpr double kRecent = 0.5;
// What a key of an opened leaf and a pseudo key cost in keys of exact attention: measured
// (docs/theory/causal_far_field.md).
constexpr double kOpenedCost = 1.5, kPseudoCost = 1.6;

}  // namespace

void LeafTally::add(const LeafProbe& probe, std::int64_t leaves_met) {
  (probe.finite ? count : spoilt) += 1;
  out += double{probe.out_square};
  leaves += static_cast<double>(leaves_met);
  for (std::int64_t i = 0; i < kLimits; ++i) {
    const double error_here = probe.error[i];
    error[i] += error_here;
    square[i] += error_here * error_here;
    opened[i] += double{probe.opened[i]};
  }
}

LeafChoice::LeafChoice(const ProbedHead& head, std::int64_t member, const LeafIndex& index,
                       std::int64_t chunks, const LeafTarget& target)
    : leaf_size_(static_cast<double>(index.shape().leaf)),
      target_(target),
      stages_(static_cast<std::size_t>(chunks)) {
  for (std::size_t i = 0; i < head.probes.size(); ++i) {
    const LeafProbe& probe = head.probes[i];
    if (probe.row % head.group != member) continue;
    const std::int64_t leaves = index.leaves_in(probe.prefix);
    stages_[static_cast<std::size_t>(probe.prefix - 1)].own.add(probe, leaves);
    for (std::int64_t prefix = 1; prefix <= chunks; ++prefix) {
      const bool before = head.diagonals[i] < prefix * index.shape().chunk;
      const bool recent =
          static_cast<double>(probe.prefix) >= kRecent * static_cast<double>(prefix);
      if (!head.causal || (before && recent))
        stages_[static_cast<std::size_t>(prefix - 1)].near.add(probe, leaves);
    }
  }
  for (Stage& stage : stages_) {
    const bool knows = stage.near.count >= kFewProbes && stage.near.spoilt == 0;
    if (!knows || is_dear(stage)) stage.number = kLimits;
  }
}

bool LeafChoice::is_dear(const Stage& stage) const {
  const auto at = static_cast<std::size_t>(stage.number);
  const double opened = stage.near.opened[at] / std::max(1.0, stage.near.leaves);
  return !target_.always && kPseudoCost / leaf_size_ + opened * kOpenedCost > target_.most;
}

ErrorSquares LeafChoice::expected(std::int64_t stage) const {
  const auto& [near, own, number] = stages_[static_cast<std::size_t>(stage)];
  if (number == kLimits) return {};
  return {near.error[number], near.out, near.square[number]};
}

void LeafChoice::lower_error(std::int64_t at, double square) {
  Stage& stage = stages_[static_cast<std::size_t>(at)];
  do {
    ++stage.number;
  } while (stage.number < kLimits && !(stage.near.error[stage.number] <= square));
  // Where every probe opens everything, that they miss nothing says little of other rows.
  const bool blind = stage.number == kLimits || stage.near.error[stage.number] == 0;
  if (blind || is_dear(stage)) stage.number = kLimits;
}

float LeafChoice::limit(std::int64_t prefix) const {
  const std::int64_t number = at(prefix).number;
  return number < kLimits ? limit_of(number) : -std::numeric_limits<float>::infinity();
}

float LeafChoice::row_error(std::int64_t prefix) const {
  const auto& [near, own, number] = at(prefix);
  if (number == kLimits) return 0;
  return static_cast<float>(std::sqrt(near.error[number] / static_cast<double>(near.count)));
}

ErrorSquares LeafChoice::left_at_probes() const {
  ErrorSquares squares;
  for (const auto& [near, own, number] : stages_) {
    squares.out += own.out;
    if (number < kLimits) squares.error += own.error[number];
  }
  return squares;
}

}  // namespace subquad
