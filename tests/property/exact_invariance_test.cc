// Exact attention gives the same bits for any number of threads and any order of the batch.
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "subquad/attention.h"
#include "support/seeds.h"
#include "support/forward.h"
#include "support/isa.h"
#include "support/random_problem.h"

namespace subquad::testing {
namespace {

void expect_same_bits(const ForwardRun& a, const ForwardRun& b) {
  EXPECT_EQ(a.out.words(), b.out.words());
  EXPECT_EQ(a.lse.words(), b.lse.words());
}

void expect_thread_invariance(const Problem& problem) {
  on_every_isa([&] {
    const ForwardRun single = run_forward(problem, DType::f32, 1);
    for (const int threads : {2, 3, 7, 0}) {
      SCOPED_TRACE(threads);
      expect_same_bits(single, run_forward(problem, DType::f32, threads));
    }
  });
}

TEST(ExactInvariance, ThreadsOnRandomProblems) {
  for (const std::uint64_t seed : Seeds(7000, 60)) {
    const OwnedProblem random = random_problem(seed, seed % 2 == 0 ? DType::f32 : DType::f16);
    SCOPED_TRACE(random.description);
    expect_thread_invariance(random.problem);
  }
}

TEST(ExactInvariance, ThreadsOnOneLongHead) {
  OwnedProblem owned = gaussian_problem({.queries = 700, .keys = 3000, .head_dim = 64}, 1);
  expect_thread_invariance(owned.problem);
  owned.problem.causal = Causal::top_left;
  expect_thread_invariance(owned.problem);
}

TEST(ExactInvariance, ThreadsOnDecode) {
  for (const std::int64_t queries : {1, 3, 8}) {
    const OwnedProblem owned = gaussian_problem(
        {.heads = 6, .kv_heads = 2, .queries = queries, .keys = 9001, .head_dim = 64}, 2);
    expect_thread_invariance(owned.problem);
  }
}

// The problem with its batch run backwards, by negative strides.
TensorView reversed_batch(TensorView view) {
  if (view.dtype == DType::f32)
    view.data = static_cast<const float*>(view.data) + (view.shape[0] - 1) * view.stride[0];
  else
    view.data = static_cast<const std::uint16_t*>(view.data) + (view.shape[0] - 1) * view.stride[0];
  view.stride[0] = -view.stride[0];
  return view;
}

Mask reversed_batch(Mask mask) {
  if (mask.kind == MaskKind::none || mask.shape[0] == 1) return mask;
  const std::int64_t offset = (mask.shape[0] - 1) * mask.stride[0];
  if (mask.kind == MaskKind::additive)
    mask.data = static_cast<const float*>(mask.data) + offset;
  else
    mask.data = static_cast<const std::uint8_t*>(mask.data) + offset;
  mask.stride[0] = -mask.stride[0];
  return mask;
}

void expect_batches_reversed(const TensorBuffer& forward, const TensorBuffer& backward) {
  std::int64_t mismatches = 0;
  forward.for_each([&](auto b, auto h, auto i, auto c) {
    const double other = backward.get(forward.shape()[0] - 1 - b, h, i, c);
    mismatches += forward.get(b, h, i, c) == other ? 0 : 1;
  });
  EXPECT_EQ(mismatches, 0);
}

TEST(ExactInvariance, BatchReversed) {
  for (const std::uint64_t seed : Seeds(7100, 60)) {
    const OwnedProblem random = random_problem(seed, DType::f32);
    SCOPED_TRACE(random.description);
    Problem reversed = random.problem;
    for (TensorView* view : {&reversed.query, &reversed.key, &reversed.value})
      *view = reversed_batch(*view);
    reversed.mask = reversed_batch(random.problem.mask);
    on_every_isa([&] {
      const ForwardRun run = run_forward(random.problem, DType::f32, 2);
      const ForwardRun other = run_forward(reversed, DType::f32, 2);
      expect_batches_reversed(run.out, other.out);
      expect_batches_reversed(run.lse, other.lse);
    });
  }
}

TEST(ExactInvariance, OneBatchElementAloneGivesTheSameBits) {
  OwnedProblem owned = gaussian_problem(
      {.batch = 3, .heads = 4, .kv_heads = 2, .queries = 150, .keys = 333, .head_dim = 40}, 3);
  owned.problem.causal = Causal::bottom_right;
  Problem first = owned.problem;
  for (TensorView* view : {&first.query, &first.key, &first.value}) view->shape[0] = 1;
  on_every_isa([&] {
    const ForwardRun all = run_forward(owned.problem, DType::f32);
    const ForwardRun alone = run_forward(first, DType::f32);
    alone.out.for_each([&](auto b, auto h, auto i, auto c) {
      ASSERT_EQ(alone.out.get(b, h, i, c), all.out.get(b, h, i, c));
    });
  });
}

TEST(ExactMemory, ScratchStaysSmallAtAnyLength) {
  for (const std::int64_t queries : {1, 40}) {
    const OwnedProblem owned =
        gaussian_problem({.queries = queries, .keys = 60'000, .head_dim = 64}, 4, DType::bf16);
    const ForwardRun run = run_forward(owned.problem, DType::f32, 2);
    EXPECT_LT(run.report.peak_extra_bytes, 2 * (std::int64_t{32} << 20));
    EXPECT_EQ(run.report.fallback_rows, 0);
  }
}

}  // namespace
}  // namespace subquad::testing
