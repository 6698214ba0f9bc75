#include "contenders.h"

#include <algorithm>
#include <chrono>
#include <limits>

namespace subquad::cli {
namespace {

double time_once(Contender& contender, Progress& progress) {
  progress.step(contender.label);
  const auto start = std::chrono::steady_clock::now();
  contender.run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Another contender is first in every round: whoever follows the yardsticks finds cold caches.
double run_round(std::size_t round, std::vector<Contender>& contenders,
                 std::vector<Yardstick>& yardsticks, Progress& progress) {
  double total = 0;
  for (Yardstick& yardstick : yardsticks) yardstick.values.push_back(yardstick.measure());
  for (std::size_t turn = 0; turn < contenders.size(); ++turn) {
    Contender& contender = contenders[(round + turn) % contenders.size()];
    contender.seconds.push_back(time_once(contender, progress));
    total += contender.seconds.back();
  }
  return total;
}

int choose_repeats(double round_s, double budget_s) {
  const int fitting = static_cast<int>(std::min(31.0, budget_s / std::max(round_s, 1e-6)));
  return std::clamp(fitting, round_s > 5 ? 1 : 3, 31);
}

}  // namespace

double median(std::vector<double> values) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  if (values.size() % 2 == 1) return values[middle];
  return (values[middle - 1] + values[middle]) / 2;
}

double highest(const std::vector<double>& values) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  return *std::max_element(values.begin(), values.end());
}

void warm_up(std::vector<Contender>& contenders, Progress& progress) {
  for (Contender& contender : contenders) {
    progress.step(contender.label);
    contender.report = contender.run();
  }
}

void run_rounds(std::vector<Contender>& contenders, std::vector<Yardstick>& yardsticks, int repeats,
                double budget_s, Progress& progress) {
  const int each = static_cast<int>(contenders.size());
  progress.expect(each);
  const double round_s = run_round(0, contenders, yardsticks, progress);
  const int rounds = repeats > 0 ? repeats : choose_repeats(round_s, budget_s);
  progress.expect((rounds - 1) * each);
  for (int round = 1; round < rounds; ++round)
    run_round(static_cast<std::size_t>(round), contenders, yardsticks, progress);
}

}  // namespace subquad::cli
