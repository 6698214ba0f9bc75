// What the far field misses at probe rows, against plain double-precision loops.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "far/clusters/far_clusters.h"
#include "far/fit/probe_table.h"
#include "support/isa.h"
#include "support/owned_problem.h"
#include "support/plain_multipole.h"

namespace subquad::testing {
namespace {

constexpr double kLn2 = 0.6931471805599453;

// The keys below 5, and every seventh entry.
class Marked final : public EntrySet {
 public:
  static bool holds(std::int64_t row, std::int64_t key) {
    return key < 5 || (3 * row + key) % 7 == 0;
  }
  void remove(const IndexList& rows, const IndexList& keys, float* scores, std::int64_t stride,
              FilterScratch&) const override {
    for (std::int64_t r = 0; r < rows.count; ++r)
      for (std::int64_t k = 0; k < keys.count; ++k)
        if (holds(rows[r], keys[k]))
          scores[r * stride + k] = -std::numeric_limits<float>::infinity();
  }
};

struct Scene {
  Scene(const Dimensions& sizes, int order, bool marked, std::int64_t clusters = 9,
        double spread = 1.0)
      : owned(gaussian_problem(sizes, 4, DType::f32, spread)),
        head(split_heads(owned.problem)[0]),
        plain(head),
        built(FarClusters::build(head, {clusters, order, 64, Clustering::tree}, Rng(4, 0), 1)),
        model(plain, *built->keys, order) {
    for (std::int32_t i = 0; i < head.num_rows(); i += 2) probes.push_back(i);
    if (!marked) return;
    heavy.push_back(&set);
    for (std::int64_t i = 0; i < head.num_rows(); ++i)
      for (std::int64_t j = 0; j < head.num_keys; ++j)
        model.heavy[at(i * head.num_keys + j)] = Marked::holds(i, j) ? 1 : 0;
  }
  ProbeTable table(int threads = 1, const std::vector<IndexList>* segments = nullptr) const {
    const IndexList rows{probes.data(), 0, static_cast<std::int64_t>(probes.size()), true};
    if (segments != nullptr)
      return {{head, *built->far, *built->keys, rows, heavy, nullptr, *segments}, threads};
    return {{head, *built->far, *built->keys, rows, heavy, &built->prior, {}}, threads};
  }
  std::int64_t width() const { return head.value_dim() + 1; }
  // Turns numbers relative to the table's reference into those of the model.
  double factor(const ProbeTable& t, std::int64_t p) const {
    return std::exp(t.reference(p) * kLn2 - model.reference[at(probes[at(p)])]);
  }
  // sum u_k (v_k, 1) over keys that pick(j) names and no set holds.
  template <typename Pick>
  std::vector<double> missed(std::int64_t i, const Pick& pick) const {
    std::vector<double> sum(at(width()), 0.0);
    for (std::int64_t j = 0; j < head.num_keys; ++j)
      if (pick(j) && !model.is_heavy(i, j))
        model.add_key(model.key_weight(i, j) - model.cluster_weight(i, model.cluster_of(j)), j,
                      sum.data());
    return sum;
  }

