// The far field's sums, what leaves them again, and the sets that open it, against plain
// double-precision loops.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "rows/row_block.h"
#include "rows/attend_run.h"
#include "far/clusters/far_clusters.h"
#include "far/clusters/far_field.h"
#include "far/clusters/cluster_entries.h"
#include "far/clusters/opened_set.h"
#include "run/subtract.h"
#include "support/draw.h"
#include "support/isa.h"
#include "support/owned_problem.h"
#include "support/plain_multipole.h"

namespace subquad::testing {
namespace {

constexpr double kLn2 = 0.6931471805599453;

// A head, its clusters by the library and the same in double precision.
struct Scene {
  explicit Scene(const Dimensions& sizes, int order = 0, std::int64_t clusters = 7,
                 std::uint64_t seed = 1)
      : owned(gaussian_problem(sizes, seed)),
        head(split_heads(owned.problem)[0]),
        plain(head),
        built(FarClusters::build(head, {clusters, order, 64, Clustering::tree}, Rng(seed, 0), 1)),
        model(plain, *built->keys, order),
        rows(head.head_dim(), head.value_dim(), head.num_rows()) {
    rows.load(head, index_range(0, head.num_rows()));
  }

  const FarField& far() const { return *built->far; }
  std::int64_t width() const { return head.value_dim() + 1; }

