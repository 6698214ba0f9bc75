// antidiagonal and trishape against the entries that their definitions name.
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "property/heavy_light_support.h"
#include "property/same_bits_support.h"
#include "support/invalid.h"
#include "support/plain_antidiagonal.h"
#include "support/seeds.h"

namespace subquad::testing {
namespace {

struct TriShapeCase {
  std::int64_t sink, recent, last;
  std::string spec() const {
    return fmt::format("trishape(sink={},recent={},last={})", sink, recent, last);
  }
};

bool in_trishape(const TriShapeCase& shape, const Problem& problem, std::int64_t i,
                 std::int64_t j) {
  const std::int64_t queries = problem.query.length(), keys = problem.key.length();
  const bool causal = problem.causal != Causal::none;
  const bool right = causal ? problem.causal == Causal::bottom_right
                            : problem.window.alignment == Alignment::bottom_right;
  const std::int64_t at = i + (right ? keys - queries : 0);
  const std::int64_t before = causal ? shape.recent - 1 : shape.recent / 2;
  const std::int64_t after = causal ? 0 : (shape.recent - 1) / 2;
  return i >= queries - shape.last || j < shape.sink || (j >= at - before && j <= at + after);
}

// Each entry counts once if it is in the pattern; a row that has none is exact.
void check_trishape(const OwnedProblem& counting, const TriShapeCase& shape) {
  SCOPED_TRACE(shape.spec());
  const Problem& problem = counting.problem;
  const MethodRun run = run_method(problem, shape.spec());
  for_rows(problem, [&](std::int64_t b, std::int64_t h, std::int64_t i) {
    std::vector<double> expected, all;
    double sum = 0;
    for (std::int64_t j = 0; j < problem.key.length(); ++j) {
      all.push_back(visible(problem, b, h, i, j) ? 1.0 : 0.0);
      expected.push_back(in_trishape(shape, problem, i, j) ? all.back() : 0.0);
      sum += expected.back();
    }
    if (sum == 0) expected = all;
    for (std::int64_t j = 0; j < problem.key.length(); ++j)
      ASSERT_NEAR(weight(run, b, h, i, j), expected[static_cast<std::size_t>(j)], 1e-4)
          << "row " << i << ", key " << j;
  });
}

TEST(TriShape, HoldsTheEntriesOfItsDefinition) {
  for (const std::uint64_t seed : Seeds(1500, 40)) {
    const OwnedProblem counting = counting_problem(seed);
    SCOPED_TRACE(counting.description);
    for (const TriShapeCase& shape : {TriShapeCase{3, 5, 7}, {0, 1, 0}, {40, 30, 1}, {0, 9, 300}})
      check_trishape(counting, shape);
    if (HasFailure()) return;
  }
}

TEST(TriShape, ManyRecentKeysAreExact) {
  OwnedProblem owned =
      gaussian_problem({.heads = 2, .kv_heads = 1, .queries = 300, .keys = 300, .head_dim = 16}, 1);
  owned.problem.causal = Causal::top_left;
  const ReferenceAttention reference(owned.problem);
  for (const std::string spec : {"trishape(recent=300,last=0,sink=0)", "trishape(last=300)"})
    expect_forward(owned.problem, run_forward(owned.problem, DType::f32, 2, {}, spec), reference);
}

// Values are the identity: out holds the weights themselves.
OwnedProblem identity_values(const Dimensions& sizes, std::uint64_t seed, DType type,
                             double spread) {
  OwnedProblem owned = gaussian_problem(sizes, seed, type, spread);
  const Shape4& k = owned.key.shape();
  owned.value = TensorBuffer(type, {k[0], k[1], k[2], k[2]});
  owned.value.for_each(
      [&](auto b, auto h, auto j, auto c) { owned.value.set(b, h, j, c, j == c ? 1.0 : 0.0); });
  owned.problem.value = owned.value.view();
  return owned;
}

struct AntidiagonalScene {
  Dimensions sizes;
  Causal causal = Causal::none;
  std::int64_t left = -1;
};

// Returns how many blocks of queries left some of their keys out.
std::int64_t check_choice(const OwnedProblem& owned, const PlainAntidiagonal& plain) {
  const Problem& problem = owned.problem;
  const std::string spec = fmt::format("antidiagonal(block={},stride={},threshold={},strict={})",
                                       plain.block, plain.stride, plain.threshold, plain.strict);
  SCOPED_TRACE(spec);
  const MethodRun exact = run_method(problem, "exact"), run = run_method(problem, spec);
  std::int64_t sparse = 0;
  for_rows(problem, [&](std::int64_t b, std::int64_t h, std::int64_t i) {
    const auto choice = plain.choose(problem, b, h, i / plain.block * plain.block);
    if (choice.gap < 1e-5) return;
    double kept = 0, all = 0;
    const auto is_kept = [&](std::int64_t j) { return choice.blocks.contains(j / plain.block); };
    for (std::int64_t j = 0; j < problem.key.length(); ++j) {
      kept += is_kept(j) ? exact.out.get(b, h, i, j) : 0;
      all += exact.out.get(b, h, i, j);
    }
    sparse += i % plain.block == 0 && kept < 0.999 * all ? 1 : 0;
    if (kept == 0) return;  // a row that has none is exact
    for (std::int64_t j = 0; j < problem.key.length(); ++j)
      ASSERT_NEAR(run.out.get(b, h, i, j), is_kept(j) ? exact.out.get(b, h, i, j) / kept : 0, 2e-5)
          << "row " << i << ", key " << j;
  });
  return sparse;
}

TEST(Antidiagonal, KeepsTheBlocksOfItsDefinition) {
  const Dimensions square{
      .batch = 2, .heads = 4, .kv_heads = 2, .queries = 150, .keys = 150, .head_dim = 8};
  const Dimensions wide{.heads = 2, .queries = 70, .keys = 203, .head_dim = 12};
  const Dimensions tall{.heads = 2, .queries = 190, .keys = 90, .head_dim = 5};
  const std::vector<AntidiagonalScene> scenes{{square},
                                              {square, Causal::top_left},
                                              {square, Causal::bottom_right, 60},
                                              {wide},
                                              {wide, Causal::bottom_right},
                                              {wide, Causal::top_left},
                                              {tall, Causal::bottom_right},
                                              {{.queries = 5, .keys = 200}, Causal::bottom_right}};
  std::int64_t sparse = 0;
  std::uint64_t seed = 0;
  for (const AntidiagonalScene& scene : scenes)
    for (const bool strict : {true, false}) {
      OwnedProblem owned = identity_values(scene.sizes, ++seed, DType::f32, 1.6);
      owned.problem.causal = scene.causal;
      owned.problem.window.left = scene.left;
      for (const PlainAntidiagonal& plain : {PlainAntidiagonal{16, 4, 0.5, strict},
                                             {32, 8, 0.8, strict},
                                             {24, 3, 0.0, strict},
                                             {16, 16, 0.95, strict},
                                             {20, 1, 0.6, strict}})
        sparse += check_choice(owned, plain);
      if (HasFailure()) return;
    }
  EXPECT_GT(sparse, 500);
}

TEST(Antidiagonal, ThresholdOneIsExact) {
  for (const Causal causal : {Causal::none, Causal::top_left}) {
    OwnedProblem owned = gaussian_problem(
        {.heads = 2, .kv_heads = 1, .queries = 300, .keys = 300, .head_dim = 16}, 1, DType::f32, 4);
    owned.problem.causal = causal;
    expect_forward(owned.problem,
                   run_forward(owned.problem, DType::f32, 2, {}, "antidiagonal(threshold=1)"),
                   ReferenceAttention(owned.problem));
  }
}

// Keys that are ten times as long as others and parallel to all queries.
TEST(Antidiagonal, FindsTheBlockThatHoldsTheWeight) {
  OwnedProblem owned = gaussian_problem({.queries = 512, .keys = 512, .head_dim = 16}, 3);
  for (std::int64_t i = 0; i < 512; ++i) owned.query.set(0, 0, i, 0, 4.0);
  for (std::int64_t j = 320; j < 330; ++j) owned.key.set(0, 0, j, 0, 12.0);
  const ReferenceAttention reference(owned.problem);
  const MethodRun run = run_method(owned.problem, "antidiagonal(block=64,stride=8,threshold=0.5)");
  EXPECT_LE(relative_error(run.out, reference.out), 0.02);
  EXPECT_LE(run.report.scored_entries, 512 * 64);
}

// A key of NaN shows in all rows that see it, as in exact attention.
TEST(Antidiagonal, KeysThatAreNotFiniteAreKept) {
  for (const Causal causal : {Causal::none, Causal::top_left})
    for (const bool strict : {true, false}) {
      OwnedProblem owned = gaussian_problem({.queries = 200, .keys = 200, .head_dim = 8}, 4);
      owned.problem.causal = causal;
      owned.key.set(0, 0, 70, 3, std::nan(""));
      const MethodRun run = run_method(
          owned.problem,
          fmt::format("antidiagonal(block=16,stride=4,threshold=0.2,strict={})", strict));
      for (std::int64_t i = 0; i < 200; ++i)
        EXPECT_EQ(std::isnan(run.out.get(0, 0, i, 0)), causal == Causal::none || i >= 70) << i;
    }
}

TEST(RivalsThreads, GiveTheSameBits) {
  for (const Causal causal : {Causal::none, Causal::bottom_right}) {
    OwnedProblem owned = gaussian_problem(
        {.batch = 2, .heads = 4, .kv_heads = 2, .queries = 260, .keys = 300, .head_dim = 16}, 5);
    owned.problem.causal = causal;
    for (const std::string spec :
         {"antidiagonal(block=32,stride=8,threshold=0.6)",
          "antidiagonal(block=32,stride=8,threshold=0.6,strict=false)+sink(3)",
          "trishape(sink=9,recent=40,last=30)",
          "trishape(sink=9,recent=40,last=30)+uniform(m=20)"}) {
      check_threads(owned.problem, spec);
      check_batch(owned.problem, spec);
    }
  }
}

TEST(Rivals, BadArgumentsAreNamed) {
  const OwnedProblem owned = gaussian_problem({.queries = 3, .keys = 3}, 8);
  const auto refuse = [&](const std::string& spec, const std::string& what) {
    expect_invalid(what, [&] { run_method(owned.problem, spec); });
  };
  refuse("antidiagonal(block=100,stride=8)", "block = 100 must be a multiple of stride = 8");
  refuse("antidiagonal(block=8)", "block = 8");
  refuse("antidiagonal(stride=0)", "stride = 0");
  refuse("antidiagonal(threshold=1.5)", "threshold = 1.5");
  refuse("antidiagonal(threshold=nan)", "threshold = nan");
  refuse("antidiagonal(tau=1)", "unknown argument 'tau'");
  refuse("trishape(recent=0)", "recent = 0");
  refuse("trishape(sink=-1)", "sink = -1");
  refuse("trishape(last=1e3)", "last = 1e3");
}

}  // namespace
}  // namespace subquad::testing
