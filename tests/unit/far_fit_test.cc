// The fit of the far field to its probes, what it says of its own error, and the choice of clusters
// to open, against plain double-precision loops that solve again without each probe.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "far/clusters/far_clusters.h"
#include "far/fit/far_fit.h"
#include "support/owned_problem.h"
#include "support/plain_multipole.h"

namespace subquad::testing {
namespace {

constexpr double kNothing = std::numeric_limits<double>::infinity();
constexpr double kLambda = 1e-2, kRidges[] = {kLambda};
constexpr std::int64_t kGroups = 3;

// Row i belongs to group i % 3; every second row of the first two groups is a probe.
struct Scene {
  explicit Scene(int order, std::uint64_t seed)
      : owned(gaussian_problem({.queries = 90, .keys = 140, .head_dim = 6, .value_dim = 4}, seed)),
        head(split_heads(owned.problem)[0]),
        plain(head),
        built(FarClusters::build(head, {8, order, 64, Clustering::tree}, Rng(seed, 0), 1)),
        model(plain, *built->keys, order) {
    groups.begin = {0};
    for (std::int32_t g = 0; g < kGroups; ++g) {
      for (std::int32_t i = g; i < 90; i += static_cast<std::int32_t>(kGroups)) {
        groups.ids.push_back(i);
        if (g == 2 || i % 2 == 1) continue;
        probes.push_back(i);
        group_of_probe.push_back(g);
      }
      groups.begin.push_back(static_cast<std::int64_t>(groups.ids.size()));
    }
    for (std::int32_t i = 0; i < 90; ++i)
      groups.cluster_of.push_back(i % static_cast<std::int32_t>(kGroups));
    const IndexList rows{probes.data(), 0, static_cast<std::int64_t>(probes.size())};
    table = std::make_unique<ProbeTable>(
        ProbeInput{head, *built->far, *built->keys, rows, heavy, &built->prior, {}}, 1);
    exact = evaluate_probes(head, rows, *table, 1);
  }
  FarFit fit(int threads = 1) const {
    return FarFit(
        {*built->far, *table, *built->keys, groups, built->prior, group_of_probe, exact, kRidges},
        threads);
  }
  std::int64_t width() const { return head.value_dim() + 1; }
  void open(const std::vector<std::vector<std::int32_t>>& opened) {
    std::fill(model.opened.begin(), model.opened.end(), 0);
    for (std::int64_t i = 0; i < 90; ++i)
      for (const std::int32_t c : opened[at(i % kGroups)]) model.opened[at(i * 8 + c)] = 1;
  }

