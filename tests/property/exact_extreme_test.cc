// Exact attention on inputs at the edge: huge and equal scores, denormals, masked rows, NaN and
// Inf.
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "subquad/attention.h"
#include "support/forward.h"
#include "support/isa.h"
#include "support/random_problem.h"
#include "support/reference_attention.h"

namespace subquad::testing {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

void expect_exact_everywhere(const Problem& problem) {
  const ReferenceAttention reference(problem);
  on_every_isa([&] { expect_forward(problem, run_forward(problem, DType::f32), reference); });
}

TEST(ExactExtreme, ScoresOfPlusMinusTenThousand) {
  OwnedProblem owned = gaussian_problem({.queries = 45, .keys = 130, .head_dim = 16}, 1);
  Draw draw(2);
  owned.query.fill([&] { return draw.one_of({-25.0, 25.0}); });
  owned.key.fill([&] { return draw.one_of({-25.0, 25.0}); });
  owned.problem.scale = 1.0F;
  for (std::int64_t c = 0; c < 16; ++c) {
    owned.key.set(0, 0, 7, c, owned.query.get(0, 0, 3, c));
    owned.key.set(0, 0, 99, c, -owned.query.get(0, 0, 3, c));
  }
  EXPECT_EQ(ReferenceAttention(owned.problem).max_score, 1e4);
  expect_exact_everywhere(owned.problem);
}

TEST(ExactExtreme, EqualScoresGiveTheMeanOfTheValues) {
  OwnedProblem owned = gaussian_problem({.queries = 33, .keys = 1000, .head_dim = 20}, 3);
  for (std::int64_t j = 0; j < 1000; ++j)
    for (std::int64_t c = 0; c < 20; ++c) owned.key.set(0, 0, j, c, owned.key.get(0, 0, 0, c));
  expect_exact_everywhere(owned.problem);
}

TEST(ExactExtreme, OneDominatingKeyGivesItsValue) {
  OwnedProblem owned = gaussian_problem({.queries = 9, .keys = 400, .head_dim = 32}, 4);
  owned.query.fill([] { return 30.0; });
  for (std::int64_t c = 0; c < 32; ++c) owned.key.set(0, 0, 321, c, 30.0);
  expect_exact_everywhere(owned.problem);
  on_every_isa([&] {
    const ForwardRun run = run_forward(owned.problem, DType::f32);
    for (std::int64_t c = 0; c < 32; ++c)
      EXPECT_NEAR(run.out.get(0, 0, 8, c), owned.value.get(0, 0, 321, c), 1e-6);
  });
}

TEST(ExactExtreme, DenormalQueriesAndKeysGiveScoresOfZero) {
  for (const DType type : {DType::f32, DType::bf16}) {
    OwnedProblem owned = gaussian_problem({.queries = 20, .keys = 77, .head_dim = 16}, 5, type);
    Draw draw(6);
    owned.query.fill([&] { return 1e-39 * draw.normal(); });
    owned.key.fill([&] { return 1e-39 * draw.normal(); });
    expect_exact_everywhere(owned.problem);
  }
}

TEST(ExactExtreme, DenormalHalvesKeepTheirValues) {
  OwnedProblem owned = gaussian_problem({.queries = 20, .keys = 77, .head_dim = 16}, 7, DType::f16);
  Draw draw(8);
  owned.key.fill([&] { return 2e-5 * draw.normal(); });
  owned.value.fill([&] { return 2e-5 * draw.normal(); });
  owned.query.fill([&] { return 1e4 * draw.normal(); });
  expect_exact_everywhere(owned.problem);
}

// Rounding an average of denormals costs a few units of the smallest one.
TEST(ExactExtreme, DenormalValuesAreNotFlushed) {
  OwnedProblem owned = gaussian_problem({.queries = 20, .keys = 77, .head_dim = 16}, 9);
  Draw draw(10);
  owned.value.fill([&] { return 1e-39 * draw.normal(); });
  const ReferenceAttention reference(owned.problem);
  on_every_isa([&] {
    const ForwardRun run = run_forward(owned.problem, DType::f32);
    EXPECT_LE(max_difference(run.out, reference.out), 200 * 1.4e-45);
  });
}

// Rows 0..9 see nothing, by each way to mask.
void expect_masked_rows(const Problem& problem, bool with_sink) {
  on_every_isa([&] {
    const ForwardRun run = run_forward(problem, DType::f32);
    for (std::int64_t i = 0; i < 10; ++i) {
      EXPECT_EQ(run.lse.get(0, 0, i, 0), with_sink ? 0.5 : -HUGE_VAL);
      for (std::int64_t c = 0; c < 8; ++c) EXPECT_EQ(run.out.get(0, 0, i, c), 0.0);
    }
    EXPECT_TRUE(std::isfinite(run.lse.get(0, 0, 15, 0)));
  });
  expect_exact_everywhere(problem);
}

TEST(ExactExtreme, FullyMaskedRowsGiveZeros) {
  const std::vector<float> sink{0.5F};
  for (const bool with_sink : {false, true}) {
    OwnedProblem owned = gaussian_problem({.queries = 40, .keys = 30, .head_dim = 8}, 11);
    if (with_sink) owned.problem.sink_logits = sink;
    std::vector<float> additive(40 * 30, -infinity);
    std::vector<std::uint8_t> boolean(40 * 30, 0);
    std::fill(additive.begin() + 10 * 30, additive.end(), 0.0F);
    std::fill(boolean.begin() + 10 * 30, boolean.end(), std::uint8_t{1});
    Problem problem = owned.problem;
    problem.causal = Causal::bottom_right;  // query 10 is the first to see key 0
    expect_masked_rows(problem, with_sink);
    problem.causal = Causal::none;
    problem.mask = {MaskKind::additive, additive.data(), {1, 1, 40, 30}, {1200, 1200, 30, 1}};
    expect_masked_rows(problem, with_sink);
    problem.mask = {MaskKind::boolean, boolean.data(), {1, 1, 40, 30}, {1200, 1200, 30, 1}};
    expect_masked_rows(problem, with_sink);
  }
}

TEST(ExactExtreme, NoKeysAndNoQueries) {
  expect_exact_everywhere(gaussian_problem({.heads = 2, .queries = 5, .keys = 0}, 12).problem);
  expect_exact_everywhere(gaussian_problem({.heads = 2, .queries = 0, .keys = 5}, 13).problem);
  expect_exact_everywhere(gaussian_problem({.heads = 2, .queries = 0, .keys = 0}, 14).problem);
}

TEST(ExactExtreme, SinkOfMinusInfinityChangesNothing) {
  OwnedProblem owned = gaussian_problem({.heads = 2, .queries = 30, .keys = 50}, 15);
  const ReferenceAttention reference(owned.problem);
  const std::vector<float> sink(2, -infinity);
  owned.problem.sink_logits = sink;
  on_every_isa(
      [&] { expect_forward(owned.problem, run_forward(owned.problem, DType::f32), reference); });
}

// The reference shows which rows see the poison; all others must stay as they were.
void check_poison(std::uint64_t seed, TensorBuffer OwnedProblem::*tensor, double value,
                  NonFinite rule) {
  const DType types[] = {DType::f32, DType::bf16, DType::f16};
  const DType type = types[seed % 3];
  OwnedProblem random = random_problem(seed, type, {.max_length = 200, .max_work = 2'000'000});
  Draw draw(seed);
  poison(draw, random.*tensor, value);
  SCOPED_TRACE(random.description);
  const ReferenceAttention reference(random.problem);
  on_every_isa([&] {
    expect_forward(random.problem, run_forward(random.problem, DType::f32), reference, rule);
  });
}

TEST(ExactPoison, NanInAQueryReachesItsRowOnly) {
  for (std::uint64_t seed = 5000; seed < 5060; ++seed)
    check_poison(seed, &OwnedProblem::query, std::nan(""), NonFinite::exact);
}

TEST(ExactPoison, NanInAKeyReachesTheRowsThatSeeIt) {
  for (std::uint64_t seed = 5100; seed < 5200; ++seed)
    check_poison(seed, &OwnedProblem::key, std::nan(""), NonFinite::exact);
}

TEST(ExactPoison, NanInAValueReachesTheRowsThatSeeIt) {
  for (std::uint64_t seed = 5200; seed < 5300; ++seed)
    check_poison(seed, &OwnedProblem::value, std::nan(""), NonFinite::exact);
}

// A score of +Inf makes its row NaN, a score of -Inf only leaves its key out.
TEST(ExactPoison, InfinityInAKeyReachesTheRowsThatSeeIt) {
  for (std::uint64_t seed = 5400; seed < 5500; ++seed)
    check_poison(seed, &OwnedProblem::key, seed % 4 < 2 ? HUGE_VAL : -HUGE_VAL, NonFinite::exact);
}

TEST(ExactPoison, InfinityInAQueryReachesItsRowOnly) {
  for (std::uint64_t seed = 5500; seed < 5560; ++seed)
    check_poison(seed, &OwnedProblem::query, HUGE_VAL, NonFinite::exact);
}

TEST(ExactPoison, InfinityInAValueReachesTheRowsThatSeeIt) {
  for (std::uint64_t seed = 5300; seed < 5400; ++seed)
    check_poison(seed, &OwnedProblem::value, HUGE_VAL, NonFinite::any);
}

}  // namespace
}  // namespace subquad::testing
