// alpha, stable rank and the lemmas' sample sizes against dense matrices in double precision.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "subquad/error.h"
#include "subquad/probe.h"
#include "support/dense_softmax.h"
#include "support/isa.h"
#include "support/random_problem.h"

namespace subquad::testing {
namespace {

constexpr std::array kTypes{DType::f32, DType::bf16, DType::f16};
constexpr ProblemLimits kSmall{.max_length = 90, .max_head_dim = 96, .max_work = 4'000'000};

// Scores are f32: their rounding grows with their size.
double tolerance(const DenseHead& dense) { return 1e-5 * std::max(1.0, dense.max_score); }

template <typename Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
    return error.what();
  }
  return "no error";
}

// --- alpha -------------------------------------------------------------------------------------

void expect_alpha(const Alpha& found, const DenseHead& dense, std::int64_t skip) {
  SCOPED_TRACE(::testing::Message() << "sequence " << dense.sequence << " head " << dense.head);
  EXPECT_EQ(found.sequence, dense.sequence);
  EXPECT_EQ(found.head, dense.head);
  EXPECT_EQ(found.rows, dense.rows);
  EXPECT_FALSE(found.sampled);
  double top = 0;
  for (std::int64_t j = skip; j < dense.keys; ++j) top = std::max(top, dense.column_square(j));
  const double expected = static_cast<double>(dense.keys) * top;
  EXPECT_NEAR(found.alpha, expected, tolerance(dense) * expected);
  if (dense.keys == 0) {
    EXPECT_EQ(found.column, -1);
    return;
  }
  ASSERT_GE(found.column, skip);
  ASSERT_LT(found.column, dense.keys);
  EXPECT_NEAR(dense.column_square(found.column), top, 2 * tolerance(dense) * top);
}

void check_alpha(std::uint64_t seed) {
  const OwnedProblem random = random_problem(seed, kTypes[seed % 3], kSmall);
  SCOPED_TRACE(random.description);
  const std::vector<DenseHead> dense = dense_softmax(random.problem);
  std::int64_t fewest = std::numeric_limits<std::int64_t>::max();
  for (const DenseHead& head : dense)
    if (head.keys > 0) fewest = std::min(fewest, head.keys);
  AlphaOptions options;
  options.skip_columns =
      seed % 2 == 0 || fewest > 90 ? 0 : static_cast<std::int64_t>(seed) % fewest;
  options.threads = static_cast<int>(seed % 3);
  const std::vector<Alpha> found = probe_alpha(random.problem, options);
  ASSERT_EQ(found.size(), dense.size());
  for (std::size_t n = 0; n < dense.size(); ++n)
    expect_alpha(found[n], dense[n], options.skip_columns);
}

TEST(ProbeAlpha, RandomProblemsMatchTheDefinition) {
  for (std::uint64_t seed = 0; seed < 120; ++seed) {
    check_alpha(seed);
    if (HasFailure()) return;
  }
}

// Several blocks of rows and tiles of keys.
TEST(ProbeAlpha, LongerProblemsOnEveryInstructionSet) {
  OwnedProblem owned =
      gaussian_problem({.heads = 2, .kv_heads = 1, .queries = 530, .keys = 701, .head_dim = 24}, 1);
  for (const Causal causal : {Causal::none, Causal::top_left, Causal::bottom_right}) {
    owned.problem.causal = causal;
    const std::vector<DenseHead> dense = dense_softmax(owned.problem);
    on_every_isa([&] {
      const std::vector<Alpha> found = probe_alpha(owned.problem, {.skip_columns = 32});
      ASSERT_EQ(found.size(), 2U);
      for (std::size_t n = 0; n < 2; ++n) expect_alpha(found[n], dense[n], 32);
    });
  }
}