  OwnedProblem owned;
  HeadProblem head;
  PlainTensors plain;
  std::unique_ptr<FarClusters> built;
  PlainFar model;
  EntrySets heavy;
  Partition groups;
  std::vector<std::int32_t> probes, group_of_probe;
  std::unique_ptr<ProbeTable> table;
  ProbeRows exact;
};

void expect_correction(const Scene& scene, const FarTrial& trial) {
  for (std::int64_t c = 0; c < 8; ++c)
    for (std::int64_t d = 0; d < scene.width(); ++d) {
      const double wanted = scene.model.correction.row(c)[d];
      EXPECT_NEAR(trial.correction[at(c * scene.width() + d)], wanted,
                  1e-3 + 1e-3 * std::fabs(wanted));
    }
}

TEST(FarFit, CorrectsTheCoefficientsByRidge) {
  for (const int order : {0, 1, 2})
    for (const std::uint64_t seed : {1U, 2U, 3U}) {
      Scene scene(order, seed);
      FarFit fit = scene.fit();
      ASSERT_TRUE(fit.ok());
      const FarTrial trial = fit.try_opening(kNothing);
      scene.model.fit(scene.probes, kLambda);
      expect_correction(scene, trial);
      EXPECT_EQ(trial.opened_keys, 0);
    }
}

// |error|^2 of an output whose sums miss `missed`, relative to the row's sum of weights.
double error_square(const PlainFar& model, std::int64_t row, const std::vector<double>& missed) {
  const std::vector<double> exact = model.exact(row);
  double square = 0;
  for (std::size_t d = 0; d + 1 < missed.size(); ++d)
    square += std::pow(
        (missed[d] - exact[d] / exact.back() * missed.back()) / std::max(0.05, 1 - missed.back()),
        2);
  return square;
}

// The probes' own errors, and those that they have under the fit without each (the same ridge), for
// all other rows of their groups.
TEST(FarFit, EstimatesItsErrorByLeavingProbesOut) {
  for (const int order : {0, 2}) {
    Scene scene(order, 5);
    FarFit fit = scene.fit();
    const FarTrial trial = fit.try_opening(kNothing);
    const Table f = scene.model.features(scene.probes), t = scene.model.targets(scene.probes);
    double trace = 0;
    for (const double value : f.values) trace += value * value;
    const double mu = kLambda * trace / static_cast<double>(f.columns);
    const auto missed = [&](std::int64_t p, const Table& c) {
      std::vector<double> rest(t.row(p), t.row(p) + t.columns);
      for (std::int64_t j = 0; j < f.columns; ++j)
        add_scaled(-f.row(p)[j], c.row(j), t.columns, rest.data());
      return error_square(scene.model, scene.probes[at(p)], rest);
    };
    const Table whole = plain_ridge(f, t, 0, mu);
    double own[2] = {0, 0}, without[2] = {0, 0}, count[2] = {0, 0};
    for (std::int64_t p = 0; p < f.rows; ++p) {
      Table fewer = f, targets = t;
      std::fill_n(fewer.row(p), f.columns, 0.0);
      std::fill_n(targets.row(p), t.columns, 0.0);
      const std::int32_t g = scene.group_of_probe[at(p)];
      own[g] += missed(p, whole);
      without[g] += missed(p, plain_ridge(fewer, targets, 0, mu));
      count[g] += 1;
    }
    double all = 0;
    for (std::size_t g = 0; g < 2; ++g) {
      const double square = own[g] + (30 - count[g]) * without[g] / count[g];
      EXPECT_NEAR(trial.group_error[g], std::sqrt(square / 30), 1e-3 * std::sqrt(square / 30));
      all += square;
    }
    EXPECT_TRUE(std::isnan(trial.group_error[2]));  // no probes, no estimate
    EXPECT_NEAR(trial.square, all, 2e-3 * all);
  }
}

// What cluster c misses at the group's probes: rms of |sum u (v - out)| over rms of |out|.
double missed_share(const Scene& scene, std::int64_t group, std::int64_t c) {
  double missed = 0, size = 0, count = 0;
  for (std::size_t p = 0; p < scene.probes.size(); ++p) {
    const std::vector<double> exact = scene.model.exact(scene.probes[p]);
    for (std::size_t d = 0; d + 1 < exact.size(); ++d)
      size += std::pow(exact[d] / exact.back(), 2) / static_cast<double>(scene.probes.size());
    if (scene.group_of_probe[p] != group) continue;
    count += 1;
    const std::vector<double> model = scene.model.estimate(scene.probes[p]);
    std::vector<double> sums(exact.size(), 0.0);
    for (std::int64_t j = 0; j < scene.head.num_keys; ++j)
      if (scene.model.cluster_of(j) == c)
        scene.model.add_key(scene.model.key_weight(scene.probes[p], j) -
                                scene.model.cluster_weight(scene.probes[p], c),
                            j, sums.data());
    for (std::size_t d = 0; d + 1 < exact.size(); ++d)
      missed += std::pow((sums[d] - model[d] / model.back() * sums.back()) / exact.back(), 2);
  }
  return count == 0 ? 0 : std::sqrt(missed / count / size);
}

TEST(FarFit, OpensWhatMissesMoreThanTheThreshold) {
  for (const std::uint64_t seed : {7U, 8U}) {
    Scene scene(0, seed);
    FarFit fit = scene.fit();
    for (const double threshold : {1.0, 0.3, 0.2, 0.1, 0.03}) {
      const FarTrial trial = fit.try_opening(threshold);
      double keys = 0;
      for (std::int64_t g = 0; g < kGroups; ++g)
        for (std::int32_t c = 0; c < 8; ++c) {
          const bool opened =
              std::count(trial.opened[at(g)].begin(), trial.opened[at(g)].end(), c) > 0;
          const double share = missed_share(scene, g, c);
          if (std::fabs(share - threshold) > 1e-3 * threshold) {
            EXPECT_EQ(opened, share > threshold);
          }
          keys += opened ? static_cast<double>(scene.built->keys->members(c).count) : 0;
        }
      EXPECT_NEAR(trial.opened_keys, keys / kGroups, 1e-9);
      scene.open(trial.opened);
      scene.model.fit(scene.probes, kLambda);
      expect_correction(scene, trial);
      scene.open(std::vector<std::vector<std::int32_t>>(kGroups));
      scene.model.correction = Table(8, scene.width());
    }
  }
}

// Levels say what trials open, without the trial.
TEST(FarFit, LevelsForeseeWhatIsOpened) {
  const std::vector<double> thresholds{1.0, 0.3, 0.2, 0.1, 0.03, 1e-9};
  Scene scene(0, 7);
  FarFit fit = scene.fit();
  const std::vector<OpeningLevel> levels = fit.levels(thresholds);
  ASSERT_EQ(levels.size(), thresholds.size());
  double left = 1, keys = 0;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    EXPECT_EQ(levels[i].threshold, thresholds[i]);
    EXPECT_NEAR(levels[i].keys, fit.try_opening(thresholds[i]).opened_keys, 1e-9);
    EXPECT_LE(levels[i].left, left);
    EXPECT_GE(levels[i].keys, keys);
    left = levels[i].left;
    keys = levels[i].keys;
  }
  EXPECT_NEAR(left, 0, 1e-12);
  // The share that stays closed, from the plain model.
  double all = 0, closed = 0;
  for (std::int64_t g = 0; g < kGroups; ++g)
    for (std::int32_t c = 0; c < 8; ++c) {
      const double share = missed_share(scene, g, c);
      all += share * share;
      closed += share > thresholds[2] ? 0 : share * share;
    }
  EXPECT_NEAR(levels[2].left, closed / all, 1e-4);
}

// A trial does not depend on those before it, nor on threads.
TEST(FarFit, TrialsAreIndependent) {
  const Scene scene(1, 9);
  FarFit many = scene.fit(3);
  for (const double threshold : {0.5, 0.02, 0.1, kNothing, 0.02}) {
    FarFit one = scene.fit(1);
    const FarTrial a = many.try_opening(threshold), b = one.try_opening(threshold);
    EXPECT_EQ(a.opened, b.opened);
    EXPECT_EQ(a.correction, b.correction);
    EXPECT_EQ(a.square, b.square);
  }
}

}  // namespace
}  // namespace subquad::testing
