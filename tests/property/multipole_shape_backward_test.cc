// The derivative of orders 1 and 2 against central differences of their definition in double
// precision (plain_multipole.h). Held fixed, beside the other choices: the directions that a low
// rank keeps of each cluster.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/pack.h"
#include "far/moments/cluster_moments.h"
#include "support/seeds.h"
#include "support/gradient_differences.h"
#include "support/isa.h"
#include "support/multipole_model.h"
#include "support/random_problem.h"

namespace subquad::testing {
namespace {

// The projector on the span of the rows, orthogonal in the metric.
Table projector(const SmallMatrix& rows, const Table& metric) {
  const std::int64_t dim = metric.rows;
  Table result(dim, dim);
  std::vector<std::vector<double>> basis;
  const auto inner = [&](const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::int64_t j = 0; j < dim; ++j) sum += a[at(j)] * dot(metric.row(j), b.data(), dim);
    return sum;
  };
  for (std::int64_t a = 0; a < rows.rows(); ++a) {
    std::vector<double> row(rows.row(a), rows.row(a) + dim);
    const double before = inner(row, row);
    for (int pass = 0; pass < 2; ++pass)
      for (const auto& e : basis) add_scaled(-inner(row, e), e.data(), dim, row.data());
    const double left = inner(row, row);
    if (left <= 1e-9 * before || left == 0) continue;
    for (double& x : row) x /= std::sqrt(left);
    basis.push_back(row);
    for (std::int64_t i = 0; i < dim; ++i)
      for (std::int64_t j = 0; j < dim; ++j)
        result.row(i)[j] += row[at(i)] * dot(metric.row(j), row.data(), dim);
  }
  return result;
}

Table identity(std::int64_t n) {
  Table result(n, n);
  for (std::int64_t i = 0; i < n; ++i) result.row(i)[i] = 1;
  return result;
}

// The queries' second moment, of trace dim.
Table query_metric(const PlainTensors& plain) {
  Table metric(plain.dim, plain.dim);
  double trace = 0;
  for (std::int64_t i = 0; i < plain.rows; ++i) {
    const double* q = plain.query.row(i);
    for (std::int64_t a = 0; a < plain.dim; ++a) add_scaled(q[a], q, plain.dim, metric.row(a));
    trace += dot(q, q, plain.dim);
  }
  for (double& m : metric.values) m *= static_cast<double>(plain.dim) / trace;
  return metric;
}

std::vector<float> dense(const kernels::RowSource& source) {
  std::vector<float> rows(at(source.count * source.width));
  kernels::load_rows(source, 1.0F, rows.data(), source.width, source.width);
  return rows;
}

// What the forward keeps of each cluster of the head.
std::vector<PlainKept> kept_directions(const HeadProblem& head, const PlainPlan& plan) {
  const ClusterShape& shape = *plan.clusters->far->shape();
  const std::int64_t dim = head.head_dim();
  const std::vector<float> keys = dense(head.keys()), values = dense(head.values());
  const MomentInput input{keys.data(),
                          values.data(),
                          plan.clusters->keys.get(),
                          plan.clusters->far->means().data(),
                          dim,
                          head.value_dim(),
                          shape.rank(),
                          shape.quadratic_rank(),
                          shape.order()};
  MomentBuilder builder(input, shape.metric());
  const Table metric = query_metric(plan.tensors);
  std::vector<PlainKept> kept;
  for (std::int64_t c = 0; c < plan.clusters->keys->size(); ++c) {
    const ClusterMoments& moments = builder.build(c);
    const bool whole = shape.rank() >= std::min(dim, plan.clusters->keys->members(c).count);
    kept.push_back({metric, whole ? identity(dim) : projector(moments.quadratic, metric),
                    whole ? identity(dim) : projector(moments.dipole, metric)});
  }
  return kept;
}

// A head's forward with everything held fixed but its tensors.
struct Held {
  Held(const HeadProblem& head_in, const std::string& spec)
      : head(head_in), plan(head, spec, kSeed, false), kept(kept_directions(head, plan)) {
    const Method method = parse_method(spec);
    HeadPlan whole(head, method, kSeed, 1);
    whole.finish(head);
    EXPECT_FALSE(whole.wants_exact());
    const auto* part = dynamic_cast<const MultipolePart*>(whole.light().model.get());
    ridge = part->fit_ridge();
    if (ridge > 0) probes = drawn_probes(row_groups(whole), plan.options.fit, plan.rng);
  }

