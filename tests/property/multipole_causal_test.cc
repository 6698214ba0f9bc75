// multipole under a causal mask: exact in its limits with every heavy part, equal to a plain model
// in double precision, and the same bits whatever the threads and the batch.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "property/exact_support.h"
#include "property/multipole_support.h"
#include "property/same_bits_support.h"
#include "support/seeds.h"
#include "support/isa.h"

namespace subquad::testing {
namespace {

constexpr std::uint32_t kProbeStream = 1U << 31;
constexpr double kHidden = -std::numeric_limits<double>::infinity();

OwnedProblem drawn(std::uint64_t seed) {
  const ProblemLimits limits{.max_length = 300, .max_head_dim = 48, .max_work = 3'000'000};
  return maskless(random_problem(seed, type_of(seed), limits),
                  seed % 2 == 0 ? Causal::top_left : Causal::bottom_right);
}

// The model of one head: prefixes of whole chunks by clusters, the rest exactly.
class CausalModel {
 public:
  CausalModel(const HeadProblem& head, const std::string& spec, std::uint64_t seed, bool fitted)
      : head_(head),
        options_(multipole_options(spec)),
        method_(parse_method(spec)),
        plan_(head, method_, seed, 1),
        rng_(seed, head.kv_head),
        built_(FarClusters::build(head, options_.shape, rng_, 1)),
        plain_(head),
        far_(plain_, *built_->keys, 0),
        block_(row_block_size(head.head_dim(), head.value_dim())) {
    plan_.finish(head);
    far_.heavy = heavy_entries(head, plan_.sets());
    chunks_ = prefix_of(head.num_rows() - 1);
    for (std::int64_t t = 0; t <= chunks_; ++t)
      corrections_.emplace_back(built_->far->size(), far_.width());
    if (fitted && options_.fit > 0 && chunks_ > 0) fit();
  }

  std::vector<PlainRow> rows() const {
    std::vector<PlainRow> result;
    for (std::int64_t i = 0; i < plain_.rows; ++i)
      result.push_back(finish_row(head_, i, sums(i), far_.reference[at(i)]));
    return result;
  }

 private:
  // Keys that row i sees: those before this one.
  std::int64_t seen(std::int64_t row) const {
    const std::int64_t gap =
        head_.problem->causal == Causal::bottom_right ? head_.num_keys - head_.query_len : 0;
    return std::clamp<std::int64_t>(head_.position(row) + gap + 1, 0, head_.num_keys);
  }
  std::int64_t prefix_of(std::int64_t row) const {
    return std::min(seen(row / block_ * block_), head_.num_keys) / options_.chunk;
  }
  std::vector<double> sums(std::int64_t i) const {
    std::vector<double> sum(at(far_.width()), 0.0);
    const std::int64_t prefix = prefix_of(i);
    for (std::int64_t j = 0; j < seen(i); ++j) {
      const bool by_cluster = j < prefix * options_.chunk && !far_.is_heavy(i, j);
      far_.add_key(by_cluster ? far_.cluster_weight(i, far_.cluster_of(j)) : far_.key_weight(i, j),
                   j, sum.data());
    }
    for (std::int64_t c = 0; c < built_->far->size(); ++c)
      add_scaled(far_.cluster_weight(i, c), corrections_[at(prefix)].row(c), far_.width(),
                 sum.data());
    return sum;
  }
  double light_key(std::int64_t i, std::int64_t j) const {
    return far_.is_heavy(i, j) ? 0.0
                               : far_.key_weight(i, j) - far_.cluster_weight(i, far_.cluster_of(j));
  }
  void fit() {
    const std::vector<std::int32_t> probes =
        sample_without_replacement(plain_.rows, options_.fit, rng_, kProbeStream);
    const std::int64_t whole = chunks_ * options_.chunk, r = built_->far->size();
    std::vector<double> counts(at(r), 0.0);
    for (std::int64_t j = 0; j < whole; ++j) counts[at(far_.cluster_of(j))] += 1;
    Table f(static_cast<std::int64_t>(probes.size()), r);
    std::vector<double> totals;
    for (std::int64_t p = 0; p < f.rows; ++p) {
      const std::int64_t i = probes[at(p)];
      double total = 0;
      for (std::int64_t c = 0; c < r; ++c) total += far_.cluster_weight(i, c) * counts[at(c)];
      for (std::int64_t j = 0; j < whole; ++j) total += light_key(i, j);
      for (std::int64_t c = 0; c < r; ++c)
        f.row(p)[c] = far_.cluster_weight(i, c) * counts[at(c)] / total;
      totals.push_back(total);
    }
    for (std::int64_t t = 1; t <= chunks_; ++t) {
      Table targets(f.rows, far_.width());
      for (std::int64_t p = 0; p < f.rows; ++p)
        for (std::int64_t j = 0; j < t * options_.chunk; ++j)
          far_.add_key(light_key(probes[at(p)], j) / totals[at(p)], j, targets.row(p));
      corrections_[at(t)] = plain_ridge(f, targets, options_.ridge);
      for (std::int64_t c = 0; c < r; ++c)
        for (std::int64_t d = 0; d < far_.width(); ++d)
          corrections_[at(t)].row(c)[d] *= counts[at(c)];
    }
  }

