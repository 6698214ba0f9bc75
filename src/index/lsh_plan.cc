#include "index/lsh_plan.h"

#include <cmath>
#include <vector>

namespace subquad {
namespace {

constexpr std::int64_t kTables[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32};
constexpr std::int64_t kFunctions[] = {1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 20, 24};
constexpr int kWidths = 12;  // steps of sqrt(2)

// A bin's chances to share one function: of its farthest keys, which may be missed, and of its
// nearest, which may be false candidates.
struct BinChance {
  DistanceProfile::Bin bin;
  double far, near;
};

std::vector<BinChance> chances(const DistanceProfile& profile, double width) {
  std::vector<BinChance> bins;
  for (std::size_t b = 0; b + 1 < DistanceProfile::kBins; ++b)
    if (profile.bin(b).keys > 0)
      bins.push_back({profile.bin(b),
                      EuclideanLsh::collision_probability(DistanceProfile::begin(b + 1), width, 1),
                      EuclideanLsh::collision_probability(DistanceProfile::begin(b), width, 1)});
  return bins;
}

// log(1 - p^functions): of missing in one table.
double log_miss(double p, std::int64_t functions) {
  const double hit = std::pow(p, static_cast<double>(functions));
  return hit >= 1 ? -HUGE_VAL : std::log1p(-hit);
}

// The chances of missing all tables follow from those of one: far and near become logarithms.
std::vector<BinChance> with_functions(std::vector<BinChance> bins, std::int64_t functions) {
  for (BinChance& b : bins) {
    b.far = log_miss(b.far, functions);
    b.near = log_miss(b.near, functions);
  }
  return bins;
}

LshForecast forecast(const std::vector<BinChance>& logs, std::int64_t tables) {
  LshForecast sum;
  const auto count = static_cast<double>(tables);
  for (const BinChance& b : logs) {
    if (b.bin.weight > 0) sum.missed += b.bin.weight * std::exp(count * b.far);
    sum.candidates -= b.bin.keys * std::expm1(count * b.near);
  }
  return sum;
}

}  // namespace

void DistanceProfile::merge(const DistanceProfile& other) {
  for (std::size_t b = 0; b < kBins; ++b) {
    bins_[b].keys += other.bins_[b].keys;
    bins_[b].weight += other.bins_[b].weight;
  }
}

double DistanceProfile::begin(std::size_t b) {
  return std::sqrt(double{std::bit_cast<float>(static_cast<std::uint32_t>(b) << 20)});
}

LshForecast forecast(const DistanceProfile& profile, const EuclideanHash& how) {
  return forecast(with_functions(chances(profile, how.width), how.concatenation), how.tables);
}

std::optional<LshPlan> plan_tables(const DistanceProfile& profile, double queries, double unit,
                                   const LshPrices& prices, double most_missed) {
  std::optional<LshPlan> best;
  for (int w = 0; w < kWidths; ++w) {
    const double width = unit * std::exp2(0.5 * w - 1);
    const std::vector<BinChance> bins = chances(profile, width);
    for (const std::int64_t k : kFunctions) {
      const std::vector<BinChance> logs = with_functions(bins, k);
      for (const std::int64_t tables : kTables) {
        const LshForecast expected = forecast(logs, tables);
        if (expected.missed > most_missed) continue;
        const auto functions = static_cast<double>(k);
        const double search =
            static_cast<double>(tables) * (prices.table + functions * prices.function) * queries;
        const double cost =
            search + prices.candidate * expected.candidates + prices.missed * expected.missed;
        if (!best || cost < best->cost) best = {{width, k, tables, {}}, expected, cost};
      }
    }
  }
  return best;
}

}  // namespace subquad
