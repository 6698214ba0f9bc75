// The hyper recipe: what it chooses, and that the choice is what runs, forward and backward.
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "heavy_light_support.h"
#include "subquad/error.h"
#include "subquad/given.h"
#include "support/backward.h"

namespace subquad::testing {
namespace {

const std::string small = "block=16,m=16,bits=4,window=16,base=32";
const std::string blocks = "sortlsh(block=16,bits=4)";

OwnedProblem problem_of(std::int64_t n, Causal causal) {
  OwnedProblem owned = gaussian_problem({.queries = n, .keys = n, .head_dim = 8}, 3);
  owned.problem.causal = causal;
  return owned;
}

std::string path_of(std::int64_t n, Causal causal, const std::string& arguments) {
  const OwnedProblem owned = problem_of(n, causal);
  return run_method(owned.problem, "hyper(" + small + arguments + ")").report.path;
}

TEST(Hyper, ChoosesByMaskAndLength) {
  EXPECT_EQ(path_of(1000, Causal::none, ""), "hyper:sortlsh+prefix");
  EXPECT_EQ(path_of(1000, Causal::none, ",sample=shared"), "hyper:sortlsh+uniform");
  EXPECT_EQ(path_of(1000, Causal::top_left, ""), "hyper:window+sortlsh+prefix");
  EXPECT_EQ(path_of(1000, Causal::bottom_right, ",causal=recursion"), "hyper:recursion");
  EXPECT_EQ(path_of(50, Causal::none, ""), "hyper:exact:packed");
  EXPECT_EQ(path_of(100, Causal::top_left, ""), "hyper:exact:packed");
  EXPECT_EQ(path_of(50, Causal::none, ",always=true"), "hyper:sortlsh+prefix");
}

// A window leaves a row few keys: exact, whatever the length. Its rows have no prefix to recurse
// on.
TEST(Hyper, CountsTheKeysThatRowsSee) {
  OwnedProblem owned = problem_of(2000, Causal::none);
  owned.problem.window = {60, 60, Alignment::top_left};
  EXPECT_EQ(run_method(owned.problem, "hyper(" + small + ")").report.path, "hyper:exact:packed");
  owned.problem.window = {700, 700, Alignment::top_left};
  EXPECT_EQ(run_method(owned.problem, "hyper(causal=recursion," + small + ")").report.path,
            "hyper:window+sortlsh+prefix");
}

struct Choice {
  Causal causal;
  std::string recipe, spec;
};

const std::vector<Choice> choices{
    {Causal::none, "hyper(" + small + ")", blocks + "+prefix(16)"},
    {Causal::none, "sink(4)+hyper(sample=shared," + small + ")",
     "sink(4)+" + blocks + "+uniform(16)"},
    {Causal::top_left, "hyper(" + small + ")", "window(16)+" + blocks + "+prefix(32)"},
    {Causal::top_left, "hyper(causal=recursion," + small + ")",
     "recursion(block=16,m=16,bits=4,base=32)"}};

TEST(Hyper, RunsWhatItChose) {
  for (const Choice& choice : choices) {
    SCOPED_TRACE(choice.recipe);
    const OwnedProblem owned = problem_of(1000, choice.causal);
    const MethodRun recipe = run_method(owned.problem, choice.recipe, 2, 9);
    const MethodRun parts = run_method(owned.problem, choice.spec, 1, 9);
    EXPECT_EQ(recipe.out.words(), parts.out.words());
    EXPECT_EQ(recipe.row_error.words(), parts.row_error.words());
    EXPECT_EQ(recipe.report.scored_entries, parts.report.scored_entries);
  }
}

BackwardRun backward_of(const Problem& problem, const std::string& spec) {
  const ForwardRun forward = run_forward(problem, DType::f32, 1, {}, spec);
  const Upstream upstream = random_upstream(problem, 4, DType::f32);
  BackwardRun run{TensorBuffer(DType::f32, problem.query.shape),
                  TensorBuffer(DType::f32, problem.key.shape),
                  TensorBuffer(DType::f32, problem.value.shape),
                  {}};
  run.report = attend_backward(problem, spec, backward_arguments(forward, upstream, run), {});
  return run;
}

TEST(Hyper, HasTheGradientOfWhatItChose) {
  for (const Choice& choice : choices) {
    SCOPED_TRACE(choice.recipe);
    const OwnedProblem owned = problem_of(1000, choice.causal);
    const BackwardRun recipe = backward_of(owned.problem, choice.recipe);
    const BackwardRun parts = backward_of(owned.problem, choice.spec);
    EXPECT_EQ(recipe.query.words(), parts.query.words());
    EXPECT_EQ(recipe.key.words(), parts.key.words());
    EXPECT_EQ(recipe.value.words(), parts.value.words());
  }
}

// Packed sequences of different lengths go their own ways.
TEST(Hyper, ChoosesForEachSequence) {
  OwnedProblem owned = problem_of(1040, Causal::none);
  const std::vector<std::int64_t> starts{0, 40, 1040};
  owned.problem.query_offsets = owned.problem.key_offsets = starts;
  const MethodRun both = run_method(owned.problem, "hyper(" + small + ")");
  EXPECT_EQ(both.report.path, "hyper:exact:packed|sortlsh+prefix");
  const MethodRun exact = run_method(owned.problem, "exact");
  const MethodRun parts = run_method(owned.problem, blocks + "+prefix(16)");
  for (std::int64_t i = 0; i < 1040; ++i) {
    const MethodRun& expected = i < 40 ? exact : parts;
    for (std::int64_t c = 0; c < 8; ++c)
      ASSERT_NEAR(both.out.get(0, 0, i, c), expected.out.get(0, 0, i, c), 1e-6) << "row " << i;
  }
}

TEST(Hyper, TakesGivenMasks) {
  const OwnedProblem owned = problem_of(300, Causal::none);
  GivenMask mask;
  mask.kind = GivenKind::blocks;
  mask.query_block_size = mask.key_block_size = 300;
  const BlockPair all;
  mask.blocks = {&all, 1};
  const Shape4 shape{1, 1, 300, 8};
  TensorBuffer out(DType::f32, shape);
  Options options;
  options.given = {&mask, 1};
  attend(owned.problem, "given(0)+hyper(" + small + ",always=true)", {out.mutable_view(), {}, {}},
         options);
  const MethodRun exact = run_method(owned.problem, "exact");
  for (std::int64_t i = 0; i < 300; ++i)
    for (std::int64_t c = 0; c < 8; ++c)
      ASSERT_NEAR(out.get(0, 0, i, c), exact.out.get(0, 0, i, c), 1e-5);
}

TEST(Hyper, RefusesWhatItCannotTake) {
  const OwnedProblem owned = problem_of(10, Causal::none);
  for (const std::string spec : {"hyper+uniform", "uniform+hyper", "hyper+hyper", "hyper+recursion",
                                 "exact+hyper", "hyper(causal=both)", "hyper(m=0)",
                                 "hyper(sample=mine)", "hyper(unknown=1)", "hyper+nothing"})
    EXPECT_THROW(run_method(owned.problem, spec), Error) << spec;
}

}  // namespace
}  // namespace subquad::testing