  const HeadProblem& head_;
  MultipoleOptions options_;
  Method method_;
  HeadPlan plan_;
  Rng rng_;
  std::unique_ptr<FarClusters> built_;
  PlainTensors plain_;
  PlainFar far_;
  std::int64_t block_, chunks_ = 0;
  std::vector<Table> corrections_;
};

// A row that sees nothing has zeros, and its sink or -inf.
std::vector<PlainRow> causal_model(const HeadProblem& head, const std::string& spec,
                                   std::uint64_t seed, bool fitted) {
  std::vector<PlainRow> rows = CausalModel(head, spec, seed, fitted).rows();
  for (std::int64_t i = 0; i < head.num_rows(); ++i) {
    if (!head.visible(i).empty()) continue;
    PlainRow& row = rows[at(i)];
    std::fill(row.out.begin(), row.out.end(), 0.0);
    row.lse = head.problem->sink_logits.empty()
                  ? kHidden
                  : double{head.problem->sink_logits[at(head.query_head(i))]};
  }
  return rows;
}

void expect_model(const Problem& problem, const std::string& spec, std::uint64_t seed,
                  double tolerance) {
  SCOPED_TRACE(spec);
  const MethodRun run = run_method(problem, spec, 1, seed);
  EXPECT_EQ(run.report.fallback_rows, 0);
  const ModelErrors errors = model_errors(problem, run, [&](const HeadProblem& head) {
    return std::vector{causal_model(head, spec, seed, true), causal_model(head, spec, seed, false)};
  });
  // Heavy parts, and heads that went to exact attention, may be on tiles.
  const double rounding = weight_error(run.report);
  EXPECT_LE(errors.out, tolerance + 2 * rounding);
  EXPECT_LE(errors.lse, tolerance + rounding);
}

TEST(MultipoleCausal, IsItsPlainModel) {
  for (const std::uint64_t seed : Seeds(3000, 24)) {
    const OwnedProblem random = drawn(seed);
    SCOPED_TRACE(random.description);
    const std::string& heavy = heavy_specs[seed % heavy_specs.size()];
    for (const std::string light :
         {"multipole(clusters=9,fit=0,chunk=64)", "multipole(clusters=20,fit=0,chunk=71)",
          "multipole(clusters=9,fit=1000,chunk=64,ridge=1e-2)",
          "multipole(clusters=12,fit=37,chunk=100,ridge=1e-2)"}) {
      expect_model(random.problem, light, seed, 1e-4);
      expect_model(random.problem, joined(heavy, light), seed, 1e-4);
    }
    if (HasFailure()) return;
  }
}

// Several blocks of rows: each has a prefix of its own.
TEST(MultipoleCausal, OfManyBlocksIsItsPlainModel) {
  for (const Causal causal : {Causal::top_left, Causal::bottom_right})
    for (const auto& [queries, keys] : {std::pair{900, 900}, {600, 800}, {800, 500}}) {
      OwnedProblem owned = gaussian_problem(
          {.heads = 2, .queries = queries / 2, .keys = keys, .head_dim = 10, .value_dim = 6}, 31);
      owned.problem.causal = causal;
      for (const std::string spec :
           {"multipole(clusters=16,fit=0,chunk=64)",
            "multipole(clusters=16,fit=60,chunk=128,ridge=1e-2)",
            "window(40)+multipole(clusters=16,fit=60,chunk=100,ridge=1e-2)",
            "sortlsh(block=32)+sink(4)+multipole(clusters=16,fit=60,chunk=64,ridge=1e-2)"})
        expect_model(owned.problem, spec, 3, 1e-4);
    }
}

TEST(MultipoleCausal, OneKeyAClusterIsExact) {
  std::vector<std::string> specs;
  for (const std::string& heavy : heavy_specs)
    for (const std::string light :
         {"multipole(clusters=300,fit=0,chunk=64)", "multipole(clusters=300,fit=40,chunk=77)"})
      specs.push_back(joined(heavy, light));
  expect_all_exact(specs, 3100, 8, drawn);
}

// One chunk of everything: nothing is finished, all is exact.
TEST(MultipoleCausal, AChunkOfAllKeysIsExact) {
  expect_all_exact({"multipole(clusters=4)", "window(9)+multipole(clusters=4,chunk=301)"}, 3130, 12,
                   drawn);
}

TEST(MultipoleCausal, HeavyPartOfEverythingIsExact) {
  std::vector<std::string> specs;
  for (const std::string all : {"sink(300)", "window(700)", "window(9)+sink(300)"})
    for (const std::string light :
         {"multipole(clusters=7,fit=0,chunk=64)", "multipole(clusters=5,fit=30,chunk=64)"})
      specs.push_back(joined(all, light));
  expect_all_exact(specs, 3150, 10, drawn);
}

const std::vector<std::string> light_specs{"multipole(clusters=7,fit=0,chunk=64)",
                                           "multipole(clusters=11,fit=23,chunk=64)",
                                           "multipole(clusters=9,fit=40,chunk=70,error=0.3)"};

TEST(MultipoleCausal, ThreadsGiveTheSameBits) {
  for_drawn_and_specs(drawn, 3200, 4, light_specs, check_threads);
}

TEST(MultipoleCausal, ThreadsGiveTheSameBitsOnOneLongHead) {
  OwnedProblem owned = gaussian_problem({.queries = 900, .keys = 900, .head_dim = 32}, 1);
  owned.problem.causal = Causal::top_left;
  for (const std::string light :
       {"multipole(clusters=50,fit=0,chunk=64)", "multipole(clusters=50,fit=100,chunk=128)"})
    for (const std::string heavy : {"", "sortlsh(block=64)+window(30)"})
      check_threads(owned.problem, joined(heavy, light));
}

TEST(MultipoleCausal, ABatchElementDoesNotDependOnTheOthers) {
  for_drawn_and_specs(drawn, 3250, 6, light_specs, check_batch);
}

// Without a fit, rows see no more than their prefix: values after it do not matter.
TEST(MultipoleCausal, RowsDoNotSeeTheFuturesValues) {
  const Dimensions sizes{.queries = 800, .keys = 800, .head_dim = 8};
  OwnedProblem owned = gaussian_problem(sizes, 41), changed = gaussian_problem(sizes, 41);
  owned.problem.causal = changed.problem.causal = Causal::top_left;
  for (std::int64_t j = 500; j < 800; ++j)
    for (std::int64_t c = 0; c < 8; ++c) changed.value.set(0, 0, j, c, 1e3);
  for (const std::string spec :
       {"multipole(clusters=16,fit=0,chunk=64)", "multipole(clusters=16,fit=50,chunk=64)"}) {
    const MethodRun a = run_method(owned.problem, spec), b = run_method(changed.problem, spec);
    a.out.for_each([&](auto n, auto h, auto i, auto c) {
      if (i < 500) {
        ASSERT_EQ(a.out.get(n, h, i, c), b.out.get(n, h, i, c)) << spec << " row " << i;
      }
    });
  }
}

TEST(MultipoleCausal, AKeyOrValueThatIsNotFiniteRunsItsHeadExactly) {
  for (const bool in_key : {false, true}) {
    OwnedProblem owned = gaussian_problem({.queries = 300, .keys = 300, .head_dim = 8}, 4);
    owned.problem.causal = Causal::top_left;
    (in_key ? owned.key : owned.value).set(0, 0, 200, 3, std::nan(""));
    const MethodRun exact = run_method(owned.problem, "exact");
    for (const std::string& spec : light_specs) {
      const MethodRun run = run_method(owned.problem, spec);
      EXPECT_EQ(run.out.words(), exact.out.words()) << spec;
      EXPECT_EQ(run.lse.words(), exact.lse.words()) << spec;
    }
  }
}

TEST(MultipoleCausal, HugeScoresStayFinite) {
  for (const double size : {1e2, 1e4}) {
    OwnedProblem owned = gaussian_problem({.queries = 300, .keys = 300, .head_dim = 8}, 5);
    owned.key.for_each([&](auto b, auto h, auto j, auto c) {
      owned.key.set(b, h, j, c, size * owned.key.get(b, h, j, c));
    });
    owned.problem.causal = Causal::bottom_right;
    for (const std::string& light : light_specs)
      for (const std::string heavy : {"", "window(20)"}) {
        const MethodRun run = run_method(owned.problem, joined(heavy, light));
        run.out.for_each([&](auto b, auto h, auto i, auto c) {
          ASSERT_TRUE(std::isfinite(run.out.get(b, h, i, c))) << light;
        });
      }
  }
}

// Rows before the first whole chunk are exact and say so; without probes the others say nothing.
TEST(MultipoleCausal, StatesTheErrorsOfItsRows) {
  OwnedProblem owned = gaussian_problem({.queries = 900, .keys = 900, .head_dim = 8}, 6);
  owned.problem.causal = Causal::top_left;
  const MethodRun without = run_method(owned.problem, "multipole(clusters=9,fit=0,chunk=64)"),
                  with = run_method(owned.problem, "multipole(clusters=9,fit=60,chunk=64)");
  EXPECT_EQ(without.row_error.get(0, 0, 5, 0), 0);
  EXPECT_EQ(with.row_error.get(0, 0, 5, 0), 0);
  EXPECT_TRUE(std::isnan(without.row_error.get(0, 0, 890, 0)));
  EXPECT_GT(with.row_error.get(0, 0, 890, 0), 0);
}

// The mean of a cluster knows keys that a row does not see: these lie along the queries, the others
// do not, and the cluster weighs e^19 times what its visible keys do. Those are all heavy and take
// their share along: the far field leaves nothing but rounding, of which no output may be made.
TEST(MultipoleCausal, RowsThatCancelAreExact) {
  constexpr std::int64_t kKept = 480;
  OwnedProblem random = gaussian_problem({.queries = 640, .keys = 640}, 1);
  Draw draw(2);
  std::int64_t at = 0;
  random.query.fill([&] { return at++ % 8 == 0 ? 24.0 : 0.0; });
  at = 0;
  random.key.fill([&] {
    const bool late = at / 8 >= kKept, first = at % 8 == 0;
    ++at;
    return (late && first ? 9.0 : 0.0) + 0.3 * draw.normal();
  });
  random.problem.causal = Causal::top_left;
  const MethodRun exact = run_method(random.problem, "exact");
  for (const std::string light : {"multipole(clusters=1,fit=0,chunk=64)",
                                  "multipole(clusters=1,fit=0,chunk=64,residual=32)"}) {
    const MethodRun got = run_method(random.problem, "topk(k=480)+" + light);
    EXPECT_GT(got.report.fallback_rows, 0) << light;
    for (std::int64_t row = 0; row < kKept; ++row)
      for (std::int64_t d = 0; d < 8; ++d)
        ASSERT_NEAR(got.out.get(0, 0, row, d), exact.out.get(0, 0, row, d), 1e-5) << light << row;
  }
}

}  // namespace
}  // namespace subquad::testing
