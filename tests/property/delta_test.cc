// delta: equal to plain loops in double precision, exact with a step of 1, its gradients those of
// the plain loops, strict, and the same bits whatever the threads.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "property/heavy_light_support.h"
#include "property/same_bits_support.h"
#include "support/gradient_differences.h"
#include "support/invalid.h"
#include "support/isa.h"
#include "support/plain_blocks.h"
#include "support/seeds.h"

namespace subquad::testing {
namespace {

constexpr ProblemLimits delta_limits{.max_length = 150, .max_head_dim = 48, .max_work = 700'000};

OwnedProblem causal_problem(std::int64_t queries, std::int64_t keys, DType type = DType::f32) {
  OwnedProblem owned = gaussian_problem(
      {.batch = 2, .heads = 4, .kv_heads = 2, .queries = queries, .keys = keys, .head_dim = 6}, 21,
      type, 0.9);
  owned.problem.causal = Causal::bottom_right;
  return owned;
}

// Base outputs and exact ones, joined by hand. The element mask may hide all from some rows.
double delta_error(const Problem& problem, const std::string& base, std::int64_t step) {
  const MethodRun run = run_method(problem, base + "+delta(step=" + std::to_string(step) + ")");
  const MethodRun own = run_method(problem, base);
  const MethodRun exact = run_method(problem, "exact");
  double error = 0;
  for (const SequenceRange& range : sequence_ranges(problem))
    for (std::int64_t b = 0; b < problem.query.batch(); ++b)
      for (std::int64_t h = 0; h < problem.query.heads(); ++h)
        for (std::int64_t i = range.query_begin; i < range.query_end; ++i) {
          const std::int64_t j = i - (i - range.query_begin) % step;
          const bool hidden = exact.lse.get(b, h, i, 0) == -HUGE_VAL;
          for (std::int64_t c = 0; c < problem.value.channels(); ++c) {
            const double change = exact.out.get(b, h, j, c) - own.out.get(b, h, j, c);
            const double expected = hidden ? 0 : own.out.get(b, h, i, c) + change;
            error = std::max(error, std::fabs(run.out.get(b, h, i, c) - expected));
          }
          const double lse = (i == j ? exact : own).lse.get(b, h, i, 0);
          if (run.lse.get(b, h, i, 0) != lse)
            error = std::max(error, std::fabs(run.lse.get(b, h, i, 0) - lse));
        }
  return error / std::max(1e-30, read_tensor(problem.value).max_abs());
}

TEST(Delta, AddsTheDifferenceOfTheLastExactRow) {
  std::int64_t tried = 0;
  for (const std::uint64_t seed : Seeds(3100, 24)) {
    OwnedProblem random = random_problem(seed, DType::f32, delta_limits);
    random.problem.window = {};
    random.problem.sink_logits = {};
    SCOPED_TRACE(random.description);
    for (const std::string base : {"sink(2)+window(9)", "topk(k=3)", "window(5)+prefix(m=7)"})
      for (const std::int64_t step : {1, 4, 7, 1000}) {
        SCOPED_TRACE(base + " " + std::to_string(step));
        EXPECT_LE(delta_error(random.problem, base, step), 5e-6);
        ++tried;
      }
  }
  EXPECT_GE(tried, 12);
}

TEST(Delta, IsWhatPlainLoopsGive) {
  const OwnedProblem owned = causal_problem(53, 60);
  const MethodRun run = run_method(owned.problem, "sink(2)+window(6)+delta(step=5)");
  for (const HeadProblem& head : split_heads(owned.problem)) {
    const PlainTensors tensors(head);
    const PlainBlocks plain(head, "sink(2)+window(6)", 0);
    for (std::int64_t i = 0; i < head.num_rows(); ++i) {
      const PlainRow row = plain.corrected_row(tensors, i, 5);
      const std::int64_t h = head.query_head(i), t = head.position(i);
      for (std::int64_t d = 0; d < head.value_dim(); ++d)
        EXPECT_NEAR(run.out.get(head.batch, h, t, d), row.out[at(d)], 1e-5);
      EXPECT_NEAR(run.lse.get(head.batch, h, t, 0), row.lse, 1e-5);
    }
  }
}

// Outputs of 2 bytes are rounded once, at the end.
TEST(Delta, StorageTypesOfTheOutput) {
  const OwnedProblem owned = causal_problem(53, 60, DType::f16);
  const std::string spec = "sink(2)+window(6)+delta(step=5)";
  const ForwardRun wide = run_forward(owned.problem, DType::f32, 1, {}, spec);
  for (const DType type : {DType::bf16, DType::f16}) {
    const ForwardRun run = run_forward(owned.problem, type, 1, {}, spec);
    const double unit = type == DType::bf16 ? std::ldexp(1.0, -8) : std::ldexp(1.0, -11);
    run.out.for_each([&](auto b, auto h, auto i, auto c) {
      const double expected = wide.out.get(b, h, i, c);
      EXPECT_NEAR(run.out.get(b, h, i, c), expected, unit * std::fabs(expected) + 1e-7);
    });
    EXPECT_TRUE(run.out.outside_untouched());
  }
}

TEST(Delta, StepOneIsExactAlsoBackward) {
  for (const std::uint64_t seed : Seeds(3200, 12)) {
    OwnedProblem random = random_problem(seed, DType::f32, delta_limits);
    random.problem.window = {};
    if (random.problem.query.length() == 0 || random.problem.key.length() == 0) continue;
    SCOPED_TRACE(random.description);
    const Upstream upstream = random_upstream(random.problem, seed, DType::f32);
    const MethodCase exact{random.problem, "exact", upstream},
        delta{random.problem, "sink(2)+window(9)+delta(step=1)", upstream};
    const BackwardRun a = backward_of(exact), b = backward_of(delta);
    EXPECT_LE(distance(b.query, a.query), 3e-5);
    EXPECT_LE(distance(b.key, a.key), 3e-5);
    EXPECT_LE(distance(b.value, a.value), 3e-5);
  }
}

TEST(Delta, GradientsAreThoseOfPlainLoops) {
  for (const std::int64_t step : {3, 5, 64}) {
    const OwnedProblem owned = causal_problem(31, 37);
    const std::string base = "sink(2)+window(6)";
    const Upstream upstream = random_upstream(owned.problem, 3, DType::f32);
    const std::string spec = base + "+delta(step=" + std::to_string(step) + ")";
    const MethodCase setup{owned.problem, spec, upstream};
    const double error = largest_error(setup, 25, [&](const HeadProblem& head) {
      return [step,
              plain = std::make_shared<PlainBlocks>(head, base, 0)](const PlainTensors& tensors) {
        return [&, step](std::int64_t i) { return plain->corrected_row(tensors, i, step); };
      };
    });
    EXPECT_LE(error, 2e-5) << step;
    expect_single_gradients(setup);
  }
}

TEST(Delta, OfPseudoKeysHasTheirGradients) {
  const OwnedProblem owned = causal_problem(31, 37);
  const Upstream upstream = random_upstream(owned.problem, 3, DType::f32);
  const MethodCase setup{owned.problem, "sink(2)+blockmean(block=4)+delta(step=5)", upstream};
  const double error = largest_error(setup, 25, [&](const HeadProblem& head) {
    return
        [plain = std::make_shared<PlainBlocks>(head, "sink(2)", 4)](const PlainTensors& tensors) {
          return [&](std::int64_t i) { return plain->corrected_row(tensors, i, 5); };
        };
  });
  EXPECT_LE(error, 2e-5);
}

TEST(Delta, ThreadsAndBatchChangeNoBit) {
  const OwnedProblem owned = causal_problem(500, 520);
  for (const std::string spec :
       {"delta(step=16)", "sink(2)+window(9)+delta(step=16)", "window(9)+prefix(m=9)+delta(step=7)",
        "hyper(always=true,block=16,m=9,window=8)+delta(step=16)"}) {
    SCOPED_TRACE(spec);
    check_threads(owned.problem, spec);
    check_batch(owned.problem, spec);
    const Upstream upstream = random_upstream(owned.problem, 3, DType::f32);
    const MethodCase setup{owned.problem, spec, upstream};
    const BackwardRun one = backward_of(setup, 1), three = backward_of(setup, 3);
    EXPECT_EQ(one.query.words(), three.query.words());
    EXPECT_EQ(one.key.words(), three.key.words());
    EXPECT_EQ(one.value.words(), three.value.words());
  }
}

// Rows between the exact ones have no estimate; heads that a recipe runs exactly stay as they are.
TEST(Delta, ReportsSayWhatRan) {
  const OwnedProblem owned = causal_problem(64, 64);
  const MethodRun run = run_method(owned.problem, "window(9)+prefix(m=5)+delta(step=16)");
  EXPECT_EQ(run.report.path.rfind("window+prefix+delta", 0), 0U) << run.report.path;
  EXPECT_TRUE(std::isnan(run.report.estimated_error));
  for (std::int64_t i = 0; i < 64; ++i)
    EXPECT_EQ(std::isnan(run.row_error.get(0, 0, i, 0)), i % 16 != 0) << i;
  const MethodRun far = run_method(owned.problem, "far+delta(step=16)");
  EXPECT_EQ(far.out.words(), run_method(owned.problem, "far").out.words());
  EXPECT_NE(far.report.path.find("exact"), std::string::npos);
}

TEST(Delta, BadParametersAndWindowsAreErrors) {
  OwnedProblem owned = causal_problem(9, 9);
  const auto run = [&](const std::string& spec) { run_method(owned.problem, spec); };
  expect_invalid("step", [&] { run("window(3)+delta(step=0)"); });
  expect_invalid("gamma", [&] { run("window(3)+delta(gamma=4)"); });
  expect_invalid("correction", [&] { run("window(3)+delta+delta"); });
  expect_invalid("exact", [&] { run("exact+delta"); });
  owned.problem.window.left = 4;
  expect_invalid("delta", [&] { run("window(3)+delta(step=4)"); });
}

}  // namespace
}  // namespace subquad::testing
