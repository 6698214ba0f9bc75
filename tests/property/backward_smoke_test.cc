// Properties of the exact backward that need no yardstick, and Inf and NaN at the edge.
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "subquad/attention.h"
#include "subquad/error.h"
#include "rows/backward_turns.h"
#include "support/backward.h"
#include "support/seeds.h"
#include "support/isa.h"
#include "support/random_problem.h"
#include "support/reference_attention.h"

namespace subquad::testing {
namespace {

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

Upstream upstream_of(const OwnedProblem& owned, std::uint64_t seed) {
  Upstream upstream = random_upstream(owned.problem, seed, DType::f32);
  upstream.with_lse = true;
  return upstream;
}

// Attention weights of a row sum to one: constant values and no gradient through lse leave the
// scores without influence, and the value gradients sum to the output gradients.
TEST(BackwardSmoke, ConstantValuesGiveNoScoreGradient) {
  OwnedProblem owned =
      gaussian_problem({.heads = 2, .kv_heads = 2, .queries = 133, .keys = 211, .head_dim = 24}, 1);
  owned.value.fill([] { return 0.75; });
  Upstream upstream = upstream_of(owned, 2);
  upstream.with_lse = false;
  on_every_isa([&] {
    const BackwardRun run =
        run_backward(owned.problem, run_forward(owned.problem, DType::f32), upstream);
    run.query.for_each(
        [&](auto b, auto h, auto i, auto c) { EXPECT_NEAR(run.query.get(b, h, i, c), 0.0, 1e-5); });
    for (std::int64_t c = 0; c < 24; ++c) {
      double difference = 0;
      for (std::int64_t i = 0; i < 133; ++i) difference += upstream.out.get(0, 1, i, c);
      for (std::int64_t j = 0; j < 211; ++j) difference -= run.value.get(0, 1, j, c);
      EXPECT_NEAR(difference, 0.0, 2e-4);
    }
  });
}

enum class Poisoned : std::uint8_t { query, key, value, grad_out };

TensorBuffer& tensor_of(OwnedProblem& owned, Upstream& upstream, Poisoned which) {
  if (which == Poisoned::query) return owned.query;
  if (which == Poisoned::key) return owned.key;
  return which == Poisoned::value ? owned.value : upstream.out;
}

// The reference shows where a NaN may arrive: there, and nowhere else.
void check_poison(std::uint64_t seed, Poisoned which) {
  OwnedProblem random = random_problem(seed, DType::f32, {.max_work = 2'000'000});
  Upstream upstream = upstream_of(random, seed);
  TensorBuffer& tensor = tensor_of(random, upstream, which);
  const Shape4& shape = tensor.shape();
  if (shape[0] * shape[1] * shape[2] == 0) return;
  Draw draw(seed);
  for (int n = 0; n < 3; ++n)
    tensor.set(draw.integer(0, shape[0] - 1), draw.integer(0, shape[1] - 1),
               draw.integer(0, shape[2] - 1), draw.integer(0, shape[3] - 1), nan_value);
  SCOPED_TRACE(random.description);
  const ReferenceAttention reference(random.problem);
  const auto expected = reference.backward(read_tensor(upstream.out.view()), upstream.dense_lse());
  on_every_isa([&] {
    const BackwardRun run =
        run_backward(random.problem, run_forward(random.problem, DType::f32), upstream, 2);
    EXPECT_LE(gradient_error(run, reference, expected, 1e-2), 1e-5);
  });
}

TEST(BackwardSmoke, NanReachesOnlyWhatSeesIt) {
  for (const Poisoned which :
       {Poisoned::query, Poisoned::key, Poisoned::value, Poisoned::grad_out}) {
    SCOPED_TRACE(static_cast<int>(which));
    for (const std::uint64_t seed : Seeds(60'000, 16)) check_poison(seed, which);
  }
}

// Padding keys and values may hold anything.
TEST(BackwardSmoke, GarbageInMaskedKeysDoesNotMatter) {
  OwnedProblem owned =
      gaussian_problem({.heads = 2, .kv_heads = 1, .queries = 150, .keys = 130, .head_dim = 40}, 3);
  std::vector<std::uint8_t> padding(130, 1);
  std::fill(padding.begin() + 100, padding.end(), std::uint8_t{0});
  owned.problem.mask = {MaskKind::boolean, padding.data(), {1, 1, 1, 130}, {130, 130, 130, 1}};
  const Upstream upstream = upstream_of(owned, 4);
  on_every_isa([&] {
    const BackwardRun clean =
        run_backward(owned.problem, run_forward(owned.problem, DType::f32), upstream);
    OwnedProblem dirty = gaussian_problem(
        {.heads = 2, .kv_heads = 1, .queries = 150, .keys = 130, .head_dim = 40}, 3);
    dirty.problem.mask = owned.problem.mask;
    for (std::int64_t j = 100; j < 130; ++j) {
      dirty.key.set(0, 0, j, j % 40, j % 2 == 0 ? nan_value : HUGE_VAL);
      dirty.value.set(0, 0, j, j % 40, j % 3 == 0 ? nan_value : -HUGE_VAL);
    }
    const BackwardRun run =
        run_backward(dirty.problem, run_forward(dirty.problem, DType::f32), upstream);
    EXPECT_EQ(run.query.words(), clean.query.words());
    EXPECT_EQ(run.key.words(), clean.key.words());
    EXPECT_EQ(run.value.words(), clean.value.words());
  });
}

// Large enough for full key blocks, smaller ones at the end, and several blocks of rows.
TEST(BackwardSmoke, ManyBlocksMatchTheDefinition) {
  for (const Causal causal : {Causal::none, Causal::bottom_right}) {
    OwnedProblem owned = gaussian_problem(
        {.heads = 2, .kv_heads = 1, .queries = 260, .keys = 7013, .head_dim = 24}, 5);
    owned.problem.causal = causal;
    owned.problem.window.left = causal == Causal::none ? -1 : 5000;
    const Upstream upstream = upstream_of(owned, 6);
    const ReferenceAttention reference(owned.problem);
    const auto expected =
        reference.backward(read_tensor(upstream.out.view()), upstream.dense_lse());
    const ForwardRun forward = run_forward(owned.problem, DType::f32);
    const BackwardRun run = run_backward(owned.problem, forward, upstream, 3);
    EXPECT_LE(gradient_error(run, reference, expected, 1e-2), 1e-5);
    EXPECT_EQ(run.report.path, "exact:backward");
    EXPECT_EQ(run.report.rows, 520);
    EXPECT_GT(run.report.scored_entries, 520 * 1000);
    EXPECT_GT(run.report.peak_extra_bytes, 0);
    EXPECT_LT(run.report.peak_extra_bytes, 3 * (32 << 20));
  }
}

TEST(BackwardSmoke, EmptySidesGiveZeros) {
  for (const auto& [queries, keys] : {std::array<std::int64_t, 2>{5, 0}, {0, 5}, {0, 0}}) {
    const OwnedProblem owned = gaussian_problem({.queries = queries, .keys = keys}, 7);
    const Upstream upstream = upstream_of(owned, 8);
    const BackwardRun run =
        run_backward(owned.problem, run_forward(owned.problem, DType::f32), upstream);
    for (const TensorBuffer* gradient : {&run.query, &run.key, &run.value})
      gradient->for_each(
          [&](auto b, auto h, auto i, auto c) { EXPECT_EQ(gradient->get(b, h, i, c), 0.0); });
  }
}

// Groups of rows in parallel, with more keys in a batch of them than may wait for its turn.
TEST(BackwardSmoke, MethodsGiveTheSameBitsOnManyThreads) {
  const OwnedProblem owned = gaussian_problem({.queries = 700, .keys = 4100, .head_dim = 8}, 11);
  const Upstream upstream = upstream_of(owned, 12);
  for (const std::string spec : {"sortlsh(block=60,rounds=2)+sink(3)+uniform(m=40)",
                                 "window(3900)+uniform(m=9)", "window(5)"}) {
    SCOPED_TRACE(spec);
    const ForwardRun forward = run_forward(owned.problem, DType::f32, 4, {}, spec);
    const auto backward = [&](int threads) {
      BackwardRun run{TensorBuffer(DType::f32, owned.query.shape()),
                      TensorBuffer(DType::f32, owned.key.shape()),
                      TensorBuffer(DType::f32, owned.value.shape()),
                      {}};
      attend_backward(owned.problem, spec, backward_arguments(forward, upstream, run),
                      {.threads = threads});
      return run;
    };
    const BackwardRun single = backward(1), several = backward(4);
    EXPECT_EQ(single.query.words(), several.query.words());
    EXPECT_EQ(single.key.words(), several.key.words());
    EXPECT_EQ(single.value.words(), several.value.words());
  }
}

TEST(BackwardSmoke, AFailureReleasesThoseWhoWait) {
  Turns turns(2);
  turns.start(0, 3);
  EXPECT_TRUE(turns.wait(0, 3));
  bool in_turn = false;
  std::thread next([&] { in_turn = turns.wait(0, 4); });
  turns.pass_on(0);
  next.join();
  EXPECT_TRUE(in_turn);
  bool never = true;
  std::thread last([&] { never = turns.wait(1, 1); });
  EXPECT_THROW(turns.guard([] { throw std::runtime_error("a worker fails"); }), std::runtime_error);
  last.join();
  EXPECT_FALSE(never);
}

std::string complaint(const Problem& problem, const BackwardArguments& arguments) {
  try {
    attend_backward(problem, arguments);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
    return error.what();
  }
  return "none";
}

TEST(BackwardSmoke, BadArgumentsAreNamed) {
  const OwnedProblem owned = gaussian_problem({.queries = 6, .keys = 9}, 9);
  const Upstream upstream = upstream_of(owned, 10);
  const ForwardRun forward = run_forward(owned.problem, DType::f32);
  BackwardRun run = run_backward(owned.problem, forward, upstream);
  const BackwardArguments good = backward_arguments(forward, upstream, run);
  BackwardArguments bad = good;
  bad.grad_out.shape[3] = 7;
  EXPECT_EQ(complaint(owned.problem, bad), "grad_out: shape is (1, 1, 6, 7), must be (1, 1, 6, 8)");
  bad = good;
  bad.lse.dtype = DType::bf16;
  EXPECT_EQ(complaint(owned.problem, bad), "lse: must be f32, not bf16");
  bad = good;
  bad.grad_lse.shape[2] = 5;
  EXPECT_EQ(complaint(owned.problem, bad), "grad_lse: shape is (1, 1, 5, 1), must be (1, 1, 6, 1)");
  bad = good;
  bad.grad_key.shape[2] = 8;
  EXPECT_EQ(complaint(owned.problem, bad), "grad_key: shape is (1, 1, 8, 8), must be (1, 1, 9, 8)");
  bad = good;
  bad.grad_query.data = bad.grad_key.data = bad.grad_value.data = nullptr;
  EXPECT_EQ(complaint(owned.problem, bad),
            "grad_query, grad_key, grad_value: none has data, ask for at least one");
}

}  // namespace
}  // namespace subquad::testing
