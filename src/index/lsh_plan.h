// Which hash tables to build: width, functions and tables from distances that a sample measured.
//
// source: ours, for KMV, Algorithm 1, in place of its 10 n^alpha log n tables. A sample of queries
// says how many keys lie at each distance and what missing them costs; the collision probability
// (euclidean_lsh.h) then gives candidates and misses of any tables without building them.
// cost: 12 widths x 13 numbers of functions x 10 of tables x the bins in use.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <optional>

#include "index/euclidean_lsh.h"

namespace subquad {

// Keys by squared distance, eight bins an octave, summed over the sampled queries.
class DistanceProfile {
 public:
  struct Bin {
    double keys = 0, weight = 0;  // weight: what the search is for
  };
  static constexpr std::size_t kBins = 2048;

  void add(float square, double weight) {
    const float finite = square < 0x1p126f ? square : 0x1p126f;
    Bin& bin = bins_[std::bit_cast<std::uint32_t>(finite) >> 20];
    bin.keys += 1;
    bin.weight += weight;
  }
  void merge(const DistanceProfile& other);
  const Bin& bin(std::size_t b) const { return bins_[b]; }
  // The distance at its beginning; that at the end of bin b is begin(b + 1).
  static double begin(std::size_t b);

 private:
  std::array<Bin, kBins> bins_{};  // squares are not negative: the sign bit is never set
};

// Of tables, totals over the profile.
struct LshForecast {
  double candidates = 0;  // keys that some table is expected to bring
  double missed = 0;      // weight that no table is expected to bring
};
LshForecast forecast(const DistanceProfile& profile, const EuclideanHash& how);

// What things cost, in one unit: a query's hash function, a table's look-up, a candidate, a unit of
// missed weight.
struct LshPrices {
  double function = 0, table = 0, candidate = 0, missed = 0;
};

struct LshPlan {
  EuclideanHash how;
  LshForecast expected;
  double cost = 0;  // of all sampled queries
};

// The cheapest tables of widths `unit` / 2 to 22 `unit` that are expected to miss at most this
// weight. nullopt: none do. `queries`: how many the profile sums over.
std::optional<LshPlan> plan_tables(const DistanceProfile& profile, double queries, double unit,
                                   const LshPrices& prices, double most_missed);

}  // namespace subquad
