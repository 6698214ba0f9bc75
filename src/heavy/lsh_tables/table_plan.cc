#include "heavy/lsh_tables/table_plan.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "index/lsh_plan.h"

namespace subquad {
namespace {

// Nanoseconds of one core, a channel: of a function, of a candidate's score; a table's look-up.
constexpr double kFunction = 0.1, kCandidate = 0.4, kTable = 400, kScore = 0.1;

float squared_distance(const float* a, const float* b, std::int64_t dim) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t c = 0; c < dim; ++c) sum += (a[c] - b[c]) * (a[c] - b[c]);
  return sum;
}

// Adds one query's distances; its heavy keys are those within a distance of the nearest.
void add_row(const LiftedScope& probes, std::int64_t row, double reach, DistanceProfile& profile,
             double& heavy) {
  const std::int64_t count = std::ssize(probes.keys) / probes.dim;
  std::vector<float> squares;
  float nearest = std::numeric_limits<float>::infinity();
  for (std::int64_t k = 0; k < count; ++k) {
    const float square = squared_distance(probes.row(row), probes.key(k), probes.dim);
    if (!std::isfinite(square)) continue;
    squares.push_back(square);
    nearest = std::min(nearest, square);
  }
  for (const float square : squares) {
    const bool is_heavy = double{square} - nearest <= reach;
    profile.add(square, is_heavy ? 1 : 0);
    heavy += is_heavy ? 1 : 0;
  }
}

}  // namespace

std::optional<EuclideanHash> plan_scope(const HeadProblem& head, const LiftedScope& probes,
                                        const LshTablesOptions& options) {
  const std::int64_t rows = std::ssize(probes.norms), keys = std::ssize(probes.keys) / probes.dim;
  if (rows == 0 || !(probes.radius > 0) || !std::isfinite(probes.radius)) return std::nullopt;
  if (options.recall >= 1) return std::nullopt;  // no tables find all
  DistanceProfile profile;
  double heavy = 0;
  const double fall =
      options.alpha * std::log2(static_cast<double>(std::max<std::int64_t>(keys, 1)));
  for (std::int64_t r = 0; r < rows; ++r) {
    const double slope = probes.slope(r, head.scale_log2);
    if (slope > 0 && std::isfinite(slope)) add_row(probes, r, fall / slope, profile, heavy);
  }
  const auto dim = static_cast<double>(probes.dim), count = static_cast<double>(rows);
  const auto plan =
      plan_tables(profile, count, probes.radius / 8, {kFunction * dim, kTable, kCandidate * dim, 0},
                  (1 - options.recall) * heavy);
  const double full = kScore * dim * static_cast<double>(keys) * count;
  if (!plan || plan->cost > full) return std::nullopt;
  return plan->how;
}

}  // namespace subquad
