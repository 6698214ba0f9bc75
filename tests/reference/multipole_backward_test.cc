// The backward of the multipole part against central differences of its definition in double
// precision. Only the choices are the library's: clusters, heavy entries, groups, probes, opened
// clusters.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "far/causal/multipole_causal.h"
#include "far/multipole_part.h"
#include "kernels/tiles/tile_engine.h"
#include "run/each_plan.h"
#include "support/gradient_differences.h"
#include "support/isa.h"
#include "support/multipole_model.h"
#include "support/random_problem.h"
#include "subquad/attention.h"

namespace subquad::testing {
namespace {

// What is held fixed while a head's inputs move.
struct Choices {
  Choices(const HeadProblem& head_in, const std::string& spec, const Method& method)
      : head(head_in), options(multipole_options(spec)) {
    HeadPlan plan(head, method, kSeed, 1);
    if (method.light->shared_error() > 0)
      share_error(plan.light().shared_errors, method.light->shared_error());
    plan.finish(head);
    exactly = plan.wants_exact();
    if (exactly) return;
    const Rng rng(kSeed, head.kv_head);
    clusters = *FarClusters::build(head, options.shape, rng, 1)->keys;
    heavy = heavy_entries(head, plan.sets());
    const bool causal = head.problem->causal != Causal::none;
    segment = causal ? options.chunk : head.num_keys;
    if (causal)
      prefixes = std::min(head.num_keys / segment, last_seen(head.num_rows() - 1) / segment);
    if (const auto* part = dynamic_cast<const MultipolePart*>(plan.light().model.get()))
      ridge = part->fit_ridge();
    if (const auto* part = dynamic_cast<const CausalMultipole*>(plan.light().model.get()))
      ridge = part->fit_ridge();
    choose_opened(plan, rng);
    sampled = residual_samples(plan, head.num_rows(), options.residual, rng,
                               [&](std::int64_t row) { return prefix_of(row) * segment; });
  }

  // Keys that the first row of the row's block sees.
  std::int64_t last_seen(std::int64_t row) const {
    const std::int64_t block = row_block_size(head.head_dim(), head.value_dim());
    return head.visible(row / block * block).end;
  }
  std::int64_t prefix_of(std::int64_t row) const {
    if (head.problem->causal == Causal::none) return 1;
    return std::min(prefixes, last_seen(row) / segment);
  }
  bool is_heavy(std::int64_t i, std::int64_t k) const {
    return heavy[at(i * head.num_keys + k)] != 0;
  }
  bool is_open(std::int64_t i, std::int64_t c) const {
    return !opened.empty() && opened[at(i * clusters.size() + c)] != 0;
  }

  void choose_opened(const HeadPlan& plan, const Rng& rng) {
    const std::vector<std::vector<std::int32_t>> groups = row_groups(plan);
    if (const OpenedSet* set = opened_set(plan.sets())) {
      opened.assign(at(head.num_rows() * clusters.size()), 0);
      for (std::size_t g = 0; g < groups.size(); ++g)
        for (const std::int32_t i : groups[g])
          for (const std::int32_t c : set->opened(static_cast<std::int64_t>(g)))
            opened[at(i * clusters.size() + c)] = 1;
    }
    if (options.fit == 0 || ridge == 0) return;
    if (head.problem->causal == Causal::none)
      probes = drawn_probes(groups, options.fit, rng);
    else
      probes = sample_without_replacement(head.num_rows(), options.fit, rng, 1U << 31);
  }

  const HeadProblem& head;
  MultipoleOptions options;
  bool exactly = false;
  Partition clusters;
  std::vector<std::uint8_t> heavy, opened;
  std::int64_t segment = 0, prefixes = 1;
  double ridge = 0;  // in force
  std::vector<std::int32_t> probes;
  std::vector<std::vector<std::int32_t>> sampled;  // keys of the residual's sample, by row
};

// The forward of one head.
class Model {
 public:
  Model(const Choices& choices, const PlainTensors& plain)
      : c_(choices),
        plain_(plain),
        width_(plain.value_dim + 1),
        means_(c_.clusters.size(), plain.dim) {
    for (std::int64_t k = 0; k < plain.keys && !c_.exactly; ++k) {
      const std::int64_t c = cluster(k);
      add_scaled(1 / static_cast<double>(c_.clusters.members(c).count), plain.key.row(k), plain.dim,
                 means_.row(c));
    }
    if (!c_.exactly && !c_.probes.empty()) fit();
  }

