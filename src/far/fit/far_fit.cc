#include "far/fit/far_fit.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <numeric>

#include "core/threads.h"
#include "far/fit/sample_rows.h"

namespace subquad {
FarFit::FarFit(const Input& input, int threads)
    : input_(input),
      threads_(threads),
      width_(input.far.value_dim() + 1),
      fit_(features(input), input.table.probes(), threads),
      probes_of_(ranges_by_group(input.group_of_probe, input.groups.size())),
      opened_(probes_of_.size()) {
  double square = 0;
  for (const float o : input_.exact.out) square += static_cast<double>(o) * o;
  rms_ = std::sqrt(square / static_cast<double>(input.table.probes()));
  set_out_square();
  choose_ridge(input.ridges);
}

void FarFit::set_out_square() {
  const std::int64_t dv = width_ - 1;
  for (std::size_t g = 0; g < probes_of_.size(); ++g) {
    const Range& probes = probes_of_[g];
    if (probes.empty()) continue;
    double square = 0;
    for (std::int64_t at = probes.begin * dv; at < probes.end * dv; ++at) {
      const double o = input_.exact.out[static_cast<std::size_t>(at)];
      square += o * o;
    }
    out_square_ += square / static_cast<double>(probes.end - probes.begin) *
                   static_cast<double>(input_.groups.members(static_cast<std::int64_t>(g)).count);
  }
}

// Weights times counts, relative to the rows' sums of weights.
std::vector<float> FarFit::features(const Input& input) {
  std::vector<float> result;
  for (std::int64_t i = 0; i < input.table.probes(); ++i) {
    const auto scale = static_cast<float>(1 / input.exact.l[static_cast<std::size_t>(i)]);
    for (std::int64_t c = 0; c < input.far.size(); ++c)
      result.push_back(input.table.weights(i)[c] * scale *
                       static_cast<float>(input.clusters.members(c).count));
  }
  return result;
}

// The ridge of least leave-one-out error where nothing is opened.
void FarFit::choose_ridge(std::span<const double> candidates) {
  for (const double candidate : candidates) {
    FarTrial trial;
    const bool kept = fit_.try_ridge(candidate, [&] {
      trial = evaluate_opening(std::numeric_limits<double>::infinity());
      return trial.square;
    });
    if (kept) closed_ = std::move(trial);
  }
}

// Mean over the group's probes, but one (-1: all), of each cluster's missed square, relative to the
// output's; empty where there is no probe.
std::vector<double> FarFit::missed_by(std::int64_t group, std::int64_t without) const {
  const Range& probes = probes_of_[static_cast<std::size_t>(group)];
  const auto count = static_cast<double>(probes.end - probes.begin) - (without >= 0 ? 1 : 0);
  if (count < 1) return {};
  std::vector<double> square(static_cast<std::size_t>(input_.far.size()), 0.0);
  for (std::int64_t i = probes.begin; i < probes.end; ++i) {
    if (i == without) continue;
    const double scale = 1 / (input_.exact.l[static_cast<std::size_t>(i)] * rms_);
    for (std::size_t c = 0; c < square.size(); ++c)
      square[c] +=
          scale * scale / count * input_.table.missed_square(static_cast<std::int64_t>(c), i);
  }
  return square;
}

// Clusters that the group's probes, but one (-1: all), want opened.
std::vector<std::int32_t> FarFit::choose(std::int64_t group, double threshold,
                                         std::int64_t without) const {
  if (!std::isfinite(threshold)) return {};
  return clusters_above(missed_by(group, without), threshold * threshold);
}

std::vector<OpeningLevel> FarFit::levels(std::span<const double> thresholds) {
  input_.table.measure(threads_);
  OpeningLevels levels(thresholds, input_.clusters, std::ssize(input_.groups.ids));
  for (std::int64_t g = 0; g < input_.groups.size(); ++g)
    levels.add(input_.groups.members(g).count, missed_by(g, -1));
  return levels.finish();
}

// Evaluates what is newly opened.
void FarFit::evaluate(std::int64_t group, const std::vector<std::int32_t>& chosen,
                      ProbeScratch& scratch) {
  Opened& opened = opened_[static_cast<std::size_t>(group)];
  const Range& probes = probes_of_[static_cast<std::size_t>(group)];
  for (const std::int32_t c : chosen) {
    if (std::find(opened.clusters.begin(), opened.clusters.end(), c) != opened.clusters.end())
      continue;
    opened.clusters.push_back(c);
    auto& missed =
        opened.missed.emplace_back(static_cast<std::size_t>((probes.end - probes.begin) * width_));
    input_.table.evaluate(c, probes, missed.data(), scratch);
  }
}

// What the clusters left closed miss at a probe, relative to its sum of weights: Dv + 1 numbers.
void FarFit::target(std::int64_t group, std::int64_t probe, const std::vector<std::int32_t>& opened,
                    float* out) const {
  const std::int64_t dv = width_ - 1, r = input_.far.size();
  const Opened& known = opened_[static_cast<std::size_t>(group)];
  const std::int64_t place = probe - probes_of_[static_cast<std::size_t>(group)].begin;
  std::vector<float> sum(static_cast<std::size_t>(dv + 32), 0.0f);
  std::vector<std::uint8_t> skip(static_cast<std::size_t>(r), 0);
  for (const std::int32_t c : opened) skip[static_cast<std::size_t>(c)] = 1;
  for (std::int64_t s = 0; s < input_.table.slices(); ++s) {
    const float* values = input_.table.missed_values(s, probe);
    for (std::int64_t d = 0; d < dv; ++d) sum[static_cast<std::size_t>(d)] += values[d];
  }
  // The model's slopes count as part of what it gives; heavy keys take their share of them along.
  if (const ClusterShape* shape = input_.far.shape()) {
    ClusterShape::Workspace workspace;
    std::vector<float> dipole(sum.size(), 0.0f);
    shape->add_dipole(input_.table.query(probe), 1, input_.table.slope_weights(probe), r,
                      skip.data(), dipole.data(), dv, workspace);
    for (std::size_t d = 0; d < dipole.size(); ++d) sum[d] -= dipole[d];
  }
  float weight = 0;
  for (std::int64_t s = 0; s < input_.table.slices(); ++s)
    weight += input_.table.missed_weight(s, probe);
  sum[static_cast<std::size_t>(dv)] = weight;
  for (std::size_t j = 0; j < known.clusters.size(); ++j) {
    if (skip[static_cast<std::size_t>(known.clusters[j])] == 0) continue;
    const float* missed = known.missed[j].data() + place * width_;
    for (std::int64_t d = 0; d < width_; ++d) sum[static_cast<std::size_t>(d)] -= missed[d];
  }
  const auto scale = static_cast<float>(1 / input_.exact.l[static_cast<std::size_t>(probe)]);
  for (std::int64_t d = 0; d < width_; ++d) out[d] = sum[static_cast<std::size_t>(d)] * scale;
}

FarTrial FarFit::try_opening(double threshold) {
  return std::isfinite(threshold) ? evaluate_opening(threshold) : closed_;
}

FarTrial FarFit::evaluate_opening(double threshold) {
  const std::int64_t p = input_.table.probes(), r = input_.far.size();
  const std::int64_t groups = input_.groups.size();
  if (std::isfinite(threshold)) input_.table.measure(threads_);
  FarTrial trial;
  trial.opened.resize(static_cast<std::size_t>(groups));
  std::vector<float> targets(static_cast<std::size_t>(p * width_)), left(targets.size());
  parallel_workers(threads_, groups, [&] {
    return
        [&, scratch = ProbeScratch(input_.table.head_dim(), width_ - 1)](std::int64_t g) mutable {
          auto& opened = trial.opened[static_cast<std::size_t>(g)];
          opened = choose(g, threshold, -1);
          evaluate(g, opened, scratch);
          const Range& probes = probes_of_[static_cast<std::size_t>(g)];
          for (std::int64_t i = probes.begin; i < probes.end; ++i) {
            target(g, i, opened, targets.data() + i * width_);
            // What would be open without the probe's own word; never more than is.
            std::vector<std::int32_t> without;
            const auto others = choose(g, threshold, i);
            std::set_intersection(opened.begin(), opened.end(), others.begin(), others.end(),
                                  std::back_inserter(without));
            if (without == opened)
              std::copy_n(targets.data() + i * width_, width_, left.data() + i * width_);
            else
              target(g, i, without, left.data() + i * width_);
          }
        };
  });
  for (std::int64_t g = 0; g < groups; ++g) {
    std::int64_t keys = 0;
    for (const std::int32_t c : trial.opened[static_cast<std::size_t>(g)])
      keys += input_.clusters.members(c).count;
    trial.opened_keys += static_cast<double>(keys * input_.groups.members(g).count);
  }
  trial.opened_keys /= static_cast<double>(input_.groups.ids.size());
  trial.correction = fit_.solve(targets, width_);
  trial.fitted = true;
  judge(targets, left, trial);
  for (std::int64_t c = 0; c < r; ++c)
    for (std::int64_t d = 0; d < width_; ++d)
      trial.correction[static_cast<std::size_t>(c * width_ + d)] *=
          static_cast<float>(input_.clusters.members(c).count);
  return trial;
}

// Errors of all rows, from those of the probes: the probes' own as they are; the other rows of a
// group as its probes' by the fit and the choice without them. `left`: what that choice leaves to
// the fit, where the fit had `targets`; trial.correction is still relative to the counts. Without
// the fit where that is better.
void FarFit::judge(const std::vector<float>& targets, const std::vector<float>& left,
                   FarTrial& trial) const {
  const std::vector<float> fitted = fit_.fitted(trial.correction, width_);
  const auto groups = probes_of_.size();
  std::vector<double> with_fit(groups), bare(groups);
  parallel_for(threads_, static_cast<std::int64_t>(groups), [&](std::int64_t g) {
    const auto at = static_cast<std::size_t>(g);
    with_fit[at] = group_square(g, targets, left, fitted.data());
    bare[at] = group_square(g, targets, left, nullptr);
  });
  trial.square = std::accumulate(with_fit.begin(), with_fit.end(), 0.0);
  const double unfitted = std::accumulate(bare.begin(), bare.end(), 0.0);
  trial.fitted = trial.square < unfitted;
  if (!trial.fitted) {
    trial.square = unfitted;
    std::fill(trial.correction.begin(), trial.correction.end(), 0.0f);
  }
  trial.group_error.assign(groups, std::numeric_limits<float>::quiet_NaN());
  for (std::size_t g = 0; g < groups; ++g)
    if (!probes_of_[g].empty())
      trial.group_error[g] = static_cast<float>(std::sqrt(
          (trial.fitted ? with_fit : bare)[g] /
          static_cast<double>(input_.groups.members(static_cast<std::int64_t>(g)).count)));
}

// Sum of |error|_2^2 over a group's rows; fitted == nullptr: without the fit.
double FarFit::group_square(std::int64_t group, const std::vector<float>& targets,
                            const std::vector<float>& left, const float* fitted) const {
  const Range& probes = probes_of_[static_cast<std::size_t>(group)];
  if (probes.empty()) return 0;
  std::vector<float> missed(static_cast<std::size_t>(width_));
  double own = 0, without = 0;
  for (std::int64_t i = probes.begin; i < probes.end; ++i) {
    const float free = fitted == nullptr ? 1.0f : static_cast<float>(fit_.free(i));
    const float *t = targets.data() + i * width_, *more = left.data() + i * width_;
    const auto rest = [&](std::int64_t d) {
      return fitted == nullptr ? t[d] : t[d] - fitted[i * padded_values(width_) + d];
    };
    for (std::int64_t d = 0; d < width_; ++d) missed[static_cast<std::size_t>(d)] = rest(d);
    own +=
        output_error_square(input_.exact.out.data() + i * (width_ - 1), missed.data(), width_ - 1);
    for (std::int64_t d = 0; d < width_; ++d)
      missed[static_cast<std::size_t>(d)] = rest(d) / free + more[d] - t[d];
    without +=
        output_error_square(input_.exact.out.data() + i * (width_ - 1), missed.data(), width_ - 1);
  }
  const auto count = static_cast<double>(probes.end - probes.begin);
  const auto rows = static_cast<double>(input_.groups.members(group).count);
  return own + (rows - count) * without / count;
}

}  // namespace subquad
