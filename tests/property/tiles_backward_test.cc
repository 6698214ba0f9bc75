// The backward of bf16 inputs on tiles: its error bound, hidden and non-finite entries, threads, on
// the model of the tile instructions and on AMX, which must give the model's bits.
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "subquad/attention.h"
#include "support/backward.h"
#include "support/forward.h"
#include "support/random_problem.h"
#include "support/reference_attention.h"
#include "support/seeds.h"
#include "support/tile_engines.h"

namespace subquad::testing {
namespace {

bool ran_on_tiles(const Report& report) { return report.path.find("bf16-") != std::string::npos; }

void expect_same_gradients(const BackwardRun& a, const BackwardRun& b) {
  EXPECT_TRUE(a.query.words() == b.query.words());
  EXPECT_TRUE(a.key.words() == b.key.words());
  EXPECT_TRUE(a.value.words() == b.value.words());
}

TEST(TilesBackward, IsOffByItsRounding) {
  std::int64_t on_tiles = 0;
  const Seeds seeds(9600, 120);
  for (const std::uint64_t seed : seeds) {
    const OwnedProblem random =
        random_problem(seed, DType::bf16, {.max_length = 200, .max_work = 1'500'000});
    SCOPED_TRACE(random.description);
    const Upstream upstream =
        random_upstream(random.problem, seed, seed % 2 == 0 ? DType::f32 : DType::bf16);
    const ReferenceAttention reference(random.problem);
    const auto expected =
        reference.backward(read_tensor(upstream.out.view()), upstream.dense_lse());
    std::vector<BackwardRun> runs;
    const auto run_and_check = [&] {
      const ForwardRun forward = run_forward(random.problem, DType::f32);
      runs.push_back(run_backward(random.problem, forward, upstream));
      EXPECT_LE(gradient_error_beyond(forward, upstream, runs.back(), reference, expected, 0.1),
                1e-5);
    };
    on_every_tile_engine(run_and_check);
    if (runs.size() > 1) expect_same_gradients(runs[0], runs[1]);
    if (dot_hardware() != nullptr) {
      const TileEngineScope scope(*dot_hardware());
      run_and_check();
    }
    on_tiles += ran_on_tiles(runs[0].report) ? 1 : 0;
    if (HasFailure()) return;
  }
  EXPECT_GT(on_tiles, seeds.count() / 4);
}

// In the mean square far less than the bound: rounding errors cancel. More than a block of rows and
// of keys.
TEST(TilesBackward, ErrorInTheMeanSquare) {
  for (const double spread : {1.0, 2.0, 4.0}) {
    const OwnedProblem owned =
        gaussian_problem({.queries = 300, .keys = 500, .head_dim = 64}, 13, DType::bf16, spread);
    Upstream upstream = random_upstream(owned.problem, 14, DType::f32);
    const ReferenceAttention reference(owned.problem);
    const auto expected =
        reference.backward(read_tensor(upstream.out.view()), upstream.dense_lse());
    on_every_tile_engine([&] {
      const ForwardRun forward = run_forward(owned.problem, DType::f32);
      const BackwardRun run = run_backward(owned.problem, forward, upstream);
      ASSERT_TRUE(ran_on_tiles(run.report));
      EXPECT_LE(relative_error(run.query, expected.query), 0.005);
      EXPECT_LE(relative_error(run.key, expected.key), 0.005);
      EXPECT_LE(relative_error(run.value, expected.value), 0.005);
    });
  }
}

OwnedProblem masked_problem(const std::vector<std::uint8_t>& mask) {
  OwnedProblem owned =
      gaussian_problem({.queries = 70, .keys = 200, .head_dim = 32}, 7, DType::bf16);
  owned.problem.mask = {MaskKind::boolean, mask.data(), {1, 1, 1, 200}, {200, 200, 200, 1}};
  return owned;
}

// Bits, not only values: what is hidden must not send a row the other way.
TEST(TilesBackward, WhatIsHiddenChangesNoBit) {
  std::vector<std::uint8_t> mask(200, 1);
  for (std::size_t j = 150; j < 200; ++j) mask[j] = 0;
  for (const double value : {std::nan(""), HUGE_VAL, 1e30}) {
    OwnedProblem owned = masked_problem(mask);
    const Upstream upstream = random_upstream(owned.problem, 3, DType::f32);
    on_every_tile_engine([&] {
      const ForwardRun forward = run_forward(owned.problem, DType::f32);
      const BackwardRun before = run_backward(owned.problem, forward, upstream);
      EXPECT_TRUE(ran_on_tiles(before.report));
      for (std::int64_t j = 150; j < 200; j += 7) {
        owned.key.set(0, 0, j, 5, value);
        owned.value.set(0, 0, j, 6, value);
      }
      expect_same_gradients(before, run_backward(owned.problem, forward, upstream));
    });
  }
}

// Later tokens, under a causal mask: rows before them keep their bits, those that see them go in
// f32 and their gradients are what they are there.
TEST(TilesBackward, NonFiniteKeysReachTheRowsThatSeeThem) {
  OwnedProblem owned =
      gaussian_problem({.queries = 200, .keys = 200, .head_dim = 32}, 17, DType::bf16);
  owned.problem.causal = Causal::bottom_right;
  const Upstream upstream = random_upstream(owned.problem, 3, DType::f32);
  on_every_tile_engine([&] {
    const ForwardRun forward = run_forward(owned.problem, DType::f32);
    const BackwardRun before = run_backward(owned.problem, forward, upstream);
    owned.key.set(0, 0, 120, 4, std::nan(""));
    const ForwardRun poisoned = run_forward(owned.problem, DType::f32);
    const BackwardRun after = run_backward(owned.problem, poisoned, upstream);
    after.query.for_each([&](auto b, auto h, auto i, auto c) {
      if (i < 120)
        ASSERT_EQ(after.query.get(b, h, i, c), before.query.get(b, h, i, c)) << i;
      else
        ASSERT_TRUE(std::isnan(after.query.get(b, h, i, c))) << i;
    });
    owned.key.set(0, 0, 120, 4, 0.5);
  });
}

// Queries and output gradients beyond the tiles' limits: their rows go in f32, to the same bound.
TEST(TilesBackward, RowsBeyondTheLimitsGoTheOtherWay) {
  OwnedProblem owned =
      gaussian_problem({.queries = 90, .keys = 100, .head_dim = 16}, 21, DType::bf16);
  owned.query.set(0, 0, 40, 3, 3000);
  Upstream upstream = random_upstream(owned.problem, 22, DType::f32);
  upstream.out.set(0, 0, 50, 2, 0x1p31);
  upstream.out.set(0, 0, 51, 2, 0x1p-140);
  const ReferenceAttention reference(owned.problem);
  const auto expected = reference.backward(read_tensor(upstream.out.view()), upstream.dense_lse());
  on_every_tile_engine([&] {
    const ForwardRun forward = run_forward(owned.problem, DType::f32);
    const BackwardRun run = run_backward(owned.problem, forward, upstream);
    EXPECT_TRUE(ran_on_tiles(run.report));
    EXPECT_LE(gradient_error_beyond(forward, upstream, run, reference, expected, 0.1), 1e-5);
  });
}

// The first batch element of `from`.
void copy_first(const TensorBuffer& from, TensorBuffer& to) {
  to.for_each([&](auto b, auto h, auto i, auto c) { to.set(b, h, i, c, from.get(b, h, i, c)); });
}

TEST(TilesBackward, ThreadsAndBatchesGiveTheSameBits) {
  OwnedProblem owned = gaussian_problem(
      {.batch = 2, .heads = 4, .kv_heads = 2, .queries = 300, .keys = 600, .head_dim = 40}, 10,
      DType::bf16);
  owned.problem.causal = Causal::bottom_right;
  Problem first = owned.problem;
  for (TensorView* view : {&first.query, &first.key, &first.value}) view->shape[0] = 1;
  const Upstream upstream = random_upstream(owned.problem, 11, DType::f32);
  Upstream first_upstream = random_upstream(first, 11, DType::f32);
  copy_first(upstream.out, first_upstream.out);
  copy_first(upstream.lse, first_upstream.lse);
  on_every_tile_engine([&] {
    const ForwardRun forward = run_forward(owned.problem, DType::f32);
    const BackwardRun all = run_backward(owned.problem, forward, upstream, 1);
    for (const int threads : {2, 3, 7})
      expect_same_gradients(all, run_backward(owned.problem, forward, upstream, threads));
    const BackwardRun alone = run_backward(first, run_forward(first, DType::f32), first_upstream);
    BackwardRun part = run_backward(first, run_forward(first, DType::f32), first_upstream);
    copy_first(all.query, part.query);
    copy_first(all.key, part.key);
    copy_first(all.value, part.value);
    expect_same_gradients(alone, part);
  });
}

// Each gradient alone is that of all.
TEST(TilesBackward, SingleGradientsAreThoseOfAll) {
  const OwnedProblem owned =
      gaussian_problem({.queries = 90, .keys = 100, .head_dim = 16}, 31, DType::bf16);
  const Upstream upstream = random_upstream(owned.problem, 32, DType::f32);
  on_every_tile_engine([&] {
    const ForwardRun forward = run_forward(owned.problem, DType::f32);
    BackwardRun all = run_backward(owned.problem, forward, upstream);
    for (const int wanted : {0, 1, 2}) {
      BackwardRun one = run_backward(owned.problem, forward, upstream);
      TensorBuffer* const buffers[] = {&one.query, &one.key, &one.value};
      const TensorBuffer* const expected[] = {&all.query, &all.key, &all.value};
      BackwardArguments arguments = backward_arguments(forward, upstream, one);
      if (wanted != 0) arguments.grad_query = {};
      if (wanted != 1) arguments.grad_key = {};
      if (wanted != 2) arguments.grad_value = {};
      attend_backward(owned.problem, arguments);
      EXPECT_TRUE(buffers[wanted]->words() == expected[wanted]->words()) << wanted;
    }
  });
}

// Where another method runs exactly, report and bits are exact's.
TEST(TilesBackward, MethodsThatRunExactlyDoWhatExactDoes) {
  const OwnedProblem owned =
      gaussian_problem({.queries = 90, .keys = 100, .head_dim = 16}, 41, DType::bf16);
  const Upstream upstream = random_upstream(owned.problem, 42, DType::f32);
  on_every_tile_engine([&] {
    const BackwardRun exact =
        run_backward(owned.problem, run_forward(owned.problem, DType::f32), upstream);
    EXPECT_TRUE(ran_on_tiles(exact.report)) << exact.report.path;
    for (const char* spec : {"far", "hyper"}) {
      const ForwardRun forward = run_forward(owned.problem, DType::f32, 1, {}, spec);
      BackwardRun run = run_backward(owned.problem, forward, upstream);
      run.query.fill([] { return 1.0; });
      const Report report =
          attend_backward(owned.problem, spec, backward_arguments(forward, upstream, run), {});
      EXPECT_NE(report.path.find("exact:bf16-"), std::string::npos) << report.path;
      expect_same_gradients(exact, run);
    }
  });
}

}  // namespace
}  // namespace subquad::testing