  OwnedProblem owned;
  HeadProblem head;
  PlainTensors plain;
  std::unique_ptr<FarClusters> built;
  PlainFar model;
  std::vector<std::int32_t> probes;
  Marked set;
  EntrySets heavy;
};

const std::vector<Dimensions> shapes{
    {.queries = 1, .keys = 40, .head_dim = 5, .value_dim = 3},
    {.queries = 70, .keys = 90, .head_dim = 16},
    {.queries = 33, .keys = 700, .head_dim = 33, .value_dim = 7},
    {.heads = 3, .queries = 45, .keys = 100, .head_dim = 12, .value_dim = 65}};

template <typename Check>
void for_scenes(const Check& check) {
  on_every_isa([&] {
    for (const Dimensions& shape : shapes)
      for (const int order : {0, 1, 2})
        for (const bool marked : {false, true}) {
          SCOPED_TRACE(::testing::Message()
                       << "keys " << shape.keys << " order " << order << " marked " << marked);
          check(Scene(shape, order, marked));
        }
  });
}

TEST(ProbeTable, WeighsClusters) {
  for_scenes([](const Scene& scene) {
    const ProbeTable table = scene.table();
    ASSERT_TRUE(table.finite());
    for (std::int64_t p = 0; p < table.probes(); ++p)
      for (std::int64_t c = 0; c < table.clusters(); ++c) {
        const double wanted = scene.model.cluster_weight(scene.probes[at(p)], c);
        EXPECT_NEAR(table.weights(p)[c] * scene.factor(table, p), wanted, 1e-5 * wanted);
      }
  });
}

TEST(ProbeTable, WeighsSlopesByTheKeysThatSetsLeave) {
  for_scenes([](const Scene& scene) {
    const ProbeTable table = scene.table();
    for (std::int64_t p = 0; p < table.probes(); ++p)
      for (std::int64_t c = 0; c < table.clusters(); ++c) {
        const IndexList members = scene.built->keys->members(c);
        std::int64_t left = members.count;
        for (std::int64_t k = 0; k < members.count; ++k)
          left -= scene.model.is_heavy(scene.probes[at(p)], members[k]) ? 1 : 0;
        if (scene.built->far->shape() == nullptr) continue;
        EXPECT_NEAR(
            table.slope_weights(p)[c],
            table.weights(p)[c] * static_cast<float>(left) / static_cast<float>(members.count),
            1e-6F * table.weights(p)[c]);
      }
  });
}

// Slices are runs of whole clusters, and hold all keys between them.
TEST(ProbeTable, SumsWhatIsMissed) {
  for_scenes([](const Scene& scene) {
    const ProbeTable table = scene.table();
    for (std::int64_t p = 0; p < table.probes(); ++p) {
      const auto wanted = scene.missed(scene.probes[at(p)], [](auto) { return true; });
      std::vector<double> found(wanted.size(), 0.0);
      for (std::int64_t s = 0; s < table.slices(); ++s) {
        for (std::int64_t d = 0; d + 1 < scene.width(); ++d)
          found[at(d)] += double{table.missed_values(s, p)[d]} * scene.factor(table, p);
        found.back() += double{table.missed_weight(s, p)} * scene.factor(table, p);
      }
      for (std::size_t d = 0; d < wanted.size(); ++d)
        EXPECT_NEAR(found[d], wanted[d], 2e-6 * static_cast<double>(scene.head.num_keys));
    }
  });
}

TEST(ProbeTable, SumsSegmentsWithoutAPrior) {
  for (const bool marked : {false, true}) {
    const Scene scene({.queries = 41, .keys = 300, .head_dim = 11, .value_dim = 5}, 0, marked);
    const std::vector<IndexList> segments{index_range(0, 17), index_range(17, 18),
                                          index_range(18, 260)};
    const ProbeTable table = scene.table(1, &segments);
    ASSERT_EQ(table.slices(), 3);
    for (std::int64_t p = 0; p < table.probes(); ++p)
      for (std::int64_t s = 0; s < 3; ++s) {
        const IndexList& part = segments[at(s)];
        const auto wanted = scene.missed(scene.probes[at(p)], [&](auto j) {
          return j >= part.first && j < part.first + part.count;
        });
        for (std::int64_t d = 0; d < 5; ++d)
          EXPECT_NEAR(table.missed_values(s, p)[d] * scene.factor(table, p), wanted[at(d)], 5e-4);
        EXPECT_NEAR(table.missed_weight(s, p) * scene.factor(table, p), wanted[5], 5e-4);
      }
  }
}

TEST(ProbeTable, GivesTheModelsSums) {
  for_scenes([](const Scene& scene) {
    const ProbeTable table = scene.table();
    PlainFar all = scene.model;
    std::fill(all.heavy.begin(), all.heavy.end(), 0);
    for (std::int64_t p = 0; p < table.probes(); ++p) {
      const auto wanted = all.estimate(scene.probes[at(p)]);
      for (std::int64_t d = 0; d < scene.width(); ++d)
        EXPECT_NEAR(table.model(p)[d] * scene.factor(table, p), wanted[at(d)],
                    1e-5 * static_cast<double>(scene.head.num_keys));
    }
  });
}

// |sum u_k (v_k - out)|^2 of each cluster, and its sums on demand.
TEST(ProbeTable, MeasuresAndEvaluatesClusters) {
  for_scenes([](const Scene& scene) {
    ProbeTable table = scene.table();
    table.measure(2);
    ProbeScratch scratch(table.head_dim(), table.value_dim());
    const Range part{table.probes() / 3, table.probes()};
    std::vector<float> found(at((part.end - part.begin) * scene.width()));
    const auto unit = static_cast<double>(scene.head.num_keys);
    for (std::int64_t c = 0; c < table.clusters(); ++c) {
      table.evaluate(c, part, found.data(), scratch);
      for (std::int64_t p = part.begin; p < part.end; ++p) {
        const double factor = scene.factor(table, p);
        const auto wanted = scene.missed(scene.probes[at(p)],
                                         [&](auto j) { return scene.model.cluster_of(j) == c; });
        double square = 0;
        for (std::int64_t d = 0; d < scene.width(); ++d) {
          EXPECT_NEAR(found[at((p - part.begin) * scene.width() + d)] * factor, wanted[at(d)],
                      2e-6 * unit);
          const double out = double{table.model(p)[d]} / double{table.model(p)[scene.width() - 1]};
          if (d + 1 < scene.width()) square += std::pow(wanted[at(d)] - out * wanted.back(), 2);
        }
        EXPECT_NEAR(std::sqrt(double{table.missed_square(c, p)}) * factor, std::sqrt(square),
                    5e-6 * unit);
      }
    }
  });
}

// Exact sums over all keys, heavy or not.
TEST(ProbeTable, EvaluatesProbeRows) {
  for_scenes([](const Scene& scene) {
    const ProbeTable table = scene.table();
    const ProbeRows rows =
        evaluate_probes(scene.head, {scene.probes.data(), 0, table.probes(), true}, table, 1);
    for (std::int64_t p = 0; p < table.probes(); ++p) {
      const auto wanted = scene.model.exact(scene.probes[at(p)]);
      EXPECT_NEAR(rows.l[at(p)] * scene.factor(table, p), wanted.back(), 1e-5 * wanted.back());
      for (std::int64_t d = 0; d + 1 < scene.width(); ++d)
        EXPECT_NEAR(rows.out[at(p * (scene.width() - 1) + d)], wanted[at(d)] / wanted.back(), 1e-5);
    }
  });
}

TEST(ProbeTable, ThreadsGiveTheSameBits) {
  const Scene scene({.queries = 90, .keys = 900, .head_dim = 24, .value_dim = 9}, 2, true, 40);
  ProbeTable one = scene.table(1);
  one.measure(1);
  for (const int threads : {2, 3, 7}) {
    ProbeTable other = scene.table(threads);
    other.measure(threads);
    for (std::int64_t p = 0; p < one.probes(); ++p) {
      for (std::int64_t s = 0; s < one.slices(); ++s) {
        ASSERT_TRUE(std::equal(one.missed_values(s, p), one.missed_values(s, p) + 9,
                               other.missed_values(s, p)));
        ASSERT_EQ(one.missed_weight(s, p), other.missed_weight(s, p));
      }
      for (std::int64_t c = 0; c < one.clusters(); ++c)
        ASSERT_EQ(one.missed_square(c, p), other.missed_square(c, p));
    }
  }
}

// A weight that f32 cannot hold is told, not passed on.
TEST(ProbeTable, TellsWhenAWeightOverflows) {
  const Scene fine({.queries = 20, .keys = 60, .head_dim = 8}, 0, false, 2);
  EXPECT_TRUE(fine.table().finite());
  const Scene wild({.queries = 20, .keys = 60, .head_dim = 8}, 0, false, 2, 30.0);
  EXPECT_FALSE(wild.table().finite());
}

}  // namespace
}  // namespace subquad::testing
