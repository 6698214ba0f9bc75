#include "far/leaves/leaf_choice.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <cstdio>
#include <cstdlib>

namespace subquad {
namespace {

constexpr std::int64_t kFewProbes = 8;  // of a head: fewer say nothing
// What a key of an opened leaf and a pseudo key cost in keys of exact attention: measured
// (docs/theory/causal_far_field.md).
constexpr double kOpenedCost = 1.5, kPseudoCost = 1.6;

// Sums over the probes of one query head seen so far.
struct Tally {
  std::int64_t count = 0;
  bool finite = true;
  double out = 0;
  double error[kLimits] = {};
  double opened[kLimits] = {};  // leaves

  void add(const LeafProbe& probe) {
    if (probe.prefix == 0) return;
    ++count;
    finite = finite && probe.finite;
    out += probe.out_square;
    for (std::int64_t i = 0; i < kLimits; ++i) {
      error[i] += probe.error[i];
      opened[i] += probe.opened[i];
    }
  }

  void drop(const LeafProbe& probe) {
    if (probe.prefix == 0) return;
    --count;
    out -= probe.out_square;
    for (std::int64_t i = 0; i < kLimits; ++i) {
      error[i] -= probe.error[i];
      opened[i] -= probe.opened[i];
    }
  }
  // The highest limit that keeps the error; kLimits: none.
  std::int64_t best(double error_allowed) const {
    if (count < kFewProbes || !finite) return kLimits;
    std::int64_t i = 0;
    while (i < kLimits && error[i] > error_allowed * error_allowed * out) ++i;
    return i;
  }
};

}  // namespace

std::vector<LeafChoice> choose_leaves(std::span<const LeafProbe> probes, std::int64_t group,
                                      std::int64_t chunks, const LeafIndex& index,
                                      const LeafTarget& target, bool causal,
                                      std::span<const std::int64_t> diagonals) {
  std::vector<Tally> tallies(static_cast<std::size_t>(group));
  std::vector<double> leaves(tallies.size(), 0.0);  // closed ones that the probes met
  std::vector<LeafChoice> choices;
  std::size_t next = 0;
  std::size_t first=0; const double recent = std::getenv("TC_RECENT") ? atof(std::getenv("TC_RECENT")) : 0;
  for (std::int64_t prefix = 1; prefix <= chunks; ++prefix) {
    for (; causal && first < next && double(probes[first].prefix) < recent * double(prefix); ++first) {
      const auto member = static_cast<std::size_t>(probes[first].row % group);
      tallies[member].drop(probes[first]);
      leaves[member] -= static_cast<double>(index.leaves_in(probes[first].prefix));
    }
    const std::int64_t end = causal ? prefix * index.shape().chunk
                                    : std::numeric_limits<std::int64_t>::max();
    for (; next < probes.size() && diagonals[next] < end; ++next) {
      const auto member = static_cast<std::size_t>(probes[next].row % group);
      tallies[member].add(probes[next]);
      leaves[member] += static_cast<double>(index.leaves_in(probes[next].prefix));
    }
    LeafChoice choice;
    const auto size = static_cast<double>(index.shape().leaf);
    for (std::size_t m = 0; m < tallies.size(); ++m) {
      const Tally& tally = tallies[m];
      const std::int64_t best = tally.best(target.error * target.margin);
      const double opened = best < kLimits ? tally.opened[best] / std::max(1.0, leaves[m]) : 1;
      const double cost = kPseudoCost / size + opened * kOpenedCost;
      const bool whole = best == kLimits || (!target.always && cost > target.most);
      choice.limits.push_back(whole ? -std::numeric_limits<float>::infinity() : limit_of(best));
      choice.row_error.push_back(whole ? 0 : static_cast<float>(std::sqrt(
                                                 tally.error[best] / static_cast<double>(tally.count))));
    }
    if (std::getenv("TC_DEBUG")) {
      for (std::size_t m = 0; m < tallies.size(); ++m) {
        const Tally& t = tallies[m];
        const std::int64_t best = t.best(target.error * target.margin);
        std::fprintf(stderr, "prefix %ld member %zu n %ld finite %d best %ld limit %g err %g opened %.3f cost/exact %.2f exact %d e0 %g\n", (long)prefix, m, (long)t.count, (int)t.finite, (long)best, best < kLimits ? limit_of(best) : -99.0, best < kLimits ? std::sqrt(t.error[best] / t.out) : -1.0, best < kLimits ? t.opened[best] / std::max(1.0, leaves[m]) : -1.0, 0.0, 0, std::sqrt(t.error[0] / t.out));
      }
    }
    choices.push_back(std::move(choice));
  }
  return choices;
}

}  // namespace subquad
