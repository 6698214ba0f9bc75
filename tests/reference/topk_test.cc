// Top-k attention against a plain double-precision loop that sorts.
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "property/heavy_light_support.h"
#include "support/backward.h"
#include "support/isa.h"
#include "support/plain_topk.h"
#include "support/random_problem.h"

namespace subquad::testing {
namespace {

// Rows whose next score is as near to the last kept one as rounding are anybody's guess.
constexpr double clear_gap = 3e-6;  // in units of the largest score

struct Checked {
  std::int64_t rows = 0, unclear = 0;
};

// Every row that is clear, or every row at all where scores are exact in f32.
Checked expect_topk(const Problem& problem, const std::string& spec, const PlainTopk& expected,
                    bool exact_scores) {
  SCOPED_TRACE(spec);
  const MethodRun run = run_method(problem, spec, 2);
  const double unit = std::max(1.0, expected.max_score),
               size = read_tensor(problem.value).max_abs();
  Checked checked;
  for_rows(problem, [&](auto b, auto h, auto i) {
    ++checked.rows;
    const bool unclear = !exact_scores && expected.gap.row(b, h, i)[0] < clear_gap * unit;
    checked.unclear += unclear ? 1 : 0;
    if (unclear || ::testing::Test::HasFailure()) return;
    const double lse = expected.lse.row(b, h, i)[0], found = run.lse.get(b, h, i, 0);
    if (std::isfinite(lse))
      EXPECT_NEAR(found, lse, 3e-6 * unit) << b << " " << h << " " << i;
    else
      EXPECT_EQ(found, lse) << b << " " << h << " " << i;
    for (std::int64_t c = 0; c < problem.value.channels(); ++c)
      EXPECT_NEAR(run.out.get(b, h, i, c), expected.out.row(b, h, i)[c], 3e-6 * unit * size)
          << b << " " << h << " " << i << " " << c;
  });
  return checked;
}

void expect_topk(const Problem& problem, std::int64_t k, bool exact_scores = false) {
  const std::string spec = "topk(k=" + std::to_string(k) + ")";
  const PlainTopk expected(problem, k);
  on_every_isa([&] {
    const Checked checked = expect_topk(problem, spec, expected, exact_scores);
    EXPECT_LE(checked.unclear, checked.rows / 10 + 1);
  });
}

class Topk : public ::testing::TestWithParam<std::uint64_t> {};

// Bands, masks, groups, packed sequences, storage types, lengths down to 0.
TEST_P(Topk, RandomProblems) {
  const std::uint64_t seed = 81'000 + GetParam();
  const OwnedProblem random = random_problem(
      seed, type_of(seed), {.max_length = 130, .max_head_dim = 40, .max_work = 400'000});
  SCOPED_TRACE(random.description);
  for (const std::int64_t k : {1, 2, 9, 40, 129}) expect_topk(random.problem, k);
}
INSTANTIATE_TEST_SUITE_P(Problems, Topk, ::testing::Range<std::uint64_t>(0, 24));

// Small whole numbers: scores are exact in f32 (scale * log2 e rounds to 1) and mostly equal.
OwnedProblem tied_problem(const Dimensions& sizes, std::uint64_t seed) {
  OwnedProblem owned = gaussian_problem(sizes, seed);
  Draw draw(seed);
  for (TensorBuffer* tensor : {&owned.query, &owned.key})
    tensor->fill([&] { return static_cast<double>(draw.integer(-1, 1)); });
  owned.problem.query = owned.query.view();
  owned.problem.key = owned.key.view();
  owned.problem.scale = 0.69314718F;
  return owned;
}

TEST(TopkTies, FirstKeysWin) {
  OwnedProblem owned =
      tied_problem({.heads = 4, .kv_heads = 2, .queries = 40, .keys = 150, .head_dim = 3}, 5);
  for (const Causal causal : {Causal::none, Causal::top_left, Causal::bottom_right}) {
    owned.problem.causal = causal;
    for (const std::int64_t k : {1, 5, 9, 10, 70, 149}) expect_topk(owned.problem, k, true);
  }
}

// Far more equal scores than a bracket has room for.
TEST(TopkTies, FirstKeysWinAmongManyKeys) {
  OwnedProblem owned = tied_problem({.queries = 20, .keys = 3000, .head_dim = 3}, 6);
  for (const std::int64_t k : {1, 100, 187, 188, 1500, 2999}) expect_topk(owned.problem, k, true);
}

TEST(TopkTies, AllScoresEqual) {
  OwnedProblem owned = gaussian_problem({.queries = 12, .keys = 2500, .head_dim = 8}, 7);
  owned.problem.scale = 0.0F;
  for (const std::int64_t k : {1, 100, 1200}) expect_topk(owned.problem, k, true);
  owned.problem.causal = Causal::bottom_right;
  for (const std::int64_t k : {1, 100, 1200}) expect_topk(owned.problem, k, true);
}

const std::vector<std::int64_t> sizes_of_k{1, 30, 200, 249, 250, 2000, 3990};

// Rows of more keys than the sample's: brackets for some, everything for others.
TEST(TopkManyKeys, BandsAndMasks) {
  OwnedProblem owned = gaussian_problem({.queries = 50, .keys = 4000, .head_dim = 12}, 8);
  for (const std::int64_t k : sizes_of_k) expect_topk(owned.problem, k);
  owned.problem.causal = Causal::top_left;
  expect_topk(owned.problem, 30);
  owned.problem.causal = Causal::bottom_right;
  owned.problem.window.left = 1500;
  for (const std::int64_t k : {30, 249, 250, 1400}) expect_topk(owned.problem, k);
  owned.problem.window.left = -1;
  owned.boolean_mask.resize(50 * 4000);
  Draw draw(9);
  for (auto& entry : owned.boolean_mask) entry = draw.chance(0.4) ? 1 : 0;
  owned.problem.mask = {
      MaskKind::boolean, owned.boolean_mask.data(), {1, 1, 50, 4000}, {0, 0, 4000, 1}};
  for (const std::int64_t k : {30, 1000, 2500}) expect_topk(owned.problem, k);
}

// Few rows are streamed.
TEST(TopkManyKeys, FewRows) {
  for (const std::int64_t rows : {1, 8, 9}) {
    const OwnedProblem owned =
        gaussian_problem({.queries = rows, .keys = 4000, .head_dim = 12}, 10);
    for (const std::int64_t k : {1, 250, 2000}) expect_topk(owned.problem, k);
  }
}

// What a sample tells wrongly: all large scores in one place, or at a period of the sample's step.
TEST(TopkManyKeys, ScoresThatTheSampleMisses) {
  for (const bool periodic : {false, true}) {
    OwnedProblem owned = gaussian_problem({.queries = 30, .keys = 4096, .head_dim = 4}, 11);
    owned.query.for_each([&](auto b, auto h, auto i, auto c) {
      owned.query.set(b, h, i, c, c == 0 ? 1.0 + static_cast<double>(i) : 0.0);
    });
    owned.key.for_each([&](auto b, auto h, auto j, auto c) {
      const bool high = periodic ? j % 16 == 3 : j / 16 == 77;
      const double place = static_cast<double>(j) / 4096;
      if (c == 0) owned.key.set(b, h, j, c, high ? 2 + place : place);
    });
    owned.problem.scale = 1.0F;
    for (const std::int64_t k : {5, 100, 255, 257, 300, 2048}) expect_topk(owned.problem, k, false);
  }
}

// What was kept, as a mask of exact attention: its derivative is that of top-k attention.
TEST(TopkBackward, IsThatOfExactWithTheKeptKeysAsMask) {
  OwnedProblem owned = gaussian_problem(
      {.heads = 2, .kv_heads = 1, .queries = 25, .keys = 1500, .head_dim = 20}, 14);
  const Upstream upstream = random_upstream(owned.problem, 15, DType::f32);
  for (const Causal causal : {Causal::none, Causal::bottom_right})
    for (const std::int64_t k : {60, 700}) {
      SCOPED_TRACE(k);
      owned.problem.causal = causal;
      const PlainTopk plain(owned.problem, k);
      for (const double gap : plain.gap.values) ASSERT_GT(gap, 5e-7 * plain.max_score);
      Problem masked = owned.problem;
      masked.mask = {
          MaskKind::boolean, plain.kept.data(), {1, 2, 25, 1500}, {0, 25 * 1500, 1500, 1}};
      const ReferenceAttention reference(masked);
      const auto expected =
          reference.backward(read_tensor(upstream.out.view()), upstream.dense_lse());
      const std::string spec = "topk(k=" + std::to_string(k) + ")";
      on_every_isa([&] {
        const ForwardRun forward = run_forward(owned.problem, DType::f32, 2, {}, spec);
        BackwardRun run{TensorBuffer(DType::f32, owned.query.shape()),
                        TensorBuffer(DType::f32, owned.key.shape()),
                        TensorBuffer(DType::f32, owned.value.shape()),
                        {}};
        run.report = attend_backward(owned.problem, spec,
                                     backward_arguments(forward, upstream, run), {.threads = 2});
        EXPECT_LE(gradient_error(run, reference, expected, 0.1), 1e-5);
      });
    }
}

TEST(TopkEdges, OneKeyOrNone) {
  for (const std::int64_t keys : {0, 1, 2})
    for (const std::int64_t queries : {0, 1, 20}) {
      const OwnedProblem owned =
          gaussian_problem({.queries = queries, .keys = keys, .head_dim = 8}, 12);
      for (const std::int64_t k : {1, 2, 1000}) expect_topk(owned.problem, k);
    }
}

TEST(TopkEdges, HugeScores) {
  const OwnedProblem owned =
      gaussian_problem({.queries = 20, .keys = 1500, .head_dim = 8}, 13, DType::f32, 1e9);
  const MethodRun run = run_method(owned.problem, "topk(k=700)");
  const PlainTopk expected(owned.problem, 700);
  for_rows(owned.problem, [&](auto b, auto h, auto i) {
    for (std::int64_t c = 0; c < 8; ++c)  // one score is far above all others
      EXPECT_NEAR(run.out.get(b, h, i, c), expected.out.row(b, h, i)[c], 1e-5);
  });
}

}  // namespace
}  // namespace subquad::testing
