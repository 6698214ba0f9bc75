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

// Sums over some probes of one query head.
struct Tally {
  std::int64_t count = 0, spoilt = 0;  // spoilt: not finite
  double out = 0, leaves = 0;
  double error[kLimits] = {}, square[kLimits] = {};  // of |error|^2, and of its square
  double opened[kLimits] = {};                       // leaves

  void add(const LeafProbe& probe, std::int64_t leaves_met) {
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

  // The highest limit whose error, and two standard deviations of its sum, stay below; kLimits:
  // none.
  std::int64_t best(double error_allowed) const {
    if (count < kFewProbes || spoilt > 0) return kLimits;
    const double most = error_allowed * error_allowed * out;
    std::int64_t i = 0;
    while (i < kLimits && !(error[i] + 2 * std::sqrt(square[i]) <= most)) ++i;
    return i;
  }
};

// Of rows that meet what the probes met.
void choose_member(const Tally& tally, double size, const LeafTarget& target, LeafChoice& choice) {
  const std::int64_t best = tally.best(target.error * target.margin);
  const double opened = best < kLimits ? tally.opened[best] / std::max(1.0, tally.leaves) : 1;
  const bool dear = kPseudoCost / size + opened * kOpenedCost > target.most;
  if (best == kLimits || (dear && !target.always)) {
    choice.numbers.push_back(kLimits);
    choice.limits.push_back(-std::numeric_limits<float>::infinity());
    choice.row_error.push_back(0);
    return;
  }
  const double mean = tally.error[best] / static_cast<double>(tally.count);
  choice.numbers.push_back(best);
  choice.limits.push_back(limit_of(best));
  choice.row_error.push_back(static_cast<float>(std::sqrt(mean)));
}

}  // namespace

std::vector<LeafChoice> choose_leaves(const ProbedHead& head, const LeafIndex& index,
                                      std::int64_t chunks, const LeafTarget& target) {
  std::vector<LeafChoice> choices(static_cast<std::size_t>(chunks));
  std::size_t next = 0, first = 0;
  for (std::int64_t prefix = 1; prefix <= chunks; ++prefix) {
    const std::int64_t end = prefix * index.shape().chunk;
    while (next < head.probes.size() && (!head.causal || head.diagonals[next] < end)) ++next;
    while (head.causal && first < next &&
           static_cast<double>(head.probes[first].prefix) < kRecent * static_cast<double>(prefix))
      ++first;
    std::vector<Tally> tallies(static_cast<std::size_t>(head.group));
    for (const LeafProbe& probe : head.probes.subspan(first, next - first))
      tallies[static_cast<std::size_t>(probe.row % head.group)].add(probe,
                                                                    index.leaves_in(probe.prefix));
    for (const Tally& tally : tallies)
      choose_member(tally, static_cast<double>(index.shape().leaf), target,
                    choices[static_cast<std::size_t>(prefix - 1)]);
  }
  return choices;
}

ErrorSquares expected_squares(const ProbedHead& head, std::span<const LeafChoice> choices) {
  ErrorSquares squares;
  for (const LeafProbe& probe : head.probes) {
    const auto& numbers = choices[static_cast<std::size_t>(probe.prefix - 1)].numbers;
    const std::int64_t number = numbers[static_cast<std::size_t>(probe.row % head.group)];
    squares.out += double{probe.out_square};
    if (number < kLimits) squares.error += double{probe.error[number]};
  }
  return squares;
}

}  // namespace subquad