// Scores of 0: P = 1 / n, every column's square is 1 / n.
TEST(ProbeAlpha, FlatAttentionGivesOne) {
  OwnedProblem owned = gaussian_problem({.queries = 600, .keys = 600}, 2);
  owned.problem.scale = 0.0F;
  EXPECT_NEAR(probe_alpha(owned.problem)[0].alpha, 1, 1e-5);
}

// Every query looks at key 17 alone: alpha = n * n.
TEST(ProbeAlpha, PlantedColumnIsFoundAndCanBeSkipped) {
  OwnedProblem owned = gaussian_problem({.queries = 200, .keys = 200, .head_dim = 8}, 3);
  for (std::int64_t i = 0; i < 200; ++i) owned.query.set(0, 0, i, 0, 30);
  for (std::int64_t j = 0; j < 200; ++j) owned.key.set(0, 0, j, 0, j == 17 ? 30 : 0);
  const Alpha whole = probe_alpha(owned.problem)[0];
  EXPECT_EQ(whole.column, 17);
  EXPECT_NEAR(whole.alpha, 40'000, 1);
  const Alpha rest = probe_alpha(owned.problem, {.skip_columns = 18})[0];
  EXPECT_GE(rest.column, 18);
  EXPECT_LT(rest.alpha, 1e-6);
}

TEST(ProbeAlpha, NanStaysInItsHeadAndValuesAreNotRead) {
  OwnedProblem owned = gaussian_problem({.heads = 3, .kv_heads = 3, .queries = 40, .keys = 50}, 4);
  owned.key.set(0, 1, 7, 2, std::nan(""));
  owned.value.set(0, 0, 3, 1, std::nan(""));
  const std::vector<Alpha> found = probe_alpha(owned.problem);
  EXPECT_GT(found[0].alpha, 0);
  EXPECT_TRUE(std::isnan(found[1].alpha));
  EXPECT_GT(found[2].alpha, 0);
}

TEST(ProbeAlpha, SampledRowsSayThatTheyAre) {
  const OwnedProblem owned =
      gaussian_problem({.heads = 4, .kv_heads = 2, .queries = 300, .keys = 200, .head_dim = 16}, 5);
  const std::vector<Alpha> all = probe_alpha(owned.problem);
  for (const Alpha& some : probe_alpha(owned.problem, {.rows = 50})) {
    EXPECT_TRUE(some.sampled);
    EXPECT_EQ(some.rows, 50);
    EXPECT_NE(some.alpha, all[static_cast<std::size_t>(some.head)].alpha);
    EXPECT_LE(some.alpha, 6.0001 * all[static_cast<std::size_t>(some.head)].alpha);
  }
  for (const std::int64_t rows : {300, 5000})
    for (const Alpha& same : probe_alpha(owned.problem, {.rows = rows})) {
      EXPECT_FALSE(same.sampled);
      EXPECT_EQ(same.rows, 300);
      EXPECT_EQ(same.alpha, all[static_cast<std::size_t>(same.head)].alpha);
    }
}

TEST(ProbeAlpha, SeedChoosesTheRows) {
  const OwnedProblem owned = gaussian_problem({.queries = 300, .keys = 200}, 6);
  const double first = probe_alpha(owned.problem, {.rows = 20, .seed = 1})[0].alpha;
  EXPECT_EQ(probe_alpha(owned.problem, {.rows = 20, .seed = 1})[0].alpha, first);
  EXPECT_NE(probe_alpha(owned.problem, {.rows = 20, .seed = 2})[0].alpha, first);
}

TEST(ProbeAlpha, WrongArgumentsAreNamed) {
  OwnedProblem owned = gaussian_problem({.queries = 10, .keys = 20}, 7);
  const auto message = [&](const AlphaOptions& options) {
    return message_of([&] { probe_alpha(owned.problem, options); });
  };
  EXPECT_EQ(message({.skip_columns = -1}).find("skip_columns"), 0U);
  EXPECT_EQ(message({.skip_columns = 20}).find("skip_columns"), 0U);
  EXPECT_EQ(message({.rows = -1}).find("rows"), 0U);
  EXPECT_EQ(message({.threads = -1}).find("threads"), 0U);
  owned.problem.value.shape[2] = 19;
  EXPECT_EQ(message({}).find("value"), 0U);
}

// --- stable rank -------------------------------------------------------------------------------

void expect_stable_rank(const StableRank& found, const DenseHead& dense) {
  SCOPED_TRACE(::testing::Message() << "sequence " << dense.sequence << " head " << dense.head);
  EXPECT_EQ(found.sequence, dense.sequence);
  EXPECT_EQ(found.head, dense.head);
  const double square = dense.frobenius_square(), norm = dense.operator_norm();
  EXPECT_NEAR(found.frobenius_squared, square, tolerance(dense) * square);
  EXPECT_LE(found.operator_norm, norm * (1 + 1e-3 + tolerance(dense)));
  EXPECT_GE(found.operator_norm, norm * (1 - 2e-3 - tolerance(dense)));
  if (norm == 0) {
    EXPECT_EQ(found.stable_rank, 0);
  } else {
    EXPECT_NEAR(found.stable_rank, square / (norm * norm), (5e-3 + tolerance(dense)) * square);
    EXPECT_GE(found.stable_rank, (1 - 2e-3 - tolerance(dense)) * square / (norm * norm));
  }
}

TEST(ProbeStableRank, RandomProblemsMatchDenseMatrices) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const OwnedProblem random = random_problem(seed, kTypes[seed % 3], kSmall);
    SCOPED_TRACE(random.description);
    const std::vector<DenseHead> dense = dense_softmax(random.problem);
    StableRankOptions options;
    options.max_iterations = 300;
    options.tolerance = 1e-5;
    const std::vector<StableRank> found = probe_stable_rank(random.problem, options);
    ASSERT_EQ(found.size(), dense.size());
    for (std::size_t n = 0; n < dense.size(); ++n) expect_stable_rank(found[n], dense[n]);
    if (HasFailure()) return;
  }
}