  PlainRow row(std::int64_t i) const {
    std::vector<double> sums(at(width_), 0.0);
    const double reference = largest(i);
    const Range seen = c_.head.visible(i);
    for (std::int64_t k = seen.begin; k < seen.end; ++k)
      add_key(key_logit(i, k, true), k, reference, sums);
    if (c_.exactly || sums.back() == 0) return finish_row(c_.head, i, sums, reference);
    std::vector<double> modelled(at(width_), 0.0);
    for (std::int64_t k = seen.begin; k < seen.end; ++k)
      add_key(key_logit(i, k, is_exact(i, k)), k, reference, modelled);
    const std::int64_t prefix = c_.prefix_of(i);
    for (std::int64_t c = 0; prefix > 0 && c < correction_.rows; ++c)
      add_scaled(std::exp(cluster_logit(i, c) - reference),
                 correction_.row(c) + (prefix - 1) * width_, width_, modelled.data());
    add_sample(i, reference, modelled);
    const bool rejected = modelled.back() <= 0;
    return finish_row(c_.head, i, rejected ? sums : modelled, reference);
  }

 private:
  // The row's sample of the residual.
  void add_sample(std::int64_t i, double reference, std::vector<double>& sums) const {
    const std::vector<std::int32_t>& keys = c_.sampled[at(i)];
    for (const std::int32_t k : keys) {
      if (is_exact(i, k)) continue;
      std::vector<double> residual(sums.size(), 0.0), share(sums.size(), 0.0);
      add_key(key_logit(i, k, true), k, reference, residual);
      add_key(key_logit(i, k, false), k, reference, share);
      add_scaled(-1, share.data(), width_, residual.data());
      const auto end = static_cast<double>(c_.prefix_of(i) * c_.segment);
      add_scaled(end / static_cast<double>(keys.size()), residual.data(), width_, sums.data());
    }
  }
  std::int64_t cluster(std::int64_t k) const { return c_.clusters.cluster_of[at(k)]; }
  double cluster_logit(std::int64_t i, std::int64_t c) const {
    return dot(plain_.query.row(i), means_.row(c), plain_.dim);
  }
  double key_logit(std::int64_t i, std::int64_t k, bool exact) const {
    return exact ? plain_.score(i, k) : cluster_logit(i, cluster(k));
  }
  bool is_exact(std::int64_t i, std::int64_t k) const {
    return c_.is_heavy(i, k) || c_.is_open(i, cluster(k)) || k >= c_.prefix_of(i) * c_.segment;
  }
  void add_key(double logit, std::int64_t k, double reference, std::vector<double>& sums) const {
    const double weight = std::exp(logit - reference);
    add_scaled(weight, plain_.value.row(k), width_ - 1, sums.data());
    sums.back() += weight;
  }
  double largest(std::int64_t i) const {
    double result = -1e300;
    for (std::int64_t k = 0; k < plain_.keys; ++k) result = std::max(result, plain_.score(i, k));
    for (std::int64_t c = 0; c < means_.rows; ++c) result = std::max(result, cluster_logit(i, c));
    return result;
  }

  void fit() {
    const auto p = static_cast<std::int64_t>(c_.probes.size()), held = c_.prefixes * c_.segment;
    const bool causal = c_.head.problem->causal != Causal::none;
    Table features(p, c_.clusters.size()), targets(p, c_.prefixes * width_);
    std::vector<double> counts(at(c_.clusters.size()), 0.0);
    for (std::int64_t k = 0; k < held; ++k) counts[at(cluster(k))] += 1;
    for (std::int64_t n = 0; n < p; ++n) {
      const std::int64_t i = c_.probes[at(n)];
      const double reference = largest(i);
      std::vector<double> total(at(width_), 0.0), sum(at(width_), 0.0), minus(at(width_), 0.0);
      for (std::int64_t k = 0; k < held; ++k) {
        add_key(key_logit(i, k, !causal || !c_.is_heavy(i, k)), k, reference, total);
        if (!c_.is_heavy(i, k) && !c_.is_open(i, cluster(k))) {
          add_key(key_logit(i, k, true), k, reference, sum);
          add_key(key_logit(i, k, false), k, reference, minus);
        }
        if ((k + 1) % c_.segment != 0) continue;
        double* row = targets.row(n) + k / c_.segment * width_;
        add_scaled(1, sum.data(), width_, row);
        add_scaled(-1, minus.data(), width_, row);
      }
      for (std::int64_t c = 0; c < features.columns; ++c)
        features.row(n)[c] =
            std::exp(cluster_logit(i, c) - reference) * counts[at(c)] / total.back();
      for (std::int64_t d = 0; d < targets.columns; ++d) targets.row(n)[d] /= total.back();
    }
    correction_ = plain_ridge(features, targets, c_.ridge);
    for (std::int64_t c = 0; c < correction_.rows; ++c)
      for (std::int64_t d = 0; d < correction_.columns; ++d) correction_.row(c)[d] *= counts[at(c)];
  }