  OwnedProblem owned;
  HeadProblem head;
  PlainTensors plain;
  std::unique_ptr<FarClusters> built;
  PlainFar model;
  RowBlock rows;
};

// Largest difference of the block's sums from sums(row) times e^-reference, relative to `unit`.
template <typename Sums>
double sums_error(Scene& scene, double unit, const Sums& sums) {
  const Partial found = scene.rows.partial();
  double largest = 0;
  for (std::int64_t i = 0; i < scene.head.num_rows(); ++i) {
    const std::vector<double> wanted = sums(i);
    const double scale =
        found.l[i] == 0 ? 0 : std::exp(found.m[i] * kLn2 - scene.model.reference[at(i)]);
    for (std::int64_t d = 0; d < scene.width(); ++d) {
      const double value = d + 1 < scene.width() ? found.o[i * found.o_stride + d] : found.l[i];
      largest = std::max(largest, std::fabs(value * scale - wanted[at(d)]) / unit);
    }
  }
  return largest;
}

std::vector<float> random_coefficients(std::int64_t count) {
  Draw draw(9);
  std::vector<float> values(at(count));
  for (float& value : values) value = static_cast<float>(draw.normal());
  return values;
}

const std::vector<Dimensions> shapes{
    {.queries = 1, .keys = 40, .head_dim = 5, .value_dim = 3},
    {.queries = 48, .keys = 90, .head_dim = 16},
    {.queries = 49, .keys = 61, .head_dim = 33, .value_dim = 7},
    {.queries = 131, .keys = 200, .head_dim = 8, .value_dim = 65},
    {.heads = 3, .queries = 35, .keys = 100, .head_dim = 12, .value_dim = 1}};

TEST(FarField, AddsTheClustersSums) {
  on_every_isa([] {
    for (const Dimensions& shape : shapes)
      for (const int order : {0, 1, 2}) {
        Scene scene(shape, order);
        FarScratch scratch(scene.far().size(), scene.head.value_dim());
        scene.far().add_to(scene.rows.query(0), scene.rows.partial(),
                           {scene.built->prior.data(), scene.width(), scene.far().size()}, scratch);
        const auto estimate = [&](std::int64_t i) { return scene.model.estimate(i); };
        EXPECT_LE(sums_error(scene, static_cast<double>(scene.head.num_keys), estimate), 1e-5)
            << "order " << order << " keys " << shape.keys;
      }
  });
}

// Any coefficients, of any sign, of rows picked by id.
TEST(FarField, AddsAnyCoefficients) {
  Scene scene({.queries = 70, .keys = 90, .head_dim = 9, .value_dim = 6});
  const std::int64_t r = scene.far().size();
  const std::vector<float> rows = random_coefficients(2 * r * scene.width());
  std::vector<std::int32_t> ids;
  for (std::int64_t c = 0; c < r; ++c) ids.push_back(static_cast<std::int32_t>(2 * r - 1 - 2 * c));
  FarScratch scratch(r, scene.head.value_dim());
  scene.far().add_to(scene.rows.query(0), scene.rows.partial(),
                     {rows.data(), scene.width(), r, ids.data()}, scratch);
  const auto sums = [&](std::int64_t i) {
    std::vector<double> sum(at(scene.width()), 0.0);
    for (std::int64_t c = 0; c < r; ++c)
      for (std::int64_t d = 0; d < scene.width(); ++d)
        sum[at(d)] +=
            scene.model.cluster_weight(i, c) * double{rows[at(ids[at(c)] * scene.width() + d)]};
    return sum;
  };
  EXPECT_LE(sums_error(scene, 1, sums), 1e-5);
}

TEST(FarField, TakesChosenClustersOut) {
  for (const int order : {0, 1, 2})
    for (const std::vector<std::int32_t>& chosen :
         {std::vector<std::int32_t>{}, {0}, {2, 3, 6}, {0, 1, 2, 3, 4, 5, 6}}) {
      Scene scene({.queries = 60, .keys = 90, .head_dim = 9, .value_dim = 6}, order);
      FarScratch scratch(scene.far().size(), scene.head.value_dim());
      scene.far().add_to(scene.rows.query(0), scene.rows.partial(),
                         {scene.built->prior.data(), scene.width(), scene.far().size()}, scratch);
      scene.far().subtract_clusters(scene.rows.query(0), scene.rows.partial(), chosen,
                                    scene.built->prior.data());
      const auto sums = [&](std::int64_t i) {
        std::vector<double> sum(at(scene.width()), 0.0);
        for (std::int64_t j = 0; j < scene.head.num_keys; ++j)
          if (std::count(chosen.begin(), chosen.end(), scene.model.cluster_of(j)) == 0)
            scene.model.add_key(scene.model.cluster_weight(i, scene.model.cluster_of(j)), j,
                                sum.data());
        for (std::int32_t c = 0; c < scene.far().size(); ++c)
          if (std::count(chosen.begin(), chosen.end(), c) == 0)
            scene.model.add_slopes(i, c, 1, sum.data());
        return sum;
      };
      EXPECT_LE(sums_error(scene, 90, sums), 2e-6) << "order " << order;
    }
}

TEST(FarField, MergesSumsWithASign) {
  PartialBuffer main(3, 2), far(3, 3);
  const Partial a = main.view(3), b = far.view(3);
  for (const float sign : {1.0F, -1.0F}) {
    for (std::int64_t r = 0; r < 3; ++r) {
      a.m[r] = static_cast<float>(r);
      a.l[r] = 2;
      b.m[r] = 1;
      b.l[r] = 77;  // not used: the last column of o is the sum of weights
      for (std::int64_t d = 0; d < 2; ++d) a.o[r * a.o_stride + d] = 5;
      for (std::int64_t d = 0; d < 3; ++d) b.o[r * b.o_stride + d] = static_cast<float>(d + 1);
    }
    merge_signed(a, b, sign);
    for (std::int64_t r = 0; r < 3; ++r) {
      const double top = std::exp2(a.m[r]), own = std::exp2(r), other = 2.0 * double{sign};
      EXPECT_NEAR(a.l[r] * top, 2 * own + 3 * other, 1e-5);
      for (std::int64_t d = 0; d < 2; ++d)
        EXPECT_NEAR(a.o[r * a.o_stride + d] * top, 5 * own + static_cast<double>(d + 1) * other,
                    1e-5);
    }
  }
}

TEST(FarClusters, HoldSumsAndMeansOfTheirKeys) {
  for (const DType type : {DType::f32, DType::f16, DType::bf16}) {
    const OwnedProblem owned = gaussian_problem(
        {.heads = 4, .kv_heads = 2, .queries = 30, .keys = 111, .head_dim = 7, .value_dim = 4}, 3,
        type);
    for (const HeadProblem& head : split_heads(owned.problem)) {
      const PlainTensors plain(head);
      const auto built = FarClusters::build(head, {9, 0, 0, Clustering::tree}, Rng(3, 0), 1);
      ASSERT_EQ(built->far->size(), 9);
      for (std::int64_t c = 0; c < 9; ++c) {
        const PlainCluster cluster(plain, built->keys->members(c));
        for (std::int64_t d = 0; d < 7; ++d)
          EXPECT_NEAR(built->far->means()[at(c * 7 + d)], cluster.mean[at(d)], 1e-6);
        std::vector<double> sum(5, 0.0);
        const IndexList members = built->keys->members(c);
        for (std::int64_t k = 0; k < members.count; ++k)
          add_scaled(1, plain.value.row(members[k]), 4, sum.data());
        sum[4] = static_cast<double>(members.count);
        for (std::int64_t d = 0; d < 5; ++d)
          EXPECT_NEAR(built->prior[at(c * 5 + d)], sum[at(d)], 1e-5);
      }
    }
  }
}

TEST(FarClusters, AreNoneWhereAKeyOrValueIsNotFinite) {
  for (const bool in_key : {false, true})
    for (const double bad : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
      OwnedProblem owned = gaussian_problem({.queries = 4, .keys = 50, .head_dim = 3}, 1);
      (in_key ? owned.key : owned.value).set(0, 0, 49, 2, bad);
      const HeadProblem head = split_heads(owned.problem)[0];
      EXPECT_EQ(FarClusters::build(head, {9, 0, 0, Clustering::tree}, Rng(3, 0), 1), nullptr);
    }
}

// --- Sets of opened clusters.

Partition partition_of(const std::vector<std::int32_t>& cluster_of) {
  Partition partition;
  partition.cluster_of = cluster_of;
  partition.begin = {0};
  const std::int32_t count = *std::max_element(cluster_of.begin(), cluster_of.end()) + 1;
  for (std::int32_t c = 0; c < count; ++c) {
    for (std::size_t i = 0; i < cluster_of.size(); ++i)
      if (cluster_of[i] == c) partition.ids.push_back(static_cast<std::int32_t>(i));
    partition.begin.push_back(static_cast<std::int64_t>(partition.ids.size()));
  }
  return partition;
}

TEST(OpenedSet, HoldsTheKeysOfTheClustersOpenedForAGroup) {
  const auto keys = std::make_shared<Partition>(partition_of({0, 2, 1, 2, 0, 1, 3, 3}));
  const auto groups = std::make_shared<Partition>(partition_of({1, 0, 0, 2, 1}));
  const std::vector<std::vector<std::int32_t>> opened{{1, 3}, {}, {0, 1, 2, 3}};
  const OpenedSet set(keys, groups, opened);
  ASSERT_EQ(set.row_groups().size(), 3U);
  EXPECT_EQ(set.row_order(), RowOrder::own);
  for (std::int64_t g = 0; g < 3; ++g) {
    const IndexList rows = set.row_groups()[at(g)];
    RunList runs;
    set.add_runs(rows, g, runs);
    ASSERT_EQ(runs.runs().size(), opened[at(g)].empty() ? 0U : 1U);
    EXPECT_EQ(set.opened(g), opened[at(g)]);
    for (std::int64_t r = 0; r < rows.count; ++r) {
      std::vector<int> met(8, 0), removed(8, 0), wanted(8, 0);
      for (const KeyRun& run : runs.runs()) {
        EXPECT_EQ(run.rows.begin, 0);
        EXPECT_EQ(run.rows.end, rows.count);
        for (std::int64_t k = 0; k < run.keys.count; ++k) ++met[at(run.keys[k])];
      }
      std::vector<float> scores(8, 1.0F);
      FilterScratch scratch;
      set.remove(rows.slice(r, 1), index_range(0, 8), scores.data(), 8, scratch);
      for (std::int64_t j = 0; j < 8; ++j) {
        removed[at(j)] = scores[at(j)] == -HUGE_VALF ? 1 : 0;
        wanted[at(j)] = static_cast<int>(
            std::count(opened[at(g)].begin(), opened[at(g)].end(), keys->cluster_of[at(j)]));
        EXPECT_EQ(set.holds(rows[r], j), wanted[at(j)] == 1);
      }
      EXPECT_EQ(met, wanted);
      EXPECT_EQ(removed, wanted);
    }
  }
}

// --- Entries that heavy sets take along.

// Every third entry of a row, from an offset that depends on the row.
class Stripes final : public EntrySet {
 public:
  static bool holds(std::int64_t row, std::int64_t key) { return (row + key) % 3 == 0; }
  void remove(const IndexList& rows, const IndexList& keys, float* scores, std::int64_t stride,
              FilterScratch&) const override {
    for (std::int64_t r = 0; r < rows.count; ++r)
      for (std::int64_t k = 0; k < keys.count; ++k)
        if (holds(rows[r], keys[k]))
          scores[r * stride + k] = -std::numeric_limits<float>::infinity();
  }
};

// Of the run's keys, those that no earlier set has taken and that lie below key_end leave.
void check_implied(int order, bool with_stripes, bool with_end) {
  Scene scene({.queries = 101, .keys = 230, .head_dim = 9, .value_dim = 6}, order);
  std::vector<std::int32_t> ids;
  for (std::int32_t j = 3; j < 200; j += 2) ids.push_back(j);
  std::vector<std::int64_t> ends;
  for (std::int64_t i = 0; i < 101; ++i) ends.push_back(with_end ? 2 * i : 230);
  KeyRun run;
  run.rows = {13, 97};
  run.keys = {ids.data(), 0, static_cast<std::int64_t>(ids.size()), true};
  const Stripes stripes;
  EntrySets taken;
  if (with_stripes) taken.push_back(&stripes);
  TileScratch scratch(9, 6);
  ImpliedSums implied(scene.head, std::make_unique<ClusterEntries>(
                                      scene.far(), *scene.built->keys,
                                      [&](std::int64_t row) { return ends[at(row)]; }));
  subtract_entries(scene.head, run, taken, scene.rows, implied, scratch);
  for (std::int64_t i = 0; i < 101; ++i)
    for (const std::int32_t j : ids)
      scene.model.heavy[at(i * 230 + j)] =
          i >= 13 && i < 97 && j < ends[at(i)] && !(with_stripes && Stripes::holds(i, j)) ? 1 : 0;
  const auto sums = [&](std::int64_t i) {
    std::vector<double> sum(at(scene.width()), 0.0);
    for (std::int64_t j = 0; j < 230; ++j)
      if (scene.model.is_heavy(i, j))
        scene.model.add_key(-scene.model.cluster_weight(i, scene.model.cluster_of(j)), j,
                            sum.data());
    // The slopes of all keys less those of the keys that stay.
    PlainFar none(scene.plain, *scene.built->keys, order);
    for (std::int64_t c = 0; c < scene.far().size(); ++c) {
      none.add_slopes(i, c, -1, sum.data());
      scene.model.add_slopes(i, c, 1, sum.data());
    }
    return sum;
  };
  EXPECT_LE(sums_error(scene, 100, sums), 2e-6);
}

TEST(ImpliedEntries, LeaveWithTheirShareOfTheCluster) {
  for (const int order : {0, 1, 2})
    for (const bool with_stripes : {false, true})
      for (const bool with_end : {false, true}) {
        SCOPED_TRACE(order);
        check_implied(order, with_stripes, with_end);
      }
}

}  // namespace
}  // namespace subquad::testing