TEST(ProbeStableRank, KnownMatrices) {
  OwnedProblem flat = gaussian_problem({.queries = 100, .keys = 100}, 8);
  flat.problem.scale = 0.0F;
  EXPECT_NEAR(probe_stable_rank(flat.problem)[0].stable_rank, 1, 1e-4);
  // A window of one key: P is the identity.
  flat.problem.window = {0, 0, Alignment::top_left};
  EXPECT_NEAR(probe_stable_rank(flat.problem)[0].stable_rank, 100, 1e-3);
}

TEST(ProbeStableRank, WrongArgumentsAreNamed) {
  const OwnedProblem owned = gaussian_problem({.queries = 10, .keys = 20}, 9);
  const auto message = [&](const StableRankOptions& options) {
    return message_of([&] { probe_stable_rank(owned.problem, options); });
  };
  EXPECT_EQ(message({.max_iterations = 0}).find("max_iterations"), 0U);
  EXPECT_EQ(message({.tolerance = std::nan("")}).find("tolerance"), 0U);
  EXPECT_EQ(message({.threads = -2}).find("threads"), 0U);
}

// --- Any thread count ----------------------------------------------------------------------------

TEST(Probes, BitsDoNotDependOnTheThreadCount) {
  OwnedProblem owned = gaussian_problem(
      {.batch = 2, .heads = 4, .kv_heads = 2, .queries = 700, .keys = 650, .head_dim = 16}, 10);
  owned.problem.causal = Causal::bottom_right;
  const auto alpha = probe_alpha(owned.problem, {.threads = 1});
  const auto some = probe_alpha(owned.problem, {.rows = 77, .threads = 1});
  const auto rank = probe_stable_rank(owned.problem, {.max_iterations = 3, .threads = 1});
  for (const int threads : {2, 5}) {
    const auto alpha_again = probe_alpha(owned.problem, {.threads = threads});
    const auto some_again = probe_alpha(owned.problem, {.rows = 77, .threads = threads});
    const auto rank_again =
        probe_stable_rank(owned.problem, {.max_iterations = 3, .threads = threads});
    for (std::size_t n = 0; n < alpha.size(); ++n) {
      EXPECT_EQ(alpha[n].alpha, alpha_again[n].alpha);
      EXPECT_EQ(some[n].alpha, some_again[n].alpha);
      EXPECT_EQ(rank[n].stable_rank, rank_again[n].stable_rank);
    }
  }
}

