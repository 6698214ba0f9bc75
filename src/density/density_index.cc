#include "subquad/density.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <numbers>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "core/isa.h"
#include "core/checks.h"
#include "core/threads.h"
#include "density/auto_choice.h"
#include "density/density_file.h"
#include "density/density_store.h"
#include "density/methods.h"
#include "subquad/error.h"

namespace subquad {
namespace {

// One sigma a column.
std::vector<double> checked_bandwidth(std::span<const double> bandwidth, std::int64_t dim) {
  const auto columns = static_cast<std::size_t>(dim);
  check_span("bandwidth", bandwidth);
  if (bandwidth.size() != 1 && bandwidth.size() != columns)
    throw_invalid(fmt::format("bandwidth: {} numbers, must be 1 or one for each of the {} columns",
                              bandwidth.size(), dim));
  for (const double sigma : bandwidth)
    if (!(sigma > 0) || !std::isfinite(sigma))
      throw_invalid(fmt::format("bandwidth: {} must be positive and finite", sigma));
  if (bandwidth.size() == 1) return std::vector<double>(columns, bandwidth.front());
  return {bandwidth.begin(), bandwidth.end()};
}

DensityTarget checked_target(const DensityQuery& how) {
  const auto check = [](const char* name, double value, bool good, const char* range) {
    if (!good) throw_invalid(fmt::format("{}: {} must be {}", name, value, range));
  };
  check("rel_error", how.rel_error, how.rel_error >= 0 && how.rel_error <= 1, "from 0 to 1");
  check("mu", how.mu, how.mu >= 0 && how.mu <= 1, "from 0 to 1");
  check("confidence", how.confidence, how.confidence > 0 && how.confidence < 1, "between 0 and 1");
  check_threads(how.threads);
  return {how.rel_error, how.mu, how.confidence};
}

// n more points with the next ids.
DensityPoints with_rows(DensityPoints points, const std::vector<float>& rows) {
  const auto n = static_cast<std::int64_t>(rows.size()) / points.dim;
  if (n > kMaxLength - points.count())
    throw_invalid(fmt::format("points: {} and {} are there, at most {} are supported", n,
                              points.count(), kMaxLength));
  points.rows.insert(points.rows.end(), rows.begin(), rows.end());
  for (std::int64_t i = 0; i < n; ++i) points.ids.push_back(points.next_id++);
  return points;
}

// Ascending positions of the ids.
std::vector<std::size_t> positions_of(std::span<const std::int64_t> ids,
                                      const DensityPoints& points) {
  std::vector<std::size_t> at;
  for (const std::int64_t id : ids) {
    const auto found = std::lower_bound(points.ids.begin(), points.ids.end(), id);
    if (found == points.ids.end() || *found != id)
      throw_invalid(fmt::format("ids: no point has the id {}", id));
    at.push_back(static_cast<std::size_t>(found - points.ids.begin()));
  }
  std::sort(at.begin(), at.end());
  const auto twice = std::adjacent_find(at.begin(), at.end());
  if (twice != at.end()) throw_invalid(fmt::format("ids: {} is named twice", points.ids[*twice]));
  return at;
}

DensityPoints without(const DensityPoints& points, const std::vector<std::size_t>& erased) {
  DensityPoints rest;
  rest.dim = points.dim;
  rest.next_id = points.next_id;
  auto next = erased.begin();
  for (std::size_t i = 0; i < points.ids.size(); ++i) {
    if (next != erased.end() && *next == i) {
      ++next;
      continue;
    }
    rest.ids.push_back(points.ids[i]);
    const float* row = points.rows.data() + static_cast<std::int64_t>(i) * points.dim;
    rest.rows.insert(rest.rows.end(), row, row + points.dim);
  }
  return rest;
}

// log of (2 pi)^(-D/2) / prod sigma.
double log_normaliser(const std::vector<double>& bandwidth) {
  double sum = 0;
  for (const double sigma : bandwidth)
    sum -= 0.5 * std::log(2 * std::numbers::pi) + std::log(sigma);
  return sum;
}

DensityResult result_of(const std::vector<DensityEstimate>& estimates, const DensityTarget& target,
                        double log_factor) {
  DensityResult result;
  for (const DensityEstimate& e : estimates) {
    result.value.push_back(std::exp(std::log(e.value) + log_factor));
    result.error.push_back(e.half_width > 0 ? std::exp(std::log(e.half_width) + log_factor)
                                            : e.half_width);
    result.samples.push_back(e.samples);
    result.report.evaluations += e.samples;
    result.report.unmet += !target.met(e.value, e.half_width);
  }
  return result;
}

}  // namespace

// The estimator made last, for the calls that ask for the same again: tables and cells are dear.
class MadeEstimator {
 public:
  std::shared_ptr<const DensityEstimator> get(const std::string& spec, const DensityStore& store,
                                              const DensityTarget& target, int threads) {
    const std::string wanted =
        fmt::format("{} {} {} {}", spec, target.rel_error, target.mu, target.confidence);
    const std::lock_guard lock(mutex_);
    if (wanted == key_) return made_;
    made_ = make_density_method(spec, store, target, threads);
    key_ = wanted;
    return made_;
  }
  // Of a store that is gone.
  void forget() {
    const std::lock_guard lock(mutex_);
    key_.clear();
    made_.reset();
  }

