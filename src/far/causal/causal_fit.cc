#include "far/causal/causal_fit.h"

#include <utility>

namespace subquad {

CausalFit::CausalFit(const ProbeTable& table, std::vector<float> counts, double ridge, int threads)
    : probes_(table.probes()),
      clusters_(table.clusters()),
      chunks_(table.slices()),
      width_(table.value_dim() + 1),
      counts_(std::move(counts)),
      totals_(static_cast<std::size_t>(probes_), 0.0),
      fit_(features(table), probes_, threads) {
  if (!fit_.try_ridge(ridge, [] { return 0.0; })) return;
  set_targets(table);
  correction_ = fit_.solve(targets_, chunks_ * width_);
}

// Weights times counts, relative to the totals, which it sets.
std::vector<float> CausalFit::features(const ProbeTable& table) {
  std::vector<float> result;
  for (std::int64_t i = 0; i < probes_; ++i) {
    double& total = totals_[static_cast<std::size_t>(i)];
    const float* weights = table.weights(i);
    for (std::int64_t t = 0; t < chunks_; ++t) total += double{table.missed_weight(t, i)};
    for (std::int64_t c = 0; c < clusters_; ++c)
      total += double{weights[c]} * double{counts_[static_cast<std::size_t>(c)]};
    for (std::int64_t c = 0; c < clusters_; ++c)
      result.push_back(static_cast<float>(double{weights[c]} *
                                          double{counts_[static_cast<std::size_t>(c)]} / total));
  }
  return result;
}

void CausalFit::set_targets(const ProbeTable& table) {
  for (std::int64_t i = 0; i < probes_; ++i) {
    std::vector<double> sum(static_cast<std::size_t>(width_), 0.0);
    for (std::int64_t t = 0; t < chunks_; ++t) {
      const float* values = table.missed_values(t, i);
      for (std::size_t d = 0; d + 1 < sum.size(); ++d) sum[d] += double{values[d]};
      sum.back() += double{table.missed_weight(t, i)};
      for (const double s : sum) targets_.push_back(static_cast<float>(s / total(i)));
    }
  }
}

void CausalFit::missed(std::int64_t probe, std::int64_t prefix, float* plain, float* fitted) const {
  const std::int64_t columns = chunks_ * width_, first = (prefix - 1) * width_;
  const float* features = fit_.features(probe);
  const double free = fit_.free(probe);
  for (std::int64_t d = 0; d < width_; ++d) {
    plain[d] = targets_[static_cast<std::size_t>(probe * columns + first + d)];
    double residual = double{plain[d]};
    for (std::int64_t c = 0; c < clusters_; ++c)
      residual -= double{features[c]} *
                  double{correction_[static_cast<std::size_t>(c * columns + first + d)]};
    fitted[d] = static_cast<float>(residual / free);
  }
}

void CausalFit::add_to(std::vector<std::vector<float>>& prefixes) const {
  const float* correction = correction_.data();
  for (std::int64_t c = 0; c < clusters_; ++c)
    for (std::vector<float>& prefix : prefixes)
      for (std::int64_t d = 0; d < width_; ++d)
        prefix[static_cast<std::size_t>(c * width_ + d)] +=
            *correction++ * counts_[static_cast<std::size_t>(c)];
}

}  // namespace subquad