// --- Lemmas --------------------------------------------------------------------------------------

TEST(LemmaSamples, FollowTheFormulas) {
  const LemmaInputs inputs{.n = 1'000'000,
                           .value_dim = 64,
                           .epsilon = 0.5,
                           .alpha = 3,
                           .log10_kappa = std::log10(1.5),
                           .stable_rank = 7};
  const double lemma1 = std::pow(1.5, 7) * 9 * 64 * std::log(1e6);
  const LemmaSamples samples = lemma_samples(inputs);
  EXPECT_NEAR(samples.lemma1, lemma1, 1e-9 * lemma1);
  EXPECT_NEAR(samples.log10_lemma1, std::log10(lemma1), 1e-9);
  EXPECT_NEAR(samples.lemma2, 4 * 64 * 7, 1e-9);
  EXPECT_FALSE(samples.lemma1_vacuous);
  EXPECT_FALSE(samples.lemma2_vacuous);
  const LemmaSamples scaled = lemma_samples(inputs, {.lemma1 = 5, .lemma2 = 1000});
  EXPECT_NEAR(scaled.lemma1, 5 * lemma1, 1e-8 * lemma1);
  EXPECT_NEAR(scaled.lemma2, 1'792'000, 1e-6);
  EXPECT_FALSE(scaled.lemma1_vacuous);  // 6.8e5
  EXPECT_TRUE(scaled.lemma2_vacuous);
}

TEST(LemmaSamples, OverflowIsInfiniteAndVacuous) {
  const LemmaSamples samples = lemma_samples({.n = 4096, .alpha = 8, .log10_kappa = 60});
  EXPECT_EQ(samples.lemma1, std::numeric_limits<double>::infinity());
  EXPECT_NEAR(samples.log10_lemma1,
              420 + 2 * std::log10(8.0) + 6 * std::log10(2.0) + std::log10(std::log(4096)), 1e-9);
  EXPECT_TRUE(samples.lemma1_vacuous);
}

TEST(LemmaSamples, NanIsVacuous) {
  const LemmaSamples samples = lemma_samples({.n = 10, .alpha = std::nan("")});
  EXPECT_TRUE(std::isnan(samples.lemma1));
  EXPECT_TRUE(samples.lemma1_vacuous);
}

TEST(LemmaSamples, WrongArgumentsAreNamed) {
  const auto message = [](const LemmaInputs& inputs, const LemmaConstants& constants) {
    return message_of([&] { lemma_samples(inputs, constants); });
  };
  EXPECT_EQ(message({.n = 0}, {}).find("n:"), 0U);
  EXPECT_EQ(message({.value_dim = 0}, {}).find("value_dim"), 0U);
  EXPECT_EQ(message({.epsilon = 0}, {}).find("epsilon"), 0U);
  EXPECT_EQ(message({.alpha = -1}, {}).find("alpha"), 0U);
  EXPECT_EQ(message({.log10_kappa = -1}, {}).find("log10_kappa"), 0U);
  EXPECT_EQ(message({.stable_rank = -1}, {}).find("stable_rank"), 0U);
  EXPECT_EQ(message({}, {.lemma1 = 0}).find("lemma1"), 0U);
  EXPECT_EQ(message({}, {.lemma2 = -3}).find("lemma2"), 0U);
}

}  // namespace
}  // namespace subquad::testing
