#include "kernel_sums/far_model.h"

#include <limits>
#include <utility>

namespace subquad {

FarModels::FarModels(const KernelHead& head, const SampleRows& probes,
                     const KernelFarOptions& options, const Rng& rng, int threads)
    : head_(head),
      probes_(probes),
      options_(options),
      rng_(rng),
      threads_(threads),
      exact_(sum_at(head, probes, {head.keys.data(), head.values.data()}, head.num_keys, threads)),
      entries_(probes.size() * head.num_keys) {}

FarModel FarModels::fit(KernelClusters clusters) {
  FarModel model;
  model.clusters = std::make_unique<KernelClusters>(std::move(clusters));
  const KernelClusters& c = *model.clusters;
  if (probes_.size() == 0) {
    model.corrected = {std::vector<float>(c.sums.size()), std::numeric_limits<double>::quiet_NaN()};
    return model;
  }
  model.residual = sum_at(head_, probes_, c.with(c.sums), c.size(), threads_);
  for (std::size_t i = 0; i < exact_.size(); ++i) model.residual[i] = exact_[i] - model.residual[i];
  model.fit = std::make_unique<KernelFit>(c, weigh_at(head_, probes_, c, threads_), exact_,
                                          head_.channels, threads_);
  model.fit->choose_ridge(options_.ridge, model.residual);
  model.corrected = model.fit->correct(model.residual);
  entries_ += 2 * probes_.size() * c.size();
  return model;
}

FarModel FarModels::build(std::int64_t count) {
  KernelClusters clusters =
      KernelClusters::build(head_, count, options_.clustering, rng_, threads_);
  if (options_.order == FarOrder::zero) return fit(std::move(clusters));
  KernelClusters wide = clusters;
  wide.measure_spread(head_, threads_);
  FarModel model = fit(std::move(wide));
  if (options_.order == FarOrder::two || probes_.size() == 0) return model;
  FarModel narrow = fit(std::move(clusters));
  return narrow.corrected.error < model.corrected.error ? std::move(narrow) : std::move(model);
}

}  // namespace subquad
