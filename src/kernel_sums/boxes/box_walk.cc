#include "kernel_sums/boxes/box_walk.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace subquad {
namespace {

// The lower bound of the density leaves out boxes whose kernels are e^-kDropped of the nearest
// key's, and takes whole boxes in which kernels differ by less than e^kCoarse.
constexpr double kDropped = 12, kCoarse = 0.7;

double square(double x) { return x * x; }

// Cycles of a vector step, for 16 queries (f32) and 8 (f64).
double direct_cost(std::int64_t dim, std::int64_t channels) {
  return 7 + 1.3 * static_cast<double>(dim) + 1.5 * static_cast<double>(channels);
}
double series_cost(std::int64_t terms, std::int64_t channels) {
  return 30 + 1.1 * static_cast<double>(terms * channels);
}

double vectors(std::int64_t queries, std::int64_t lanes) {
  const std::int64_t count = (queries + lanes - 1) / lanes;
  return static_cast<double>(count);
}

}  // namespace

double BoxWalk::exact_cost(std::int64_t dim, std::int64_t channels, std::int64_t queries,
                           std::int64_t keys) {
  const double by_scores = 14 + static_cast<double>(dim + channels);
  const double step = dim <= 8 ? direct_cost(dim, channels) : by_scores;
  return step * vectors(queries, 16) * static_cast<double>(keys);
}

double BoxWalk::squared_span(const QueryBox& queries, std::int64_t node) const {
  const double *low = keys_.tree().low(node), *high = keys_.tree().high(node);
  double sum = 0;
  for (std::int64_t c = 0; c < keys_.tree().dim(); ++c)
    sum += square(std::max(high[c] - queries.low[c], queries.high[c] - low[c]));
  return sum;
}

// Of a leaf that is near, if not the nearest.
double BoxWalk::nearest_span(const QueryBox& queries) const {
  std::int64_t node = 0;
  while (!keys_.tree().node(node).is_leaf()) {
    const std::int64_t right = keys_.tree().node(node).right;
    node = squared_gap(queries, keys_.tree(), node + 1) <= squared_gap(queries, keys_.tree(), right)
               ? node + 1
               : right;
  }
  return squared_span(queries, node);
}

double BoxWalk::log_density(const QueryBox& queries) {
  const std::int64_t channels = keys_.channels();
  density_.assign(static_cast<std::size_t>(channels), 0.0);
  // Kernels are relative to that of the smallest span so far.
  double near = nearest_span(queries);
  stack_.assign(1, 0);
  while (!stack_.empty()) {
    const std::int64_t node = stack_.back();
    stack_.pop_back();
    const double gap = squared_gap(queries, keys_.tree(), node), span = squared_span(queries, node);
    if (gap > near + 2 * kDropped) continue;
    const BoxNode& box = keys_.tree().node(node);
    if (!box.is_leaf() && span - gap > 2 * kCoarse) {
      stack_.push_back(box.right);
      stack_.push_back(node + 1);
      continue;
    }
    if (span < near) {
      for (double& sum : density_) sum *= std::exp((span - near) / 2);
      near = span;
    }
    const double kernel = std::exp((near - span) / 2);
    for (std::int64_t c = 0; c < channels; ++c)
      density_[static_cast<std::size_t>(c)] += kernel * keys_.mass(node)[c];
  }
  double least = std::numeric_limits<double>::infinity();
  for (std::int64_t c = 0; c < channels; ++c)
    if (keys_.mass(0)[c] > 0)
      least = std::min(least, density_[static_cast<std::size_t>(c)] / keys_.mass(0)[c]);
  // Of the two addends the larger one, so that nothing underflows.
  return std::max(std::log(least) - near / 2, std::log(options_.floor));
}

double BoxWalk::reach(const QueryBox& queries, std::int64_t node) const {
  const double* center = keys_.center(node);
  double sum = 0;
  for (std::int64_t c = 0; c < keys_.tree().dim(); ++c)
    sum += square(std::max(center[c] - queries.low[c], queries.high[c] - center[c]));
  return std::sqrt(sum);
}

void BoxWalk::meet(const QueryBox& queries, std::int64_t node, double kernel, double most) {
  const BoxNode& box = keys_.tree().node(node);
  const double direct = direct_cost(keys_.tree().dim(), keys_.channels()) *
                        vectors(queries.count, 16) * static_cast<double>(box.count());
  const SeriesError::Level& level = series_.level_for(std::exp(std::min(most - kernel, 0.0)));
  const std::int64_t degree =
      keys_.degree(node) > 0 ? level.degree_for(keys_.radius(node) * reach(queries, node)) : 0;
  const double series =
      degree == 0 || degree > keys_.degree(node)
          ? std::numeric_limits<double>::infinity()
          : series_cost(kernels::series_terms(keys_.tree().dim(), degree), keys_.channels()) *
                vectors(queries.count, 8);
  if (series < direct) {
    visits_.push_back({node, degree});
    cost_ += series;
    if (level.error > series_.error())
      missed_ += level.error * keys_.share(node) * std::exp(kernel - density_log_);
  } else if (box.is_leaf()) {
    visits_.push_back({node, 0});
    cost_ += direct;
    keys_met_ += box.count();
  } else {
    stack_.push_back(box.right);
    stack_.push_back(node + 1);
  }
}

void BoxWalk::walk(const QueryBox& queries) {
  visits_.clear();
  missed_ = cost_ = 0;
  keys_met_ = 0;
  density_log_ = log_density(queries);
  const double most = std::log(options_.error / 2) + density_log_;  // -inf: nothing is skipped
  stack_.assign(1, 0);
  while (!stack_.empty()) {
    const std::int64_t node = stack_.back();
    stack_.pop_back();
    const double kernel = -squared_gap(queries, keys_.tree(), node) / 2;
    if (kernel < -kZeroGap / 2) continue;
    if (kernel <= most)
      missed_ += keys_.share(node) * std::exp(kernel - density_log_);
    else
      meet(queries, node, kernel, most);
  }
}

}  // namespace subquad