  const Choices& c_;
  const PlainTensors& plain_;
  std::int64_t width_;
  Table means_, correction_;
};

// Largest error of the gradients, each relative to the largest entry of its tensor.
double largest_error(const MethodCase& setup, std::int64_t entries) {
  const Method method = parse_method(setup.spec);
  return largest_error(setup, entries, [&](const HeadProblem& head) {
    return [choices = Choices(head, setup.spec, method)](const PlainTensors& plain) {
      return [model = Model(choices, plain)](std::int64_t i) { return model.row(i); };
    };
  });
}

void expect_differences(const Problem& problem, const std::string& spec, const Upstream& upstream,
                        std::int64_t entries = 1 << 20, double tolerance = 3e-5) {
  SCOPED_TRACE(spec);
  EXPECT_LE(largest_error({problem, spec, upstream}, entries), tolerance);
}

TEST(MultipoleBackward, Uncorrected) {
  const OwnedProblem owned =
      gaussian_problem({.queries = 50, .keys = 60, .head_dim = 5, .value_dim = 3}, 21);
  const Upstream upstream = random_upstream(owned.problem, 22, DType::f32);
  on_every_isa([&] {
    expect_differences(owned.problem, "multipole(clusters=7,fit=0)", upstream);
    expect_differences(owned.problem, "window(9)+multipole(clusters=7,fit=0)", upstream);
    expect_differences(owned.problem,
                       "sortlsh(block=16,bits=4)+sink(3)+multipole(clusters=7,fit=0)", upstream);
  });
}

TEST(MultipoleBackward, ThroughTheFit) {
  const OwnedProblem owned =
      gaussian_problem({.queries = 50, .keys = 60, .head_dim = 5, .value_dim = 3}, 23);
  const Upstream upstream = random_upstream(owned.problem, 24, DType::f32);
  on_every_isa([&] {
    for (const std::string fit : {"20", "50"})
      for (const std::string heavy : {"", "window(9)+", "sortlsh(block=16,bits=4)+sink(3)+"})
        expect_differences(owned.problem, heavy + "multipole(clusters=7,fit=" + fit + ")",
                           upstream);
    expect_differences(owned.problem, "multipole(clusters=7,fit=30,ridge=0.3)", upstream);
  });
}

TEST(MultipoleBackward, OpenedClusters) {
  const OwnedProblem owned = gaussian_problem(
      {.queries = 60, .keys = 70, .head_dim = 4, .value_dim = 6}, 25, DType::f32, 1.5);
  const Upstream upstream = random_upstream(owned.problem, 26, DType::f32);
  for (const std::string heavy : {"", "window(9)+", "sortlsh(block=16,bits=4)+sink(3)+"})
    expect_differences(owned.problem, heavy + "multipole(clusters=9,fit=40,open=0.05,group=8)",
                       upstream);
  // Some are open, others closed.
  const Method method = parse_method("multipole(clusters=9,fit=40,open=0.05,group=8)");
  const HeadProblem head = split_heads(owned.problem)[0];
  const Choices choices(head, "multipole(clusters=9,fit=40,open=0.05,group=8)", method);
  const auto open = std::count(choices.opened.begin(), choices.opened.end(), 1);
  EXPECT_GT(open, 20);
  EXPECT_LT(open, std::ssize(choices.opened) - 20);
}

TEST(MultipoleBackward, SinksGroupsBatchesAndHalfInputs) {
  OwnedProblem owned = gaussian_problem({.batch = 2,
                                         .heads = 4,
                                         .kv_heads = 2,
                                         .queries = 25,
                                         .keys = 40,
                                         .head_dim = 8,
                                         .value_dim = 5},
                                        27, DType::bf16);
  owned.sink_logits = {0.3F, -0.5F, 1.5F, 2.0F};
  owned.problem.sink_logits = owned.sink_logits;
  const Upstream upstream = random_upstream(owned.problem, 28, DType::f32);
  for (const std::string& isa : supported_isas()) {
    const TracedIsa traced(isa);
    expect_differences(owned.problem, "multipole(clusters=6,fit=0)", upstream, 40);
    expect_differences(owned.problem, "multipole(clusters=6,fit=25)", upstream, 40);
    // On tiles the forward pass has rounded weights.
    expect_differences(owned.problem, "window(5)+multipole(clusters=6,fit=25,open=0.1,group=8)",
                       upstream, 40, kernels::tile_engine() != nullptr ? 0.005 : 3e-5);
  }
}

TEST(MultipoleBackward, Causal) {
  for (const Causal causal : {Causal::bottom_right, Causal::top_left}) {
    // top_left: rows 264 on, of position 66 on, see a chunk of 64 keys whole.
    const bool top = causal == Causal::top_left;
    OwnedProblem owned = gaussian_problem({.heads = 4,
                                           .queries = top ? 140 : 10,
                                           .keys = top ? 140 : 210,
                                           .head_dim = 4,
                                           .value_dim = 3},
                                          29);
    owned.problem.causal = causal;
    const Upstream upstream = random_upstream(owned.problem, 30, DType::f32);
    for (const std::string fit : {"0", "35", "1000"})
      for (const std::string heavy : {"", "window(9)+", "sortlsh(block=16,bits=4)+"})
        expect_differences(owned.problem,
                           heavy + "multipole(clusters=6,chunk=64,ridge=0.001,fit=" + fit + ")",
                           upstream, top ? 8 : 120);
  }
}

// Where the fit does not help, the plain coefficients are in force and have the derivative.
TEST(MultipoleBackward, CausalWithoutItsFit) {
  OwnedProblem owned = gaussian_problem(
      {.queries = 330, .keys = 330, .head_dim = 4, .value_dim = 3}, 37, DType::f32, 3.0);
  owned.problem.causal = Causal::top_left;
  const std::string spec = "multipole(clusters=6,chunk=64,ridge=0.001,fit=8)";
  const Method method = parse_method(spec);
  EXPECT_EQ(Choices(split_heads(owned.problem)[0], spec, method).ridge, 0);
  expect_differences(owned.problem, spec, random_upstream(owned.problem, 38, DType::f32), 24);
}

// Through the sample of the residual: all keys, or some; beside heavy and opened entries.
TEST(MultipoleBackward, WithASampleOfTheResidual) {
  const OwnedProblem owned = gaussian_problem(
      {.queries = 50, .keys = 60, .head_dim = 5, .value_dim = 3}, 39, DType::f32, 1.2);
  const Upstream upstream = random_upstream(owned.problem, 40, DType::f32);
  for (const std::string heavy : {"", "window(9)+", "sortlsh(block=16,bits=4)+sink(3)+"})
    for (const std::string rest :
         {"residual=25)", "residual=60)", "fit=30,open=0.1,group=16,residual=40)"})
      expect_differences(owned.problem, heavy + "multipole(clusters=7," + rest, upstream, 120);
}

TEST(MultipoleBackward, CausalWithASampleOfTheResidual) {
  OwnedProblem owned = gaussian_problem(
      {.queries = 330, .keys = 330, .head_dim = 4, .value_dim = 3}, 41, DType::f32, 0.8);
  owned.problem.causal = Causal::top_left;
  const Upstream upstream = random_upstream(owned.problem, 42, DType::f32);
  for (const std::string heavy : {"", "window(20)+"})
    expect_differences(owned.problem, heavy + "multipole(clusters=6,chunk=64,residual=90)",
                       upstream, 16);
}

// Rows whose estimate comes out negative were computed again exactly.
TEST(MultipoleBackward, RejectedRows) {
  const OwnedProblem owned = gaussian_problem(
      {.queries = 60, .keys = 60, .head_dim = 5, .value_dim = 3}, 31, DType::f32, 2.0);
  const Upstream upstream = random_upstream(owned.problem, 32, DType::f32);
  const std::string spec = "window(3)+multipole(clusters=8,fit=10,ridge=0.1)";
  const MethodCase setup{owned.problem, spec, upstream};
  EXPECT_GT(forward_of(setup).report.fallback_rows, 5);
  EXPECT_EQ(backward_of(setup).report.fallback_rows, forward_of(setup).report.fallback_rows);
  expect_differences(owned.problem, spec, upstream, 1 << 20, 1e-4);
}

// One key a cluster: nothing is missed, and what the fit gives cancels.
TEST(MultipoleBackward, AClusterForEachKeyIsExact) {
  for (const Causal causal : {Causal::none, Causal::bottom_right}) {
    OwnedProblem owned = gaussian_problem(
        {.heads = 4, .kv_heads = 2, .queries = 90, .keys = 200, .head_dim = 12, .value_dim = 7},
        33);
    owned.problem.causal = causal;
    const Upstream upstream = random_upstream(owned.problem, 34, DType::f32);
    const BackwardRun exact = backward_of({owned.problem, "exact", upstream});
    for (const std::string rest : {"fit=0)", "fit=40)"})
      for (const std::string heavy : {"", "window(20)+"}) {
        const std::string spec = heavy + "multipole(clusters=200,chunk=64,ridge=0.001," + rest;
        SCOPED_TRACE(spec);
        const BackwardRun run = backward_of({owned.problem, spec, upstream});
        EXPECT_LE(distance(run.query, exact.query), 1e-5);
        EXPECT_LE(distance(run.key, exact.key), 1e-5);
        EXPECT_LE(distance(run.value, exact.value), 1e-5);
      }
  }
}

// The part advises against itself: the gradients are exact attention's.
TEST(MultipoleBackward, HeadsThatRanExactly) {
  const OwnedProblem owned = gaussian_problem({.heads = 2, .queries = 90, .keys = 90}, 35);
  const Upstream upstream = random_upstream(owned.problem, 36, DType::f32);
  const BackwardRun exact = backward_of({owned.problem, "exact", upstream});
  const BackwardRun run =
      backward_of({owned.problem, "multipole(clusters=8,fit=20,error=0.01)", upstream});
  EXPECT_LE(distance(run.query, exact.query), 1e-6);
  EXPECT_LE(distance(run.key, exact.key), 1e-6);
  EXPECT_LE(distance(run.value, exact.value), 1e-6);
}

TEST(MultipoleBackward, SingleGradientsAreThoseOfAll) {
  const OwnedProblem owned =
      gaussian_problem({.queries = 80, .keys = 90, .head_dim = 8, .value_dim = 5}, 37);
  const Upstream upstream = random_upstream(owned.problem, 38, DType::f32);
  const MethodCase setup{owned.problem, "window(7)+multipole(clusters=9,fit=30,open=0.2,group=8)",
                         upstream};
  expect_single_gradients(setup);
}

TEST(MultipoleBackward, SameBitsForAnyThreads) {
  for (const Causal causal : {Causal::none, Causal::top_left}) {
    OwnedProblem owned = gaussian_problem(
        {.heads = 4, .kv_heads = 2, .queries = 700, .keys = 700, .head_dim = 16}, 39);
    owned.problem.causal = causal;
    const Upstream upstream = random_upstream(owned.problem, 40, DType::f32);
    std::vector<std::string> specs{
        "multipole(clusters=20,fit=150,ridge=0.001,chunk=64)",
        "window(30)+multipole(clusters=20,fit=150,ridge=0.001,chunk=64)"};
    if (causal == Causal::none)
      specs.push_back("sortlsh(block=32)+multipole(clusters=20,fit=150,open=0.3,group=16)");
    for (const std::string& spec : specs) {
      SCOPED_TRACE(spec);
      const MethodCase setup{owned.problem, spec, upstream};
      const BackwardRun single = backward_of(setup, 1);
      for (const int threads : {2, 5}) {
        const BackwardRun run = backward_of(setup, threads);
        EXPECT_EQ(run.query.words(), single.query.words());
        EXPECT_EQ(run.key.words(), single.key.words());
        EXPECT_EQ(run.value.words(), single.value.words());
      }
    }
  }
}

}  // namespace
}  // namespace subquad::testing