  const HeadProblem& head;
  PlainPlan plan;
  std::vector<PlainKept> kept;
  std::vector<std::int32_t> probes;
  double ridge = 0;
};

struct Forward {
  Forward(const Held& held_in, const PlainTensors& plain)
      : held(held_in),
        far(std::make_unique<PlainFar>(plain, held.plan.far.clusters(),
                                       held.plan.options.shape.order, held.kept)) {
    far->heavy = held.plan.far.heavy;
    far->opened = held.plan.far.opened;
    if (!held.probes.empty()) far->fit(held.probes, held.ridge);
  }
  PlainRow operator()(std::int64_t i) const {
    std::vector<double> sums = far->estimate(i);
    const std::vector<std::int32_t>& keys = held.plan.sampled[at(i)];
    for (const std::int32_t j : keys)
      far->add_residual(i, j,
                        static_cast<double>(far->head().keys) / static_cast<double>(keys.size()),
                        sums.data());
    return finish_row(held.head, i, sums, far->reference[at(i)]);
  }

  const Held& held;
  std::unique_ptr<PlainFar> far;
};

void expect_differences(const Problem& problem, const std::string& spec, const Upstream& upstream,
                        std::uint64_t entries = 60, double tolerance = 2e-5) {
  SCOPED_TRACE(spec);
  const MethodCase setup{problem, spec, upstream};
  ASSERT_EQ(forward_of(setup).report.fallback_rows, 0);
  const double error =
      largest_error(setup, Seeds(0, entries).count(), [&](const HeadProblem& head) {
        return [held = std::make_shared<Held>(head, spec)](const PlainTensors& plain) {
          return Forward(*held, plain);
        };
      });
  EXPECT_LE(error, tolerance);
}

struct Scene {
  explicit Scene(std::uint64_t seed, double scale = 1.0)
      : owned(gaussian_problem({.queries = 50, .keys = 60, .head_dim = 5, .value_dim = 3}, seed,
                               DType::f32, scale)),
        upstream(random_upstream(owned.problem, seed + 1, DType::f32)) {}
  OwnedProblem owned;
  Upstream upstream;
};

const std::vector<std::string> heavy_parts{"", "window(9)+", "sortlsh(block=16,bits=4)+sink(3)+"};

TEST(MultipoleShapeBackward, SlopesOfFullRank) {
  const Scene scene(51);
  for (const std::string& heavy : heavy_parts)
    expect_differences(scene.owned.problem, heavy + "multipole(clusters=7,fit=0,order=1,rank=9)",
                       scene.upstream);
}

TEST(MultipoleShapeBackward, SpreadsOfFullRank) {
  const Scene scene(53);
  for (const std::string& heavy : heavy_parts)
    expect_differences(scene.owned.problem, heavy + "multipole(clusters=7,fit=0,order=2,rank=9)",
                       scene.upstream);
}

TEST(MultipoleShapeBackward, LowRank) {
  const Scene scene(55);
  for (const std::string rank : {"0", "1", "2", "4"})
    for (const std::string order : {"1", "2"})
      for (const std::string& heavy : heavy_parts)
        expect_differences(
            scene.owned.problem,
            heavy + "multipole(clusters=7,fit=0,order=" + order + ",rank=" + rank + ")",
            scene.upstream);
}

// Clusters of fewer keys than the rank, beside others.
TEST(MultipoleShapeBackward, SmallClusters) {
  const Scene scene(57);
  for (const std::string rest : {"clusters=20,rank=3)", "clusters=13,rank=4)", "clusters=9,rank=5)",
                                 "clusters=13,rank=2)", "clusters=60,rank=1)"})
    for (const std::string order : {"1", "2"})
      expect_differences(scene.owned.problem,
                         "window(9)+multipole(fit=0,order=" + order + "," + rest, scene.upstream);
}

// More than a chunk of 512 directions.
TEST(MultipoleShapeBackward, ManyClusters) {
  const OwnedProblem owned =
      gaussian_problem({.queries = 20, .keys = 210, .head_dim = 9, .value_dim = 3}, 59);
  const Upstream upstream = random_upstream(owned.problem, 60, DType::f32);
  on_every_isa([&] {
    for (const std::string order : {"1", "2"})
      for (const std::string rank : {"8", "9"})
        expect_differences(owned.problem,
                           "multipole(clusters=90,fit=0,order=" + order + ",rank=" + rank + ")",
                           upstream, 8);
  });
}

// Where the spread says more than any key can have, the cap counts.
TEST(MultipoleShapeBackward, CappedSpreads) {
  Scene scene(61);
  scene.owned.problem.scale = 4.0F;
  const std::string spec = "multipole(clusters=7,fit=0,order=2,rank=";
  for (const std::string rank : {"2)", "9)"})
    expect_differences(scene.owned.problem, spec + rank, scene.upstream, 100);
  const HeadProblem head = split_heads(scene.owned.problem)[0];
  const PlainPlan plan(head, spec + "9)", kSeed, false);
  std::int64_t capped = 0, all = 0;
  for (std::int64_t c = 0; c < 7; ++c) {
    const PlainCluster cluster(plan.tensors, plan.clusters->keys->members(c));
    for (std::int64_t i = 0; i < plan.tensors.rows; ++i, ++all) {
      const double* q = plan.tensors.query.row(i);
      const double beyond = cluster.logit(q, 2) - cluster.logit(q, 1);
      const double cap = std::sqrt(dot(q, q, 5)) * cluster.radius;
      capped += beyond > 0.999999 * cap ? 1 : 0;
    }
  }
  EXPECT_GT(capped, all / 20);
  EXPECT_LT(capped, all / 2);
}

TEST(MultipoleShapeBackward, ThroughTheFit) {
  const Scene scene(63);
  const HeadProblem head = split_heads(scene.owned.problem)[0];
  for (const std::string& heavy : heavy_parts)
    for (const std::string shape :
         {"clusters=7,order=1,rank=9,", "clusters=7,order=1,rank=2,", "clusters=7,order=2,rank=9,",
          "clusters=7,order=2,rank=2,", "clusters=20,order=2,rank=3,"}) {
      const std::string spec = heavy + "multipole(" + shape + "fit=50,ridge=0.1)";
      EXPECT_GT(Held(head, spec).ridge, 0) << spec;
      expect_differences(scene.owned.problem, spec, scene.upstream, 24);
    }
}

TEST(MultipoleShapeBackward, OpenedClusters) {
  const Scene scene(65, 1.3);
  const HeadProblem head = split_heads(scene.owned.problem)[0];
  int fitted = 0;
  for (const std::string order : {"order=1,", "order=2,"})
    for (const std::string rank : {"rank=9)", "rank=2)"})
      for (const std::string& heavy : heavy_parts) {
        const std::string spec =
            heavy + "multipole(clusters=9,fit=40,ridge=0.01,open=0.05,group=8," + order + rank;
        const Held held(head, spec);
        const auto& opened = held.plan.far.opened;
        EXPECT_GT(std::count(opened.begin(), opened.end(), 1), 20) << spec;
        EXPECT_GT(std::count(opened.begin(), opened.end(), 0), 20) << spec;
        fitted += held.ridge > 0 ? 1 : 0;
        expect_differences(scene.owned.problem, spec, scene.upstream, 24);
      }
  EXPECT_GT(fitted, 5);
}

TEST(MultipoleShapeBackward, WithASampleOfTheResidual) {
  const Scene scene(67, 1.2);
  for (const std::string& heavy : heavy_parts)
    for (const std::string rest :
         {"rank=9,residual=25)", "rank=2,residual=25)", "rank=9,residual=60)",
          "rank=9,fit=30,open=0.1,group=16,residual=40)"})
      expect_differences(scene.owned.problem, heavy + "multipole(clusters=7,order=1," + rest,
                         scene.upstream, 40);
}

// Slopes and spreads of equal keys are 0; the slopes' derivative is not.
TEST(MultipoleShapeBackward, EqualKeys) {
  Scene scene(69);
  scene.owned.key.for_each([&](auto b, auto h, auto j, auto c) {
    scene.owned.key.set(b, h, j, c, scene.owned.key.get(b, h, 0, c));
  });
  for (const std::string rest : {"clusters=7,order=1,", "clusters=20,order=1,",
                                 "clusters=7,order=2,", "clusters=20,order=2,"})
    expect_differences(scene.owned.problem, "multipole(fit=0," + rest + "rank=9)", scene.upstream);
}

// Keys in a plane: S and X are singular, whole or of the rank that the plane has.
TEST(MultipoleShapeBackward, KeysInAPlane) {
  Scene scene(81);
  TensorBuffer& key = scene.owned.key;
  key.for_each([&](auto b, auto h, auto j, auto c) {
    const double factor = static_cast<double>(c);
    if (c > 1) key.set(b, h, j, c, key.get(b, h, j, 0) - factor * key.get(b, h, j, 1));
  });
  for (const std::string rank : {"2)", "9)"})
    for (const std::string order : {"1,", "2,"})
      expect_differences(scene.owned.problem,
                         "multipole(clusters=7,fit=0,order=" + order + "rank=" + rank,
                         scene.upstream);
}

TEST(MultipoleShapeBackward, HeadsAndBatches) {
  OwnedProblem owned = gaussian_problem({.batch = 2,
                                         .heads = 4,
                                         .kv_heads = 2,
                                         .queries = 25,
                                         .keys = 40,
                                         .head_dim = 8,
                                         .value_dim = 5},
                                        71, DType::bf16);
  owned.sink_logits = {0.3F, -0.5F, 1.5F, 2.0F};
  owned.problem.sink_logits = owned.sink_logits;
  const Upstream upstream = random_upstream(owned.problem, 72, DType::f32);
  for (const std::string order : {"1", "2"})
    expect_differences(owned.problem,
                       "window(5)+multipole(clusters=5,fit=0,rank=3,order=" + order + ")", upstream,
                       10);
}

TEST(MultipoleShapeBackward, AClusterForEachKeyIsExact) {
  const OwnedProblem owned = gaussian_problem(
      {.heads = 4, .kv_heads = 2, .queries = 90, .keys = 200, .head_dim = 12, .value_dim = 7}, 73);
  const Upstream upstream = random_upstream(owned.problem, 74, DType::f32);
  const BackwardRun exact = backward_of({owned.problem, "exact", upstream});
  for (const std::string heavy : {"", "window(20)+"})
    for (const std::string rest : {"order=1,fit=0)", "order=2,fit=0)", "order=1,fit=40)",
                                   "order=2,fit=40)", "order=1,residual=50)"}) {
      const std::string spec = heavy + "multipole(clusters=200,ridge=0.001," + rest;
      SCOPED_TRACE(spec);
      const BackwardRun run = backward_of({owned.problem, spec, upstream});
      EXPECT_LE(distance(run.query, exact.query), 1e-5);
      EXPECT_LE(distance(run.key, exact.key), 1e-5);
      EXPECT_LE(distance(run.value, exact.value), 1e-5);
    }
}

bool all_finite(const TensorBuffer& tensor) {
  bool finite = true;
  tensor.for_each([&](auto b, auto h, auto i, auto c) {
    finite = finite && std::isfinite(tensor.get(b, h, i, c));
  });
  return finite;
}

TEST(MultipoleShapeBackward, HugeScoresStayFinite) {
  for (const double size : {1e2, 1e4})
    for (const float scale : {1.0F, 1e3F}) {
      OwnedProblem owned = gaussian_problem({.queries = 120, .keys = 260, .head_dim = 8}, 75);
      owned.key.for_each([&](auto b, auto h, auto j, auto c) {
        owned.key.set(b, h, j, c, size * owned.key.get(b, h, j, c));
      });
      owned.problem.scale = scale;
      const Upstream upstream = random_upstream(owned.problem, 76, DType::f32);
      for (const std::string spec :
           {"multipole(clusters=9,fit=0,order=1)", "multipole(clusters=9,fit=0,order=2)",
            "window(3)+multipole(clusters=60,fit=0,order=2,rank=2)"}) {
        SCOPED_TRACE(spec);
        const BackwardRun run = backward_of({owned.problem, spec, upstream});
        EXPECT_TRUE(all_finite(run.query) && all_finite(run.key) && all_finite(run.value));
      }
    }
}

const std::vector<std::string> long_specs{
    "multipole(clusters=20,fit=0,order=1,rank=3)",
    "window(30)+multipole(clusters=20,fit=150,ridge=0.001,order=2,rank=3)",
    "sortlsh(block=32)+multipole(clusters=20,fit=150,open=0.3,group=16,order=2,rank=4)",
    "multipole(clusters=20,residual=90,order=1)"};

TEST(MultipoleShapeBackward, SameBitsForAnyThreads) {
  const OwnedProblem owned = gaussian_problem(
      {.heads = 2, .kv_heads = 1, .queries = 700, .keys = 700, .head_dim = 16}, 77);
  const Upstream upstream = random_upstream(owned.problem, 78, DType::f32);
  for (const std::string& spec : long_specs) {
    SCOPED_TRACE(spec);
    const MethodCase setup{owned.problem, spec, upstream};
    const BackwardRun single = backward_of(setup, 1), three = backward_of(setup, 3);
    EXPECT_EQ(three.query.words(), single.query.words());
    EXPECT_EQ(three.key.words(), single.key.words());
    EXPECT_EQ(three.value.words(), single.value.words());
  }
}

TEST(MultipoleShapeBackward, SingleGradientsAreThoseOfAll) {
  const OwnedProblem owned =
      gaussian_problem({.queries = 80, .keys = 90, .head_dim = 8, .value_dim = 5}, 79);
  const Upstream upstream = random_upstream(owned.problem, 80, DType::f32);
  const MethodCase setup{owned.problem,
                         "window(7)+multipole(clusters=9,fit=30,open=0.2,group=8,order=2,rank=3)",
                         upstream};
  expect_single_gradients(setup);
}

}  // namespace
}  // namespace subquad::testing
