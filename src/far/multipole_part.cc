#include "far/multipole_part.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <numeric>
#include <utility>

#include "core/threads.h"
#include "exact/forward.h"
#include "exact/tile_forward.h"
#include "far/clusters/cluster_entries.h"
#include "index/row_groups.h"

namespace subquad {
namespace {

constexpr double kNothing = std::numeric_limits<double>::infinity();
// Levels of opening for a target error of 1: thresholds of what a group's cluster may miss.
constexpr double kFirstThreshold = 0.6, kThresholdStep = 0.84;
constexpr int kLevels = 17;
// Tried where none is given.
constexpr double kRidges[] = {1e-3, 1e-5};
// Below this many keys the second try costs more than it gives.
constexpr double kOneRidge[] = {3e-4};
constexpr std::int64_t kFewKeys = 8192;
constexpr double kLeastShare = 0.01;  // of the model's sum of weights, for an exact sum from it
// What a key of a probe, a cluster and an opened key cost in keys of exact attention, all overheads
// included: measured at 4,096 and 16,384 keys (docs/guide/far.md), but for those of dot products,
// which are between the others. Exact attention gains more by tiles than the far field does.
struct Costs {
  double probe, cluster, opened;
};
constexpr Costs kCosts[] = {{4, 3, 2}, {6, 4.5, 3}, {16, 8, 7}};  // by Arithmetic

const Costs& costs_of(const HeadProblem& head) {
  return kCosts[static_cast<std::size_t>(arithmetic_of(head))];
}

Partition one_group(std::int64_t rows) {
  Partition all;
  all.ids.resize(static_cast<std::size_t>(rows));
  std::iota(all.ids.begin(), all.ids.end(), 0);
  all.begin = {0, rows};
  all.cluster_of.assign(static_cast<std::size_t>(rows), 0);
  return all;
}

}  // namespace

MultipolePart::MultipolePart(const HeadProblem& head, const EntrySets& heavy,
                             const MultipoleOptions& options, const Rng& rng, int threads)
    : head_(head), options_(options), rng_(rng), heavy_(heavy) {
  exact_ = !build(threads);
  if (options_.error == 0 && !exact_) take_trial();
}

// What the clusters cost, in keys of exact attention a row.
double MultipolePart::cluster_cost() const {
  return costs_of(head_).cluster * (static_cast<double>(options_.shape.clusters) + 128);
}

// Whether exact attention costs less, whatever the probes may say.
bool MultipolePart::too_dear() const {
  if (options_.error == 0 || options_.always) return false;
  const auto keys = static_cast<double>(head_.num_keys);
  const double probes = static_cast<double>(options_.fit) * costs_of(head_).probe * keys /
                        static_cast<double>(head_.num_rows());
  return probes + cluster_cost() > options_.margin * keys;
}

// How many keys a row may be opened so that exact attention costs more; the probes are paid for.
double MultipolePart::affordable_keys() const {
  if (options_.always) return kNothing;
  return (options_.margin * static_cast<double>(head_.num_keys) - cluster_cost()) /
         costs_of(head_).opened;
}

// False: exact attention is the better choice.
bool MultipolePart::build(int threads) {
  if (too_dear()) return false;
  clusters_ = FarClusters::build(head_, options_.shape, rng_, threads);
  if (clusters_ == nullptr) return false;
  return options_.fit == 0 || fit(threads);
}

bool MultipolePart::fit(int threads) {
  const bool opens = options_.open > 0 || options_.error > 0;
  groups_ = std::make_shared<Partition>(
      opens ? group_rows(base2_queries(head_).data(), head_.num_rows(), head_.head_dim(),
                         options_.group, row_block_size(head_.head_dim(), head_.value_dim()), rng_,
                         threads)
            : one_group(head_.num_rows()));
  probes_ = sample_groups(groups_->all_members(), options_.fit, rng_,
                          [&](std::int64_t row) { return has_finite_query(head_, row); });
  const IndexList probes = probes_.list();
  if (probes.count == 0) return false;
  table_ = std::make_unique<ProbeTable>(
      ProbeInput{head_, *clusters_->far, *clusters_->keys, probes, heavy_, &clusters_->prior, {}},
      threads);
  if (!table_->finite()) return false;
  exact_rows_ = exact_probes(threads);
  std::span<const double> ridges = kRidges;
  if (head_.num_keys < kFewKeys) ridges = kOneRidge;
  const double given = options_.ridge;
  if (given > 0) ridges = {&given, 1};
  fit_ = std::make_unique<FarFit>(
      FarFit::Input{*clusters_->far, *table_, *clusters_->keys, *groups_, clusters_->prior,
                    probes_.group_of, exact_rows_, ridges},
      threads);
  if (!fit_->ok()) return false;
  out_square_ = fit_->out_square();
  options_.ridge = fit_->ridge();
  trial_ = fit_->try_opening(options_.open > 0 ? options_.open : kNothing);
  return options_.error == 0 || std::isfinite(trial_.square);
}

void MultipolePart::lower_error(std::int64_t, double square) {
  if (search_ == nullptr)
    search_ = std::make_unique<OpeningSearch>(
        fit_->levels(falling_thresholds(options_.error * kFirstThreshold, kThresholdStep, kLevels)),
        trial_.square);
  const OpeningLevel* level = search_->next(square, affordable_keys());
  exact_ = level == nullptr;
  if (exact_) return release_trials();
  trial_ = fit_->try_opening(level->threshold);
  search_->learn(trial_.square);
}

void MultipolePart::decide() {
  if (!exact_) take_trial();
}

// The coefficients and opened clusters of the last trial. Frees what only trials need.
void MultipolePart::take_trial() {
  std::vector<float> coefficients = clusters_->prior;
  for (std::size_t i = 0; options_.residual == 0 && i < trial_.correction.size(); ++i)
    coefficients[i] += trial_.correction[i];
  const bool opens = std::any_of(trial_.opened.begin(), trial_.opened.end(),
                                 [](const auto& clusters) { return !clusters.empty(); });
  if (opens) opened_ = std::make_unique<OpenedSet>(clusters_->keys, groups_, trial_.opened);
  coefficients_ =
      FarCoefficients(coefficients.data(), head_.value_dim() + 1, clusters_->far->size());
  if (options_.residual > 0)
    residual_ = std::make_unique<ResidualSample>(head_, *clusters_->far, *clusters_->keys,
                                                 options_.residual, rng_);
  release_trials();
}

void MultipolePart::release_trials() {
  search_.reset();
  fit_.reset();
  table_.reset();
}

// The probes' exact sums over all keys.
ProbeRows MultipolePart::exact_probes(int threads) const {
  const ProbeTable& table = *table_;
  const std::int64_t p = table.probes();
  ProbeRows exact;
  exact.l.resize(static_cast<std::size_t>(p));
  exact.out.resize(static_cast<std::size_t>(p * head_.value_dim()));
  const std::int64_t dv = head_.value_dim();
  std::vector<double> sum(static_cast<std::size_t>(dv));
  for (std::int64_t i = 0; i < p; ++i) {
    std::copy_n(table.model(i), dv, sum.begin());
    double l = table.model(i)[dv];
    for (std::int64_t s = 0; s < table.slices(); ++s) {
      for (std::int64_t d = 0; d < dv; ++d)
        sum[static_cast<std::size_t>(d)] += table.missed_values(s, i)[d];
      l += table.missed_weight(s, i);
    }
    for (std::int64_t d = 0; d < dv; ++d) sum[static_cast<std::size_t>(d)] += table.taken(i)[d];
    l += table.taken(i)[dv];
    // Order 2 may hold far more than there is: the difference then has no digits left.
    if (!(l > kLeastShare * table.model(i)[dv]))
      return evaluate_probes(head_, probes_.list(), table, threads);
    exact.l[static_cast<std::size_t>(i)] = l;
    for (std::int64_t d = 0; d < dv; ++d)
      exact.out[static_cast<std::size_t>(i * dv + d)] =
          static_cast<float>(sum[static_cast<std::size_t>(d)] / l);
  }
  return exact;
}

FarSums MultipolePart::far_sums() const { return {clusters_->prior.data(), head_.num_keys}; }

void MultipolePart::add_runs(const IndexList& rows, RunList& runs) const {
  if (residual_ != nullptr) residual_->add_runs(rows, head_.num_keys, runs);
}

void MultipolePart::add_estimate(const HeadProblem&, RowBlock& rows, const EntrySets& heavy,
                                 TileScratch& scratch_of_runs, const RunList& runs) {
  if (residual_ != nullptr)
    return residual_->add_to(rows, far_sums(), heavy, scratch_of_runs, runs);
  FarScratch scratch(clusters_->far->size(), head_.value_dim());
  clusters_->far->complete(rows.query(0), rows.partial(), coefficients_, scratch);
}

void MultipolePart::subtract_near_field(RowBlock& rows, std::int64_t group) {
  clusters_->far->subtract_clusters(rows.query(0), rows.partial(), opened_->opened(group),
                                    clusters_->prior.data());
}

std::unique_ptr<ImpliedEntries> MultipolePart::implied() {
  return std::make_unique<ClusterEntries>(*clusters_->far, *clusters_->keys);
}

void MultipolePart::row_errors(RowBlock& block, const EntrySets& heavy, TileScratch& scratch,
                               float* error) const {
  const IndexList& rows = block.rows();
  if (residual_ != nullptr) return residual_->row_errors(block, far_sums(), heavy, scratch, error);
  if (groups_ == nullptr) {
    std::fill_n(error, rows.count, std::numeric_limits<float>::quiet_NaN());
    return;
  }
  for (std::int64_t i = 0; i < rows.count; ++i)
    error[i] = trial_.group_error[static_cast<std::size_t>(
        groups_->cluster_of[static_cast<std::size_t>(rows[i])])];
}

}  // namespace subquad
