// What the multipole parts hand to their backward pass.
#include <cmath>
#include <utility>

#include "far/multipole_backward.h"
#include "far/causal/multipole_causal.h"
#include "far/multipole_part.h"

namespace subquad {
namespace {

// missed += the sums of the table's slice.
void add_missed(const ProbeTable& table, std::int64_t slice, std::int64_t probe, double* missed) {
  const float* values = table.missed_values(slice, probe);
  for (std::int64_t d = 0; d < table.value_dim(); ++d) missed[d] += double{values[d]};
  missed[table.value_dim()] += double{table.missed_weight(slice, probe)};
}

// The slopes of the clusters left closed count as part of what the model gives.
void take_slopes(const ProbeTable& table, const ClusterShape& shape, std::int64_t probe,
                 std::span<const std::int32_t> opened, double* missed) {
  std::vector<std::uint8_t> skip(static_cast<std::size_t>(table.clusters()), 0);
  for (const std::int32_t c : opened) skip[static_cast<std::size_t>(c)] = 1;
  std::vector<float> slopes(static_cast<std::size_t>(table.value_dim()), 0.0f);
  ClusterShape::Workspace workspace;
  shape.add_dipole(table.query(probe), 1, table.slope_weights(probe), table.clusters(), skip.data(),
                   slopes.data(), table.value_dim(), workspace);
  for (std::size_t d = 0; d < slopes.size(); ++d) missed[d] -= double{slopes[d]};
}

// Relative sums in the layout that MultipoleProbes has.
void append(const std::vector<double>& sums, double factor, std::vector<float>& missed) {
  for (const double sum : sums) missed.push_back(static_cast<float>(sum * factor));
}

// The sum of weights of a probe that misses `missed` (Dv + 1), by the table's reference.
double whole_weight(const ProbeTable& table, const MultipoleModel& model, std::int64_t probe,
                    double missed) {
  double sum = missed;
  for (std::int64_t c = 0; c < table.clusters(); ++c)
    sum += double{table.weights(probe)[c]} * double{model.count(c)};
  return sum;
}

}  // namespace

std::unique_ptr<ModelBackward> MultipolePart::backward(const BackwardArguments& arguments,
                                                       int threads) const {
  MultipoleModel model{.head = &head_,
                       .far = clusters_->far.get(),
                       .clusters = clusters_->keys.get(),
                       .prior = {clusters_->prior},
                       .segment = head_.num_keys,
                       .prefix_of = [](std::int64_t) { return std::int64_t{1}; },
                       .opened = opened_.get(),
                       .residual = residual_.get(),
                       .all_heavy = all_heavy()};
  MultipoleProbes probes{.head = &head_, .ridge = fit_ridge()};
  if (fit_ridge() > 0) measure_probes(model, probes, threads);
  return std::make_unique<MultipoleBackward>(std::move(model), std::move(probes), arguments,
                                             threads);
}

EntrySets MultipolePart::all_heavy() const {
  EntrySets all = heavy_;
  if (opened_ != nullptr) all.push_back(opened_.get());
  return all;
}

std::span<const std::int32_t> MultipolePart::opened_for(std::int64_t probe) const {
  if (opened_ == nullptr) return {};
  return opened_->opened(probes_.group_of[static_cast<std::size_t>(probe)]);
}

// As fit() does, for the choice that was taken.
void MultipolePart::measure_probes(const MultipoleModel& model, MultipoleProbes& probes,
                                   int threads) const {
  const std::int64_t count = probes_.size(), width = model.width();
  probes.rows = probes_.list();
  probes.heavy = heavy_;
  probes.group = probes_.group_of;
  const ProbeTable table(
      {head_, *model.far, *model.clusters, probes.rows, heavy_, &clusters_->prior, {}}, threads);
  ProbeScratch scratch(head_.head_dim(), head_.value_dim());
  for (std::int64_t i = 0; i < count; ++i) {
    std::vector<double> missed(static_cast<std::size_t>(width), 0.0);
    for (std::int64_t s = 0; s < table.slices(); ++s) add_missed(table, s, i, missed.data());
    const double total = exact_rows_.l[static_cast<std::size_t>(i)];
    std::vector<float> opened(static_cast<std::size_t>(width));
    for (const std::int32_t c : opened_for(i)) {
      table.evaluate(c, {i, i + 1}, opened.data(), scratch);
      for (std::size_t d = 0; d < opened.size(); ++d) missed[d] -= double{opened[d]};
    }
    if (const ClusterShape* shape = model.far->shape())
      take_slopes(table, *shape, i, opened_for(i), missed.data());
    append(missed, 1 / total, probes.missed);
    probes.log2_total.push_back(std::log2(total) + double{table.reference(i)});
  }
}

std::unique_ptr<ModelBackward> CausalMultipole::backward(const BackwardArguments& arguments,
                                                         int threads) const {
  MultipoleModel model{.head = &head_,
                       .far = clusters_->far.get(),
                       .clusters = clusters_->keys.get(),
                       .prior = prior_prefixes(),
                       .segment = options_.chunk,
                       .prefix_of = [this](std::int64_t row) { return prefix_of(row); },
                       .residual = residual_.get(),
                       .all_heavy = heavy_};
  MultipoleProbes probes{.head = &open_head_, .heavy_in_total = false, .ridge = fit_ridge()};
  if (fit_ridge() > 0) measure_probes(model, probes, threads);
  return std::make_unique<MultipoleBackward>(std::move(model), std::move(probes), arguments,
                                             threads);
}

// As fit() does.
void CausalMultipole::measure_probes(const MultipoleModel& model, MultipoleProbes& probes,
                                     int threads) const {
  const auto count = static_cast<std::int64_t>(probes_.size());
  probes.rows = {probes_.data(), 0, count, true};
  probes.heavy = heavy_;
  std::vector<IndexList> segments;
  for (std::int64_t t = 0; t < chunks_; ++t)
    segments.push_back(index_range(t * options_.chunk, (t + 1) * options_.chunk));
  const ProbeTable table(
      {open_head_, *model.far, *model.clusters, probes.rows, heavy_, nullptr, segments}, threads);
  for (std::int64_t i = 0; i < count; ++i) {
    double weight = 0;
    for (std::int64_t t = 0; t < chunks_; ++t) weight += double{table.missed_weight(t, i)};
    const double total = whole_weight(table, model, i, weight);
    for (std::int64_t t = 0; t < chunks_; ++t) {
      std::vector<double> missed(static_cast<std::size_t>(model.width()), 0.0);
      add_missed(table, t, i, missed.data());
      append(missed, 1 / total, probes.missed);
    }
    probes.log2_total.push_back(std::log2(total) + double{table.reference(i)});
  }
}

}  // namespace subquad
