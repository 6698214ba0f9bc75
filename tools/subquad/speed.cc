#include "speed.h"

#include <algorithm>
#include <cmath>

namespace subquad::cli {
namespace {

constexpr std::size_t many_rounds = 8;
constexpr double factor_of_one_round = 1.5;

// Between the two values around a share of the sorted values.
double quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  const double rest = place - std::floor(place);
  return sorted[below] * (1 - rest) + sorted[above] * rest;
}

// A single round may be off by the factor, either way.
Spread spread_or_doubt(const std::vector<double>& seconds) {
  if (const auto spread = spread_of(seconds)) return *spread;
  const double half = std::sqrt(factor_of_one_round);
  return {seconds.front() / half, seconds.front() * half};
}

// One of the words between colons is `exact`: "exact:packed", "hyper:exact:packed", "far:exact";
// and the next does not say that numbers were split, or tiles skipped: "exact:split3-amx".
bool has_exact(const std::string& route) {
  for (std::size_t begin = 0; begin <= route.size();) {
    const std::size_t end = std::min(route.find(':', begin), route.size());
    if (route.compare(begin, end - begin, "exact") == 0)
      return end == route.size() ||
             (route.compare(end + 1, 5, "split") != 0 && route.compare(end + 1, 7, "skipped") != 0);
    begin = end + 1;
  }
  return false;
}

}  // namespace

const char* const speed_rule =
    "A method is called faster or slower than exact only where its rounds lie apart from exact's: "
    "the slowest of one before the fastest of the other (from 8 rounds on: the middle halves; with "
    "one round: 1.5 times), and never where it runs exact's own code.";

std::optional<Spread> spread_of(std::vector<double> seconds) {
  if (seconds.size() < 2) return {};
  std::sort(seconds.begin(), seconds.end());
  if (seconds.size() < many_rounds) return Spread{seconds.front(), seconds.back()};
  return Spread{quantile(seconds, 0.25), quantile(seconds, 0.75)};
}

const char* name_of(Speed speed) {
  switch (speed) {
    case Speed::exact_code:
      return "exact_code";
    case Speed::faster:
      return "faster";
    case Speed::alike:
      return "alike";
    case Speed::slower:
      break;
  }
  return "slower";
}

bool runs_exact_code(const std::string& path) {
  if (path.ends_with("|exact after all")) return true;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('|', begin), path.size());
    if (!has_exact(path.substr(begin, end - begin))) return false;
    begin = end + 1;
  }
  return true;
}

Speed compare_speed(const std::string& path, const std::vector<double>& seconds,
                    const std::vector<double>& exact_seconds) {
  if (runs_exact_code(path)) return Speed::exact_code;
  const Spread own = spread_or_doubt(seconds), exact = spread_or_doubt(exact_seconds);
  if (own.high < exact.low) return Speed::faster;
  return own.low > exact.high ? Speed::slower : Speed::alike;
}

}  // namespace subquad::cli