 private:
  std::mutex mutex_;
  std::string key_;
  std::shared_ptr<const DensityEstimator> made_;
};

struct DensityIndex::State {
  std::unique_ptr<DensityStore> store;
  MadeEstimator made;

  void set(DensityPoints points, std::vector<double> bandwidth, const DensityOptions& options) {
    auto next = std::make_unique<DensityStore>(std::move(points), std::move(bandwidth), options);
    made.forget();
    store = std::move(next);
  }
  std::vector<float> rows_like_ours(const char* name, const TensorView& view, int count) const {
    std::vector<float> rows = finite_rows(name, view, count);
    check_equal(name, "last extent", view.channels(), "the index", store->dim());
    return rows;
  }
};

DensityIndex::DensityIndex(std::unique_ptr<State> state) : state_(std::move(state)) {}
DensityIndex::DensityIndex(DensityIndex&& other) noexcept = default;
DensityIndex& DensityIndex::operator=(DensityIndex&& other) noexcept = default;
DensityIndex::~DensityIndex() = default;

DensityIndex DensityIndex::fit(const TensorView& points, std::span<const double> bandwidth,
                               const DensityOptions& options) {
  ensure_isa();
  check_threads(options.threads);
  auto state = std::make_unique<State>();
  const std::vector<float> rows = finite_rows("points", points, resolved_threads(options.threads));
  DensityPoints empty;
  empty.dim = points.channels();
  state->set(with_rows(std::move(empty), rows), checked_bandwidth(bandwidth, points.channels()),
             options);
  return DensityIndex(std::move(state));
}

DensityResult DensityIndex::query(const TensorView& points, const DensityQuery& how) const {
  const DensityTarget target = checked_target(how);
  const DensityStore& store = *state_->store;
  const int threads = resolved_threads(how.threads);
  const std::vector<float> rows =
      store.units().scaled(state_->rows_like_ours("queries", points, threads), threads);
  const DensityQueries queries{rows.data(), points.length(), store.dim()};
  AutoChoice choice;
  if (store.count() == 0 || queries.count == 0)
    choice.reason = store.count() == 0 ? "no points" : "no queries";
  if (how.method != "auto")
    choice.estimator = state_->made.get(how.method, store, target, threads);
  else if (choice.reason.empty())
    choice = choose_density_method(store, queries, target, threads);
  std::vector<DensityEstimate> estimates(static_cast<std::size_t>(queries.count));
  if (store.count() > 0 && queries.count > 0)
    estimates = choice.estimator->estimate(queries, target, threads);
  DensityResult result =
      result_of(estimates, target, how.normalised ? log_normaliser(store.bandwidth()) : 0);
  result.report.method = choice.estimator ? choice.estimator->name() : "none";
  result.report.reason = choice.reason;
  result.report.evaluations += choice.evaluations;
  return result;
}

std::int64_t DensityIndex::insert(const TensorView& points) {
  const DensityStore& store = *state_->store;
  const std::vector<float> rows =
      state_->rows_like_ours("points", points, resolved_threads(store.options().threads));
  const std::int64_t first = store.points().next_id;
  state_->set(with_rows(store.points(), rows), store.bandwidth(), store.options());
  return first;
}

void DensityIndex::erase(std::span<const std::int64_t> ids) {
  check_span("ids", ids);
  const DensityStore& store = *state_->store;
  state_->set(without(store.points(), positions_of(ids, store.points())), store.bandwidth(),
              store.options());
}

std::int64_t DensityIndex::size() const { return state_->store->count(); }
std::int64_t DensityIndex::dim() const { return state_->store->dim(); }
std::vector<double> DensityIndex::bandwidth() const { return state_->store->bandwidth(); }

void DensityIndex::save(const std::string& path) const {
  const DensityStore& store = *state_->store;
  write_density_file(path, store.points(), store.bandwidth(), store.options());
}

DensityIndex DensityIndex::load(const std::string& path, int threads) {
  ensure_isa();
  check_threads(threads);
  DensityFile file = read_density_file(path);
  auto state = std::make_unique<State>();
  file.options.threads = threads;
  state->set(std::move(file.points), std::move(file.bandwidth), file.options);
  return DensityIndex(std::move(state));
}

}  // namespace subquad
