// The exact backward against the definition in double precision and against finite differences.
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "subquad/attention.h"
#include "support/backward.h"
#include "support/isa.h"
#include "support/random_problem.h"
#include "support/reference_attention.h"

namespace subquad::testing {
namespace {

constexpr std::uint64_t problems_per_shard = 10;
// A row that sees one key has no gradient but rounding: with normal upstream gradients, a tenth
// counts as the smallest scale.
constexpr double smallest_gradient = 0.1;

// The rest is what a rounded output costs, through sum(out * grad_out).
double backward_tolerance(DType out_type) {
  if (out_type == DType::bf16) return 4e-3;
  return out_type == DType::f16 ? 6e-4 : 1e-5;
}

void check_random_problem(std::uint64_t seed) {
  const std::array types{DType::f32, DType::bf16, DType::f16};
  const DType type = types[seed % 3];
  const DType out_type = seed % 2 == 0 ? type : DType::f32;
  const OwnedProblem random = random_problem(seed + 20'000, type, {.max_work = 8'000'000});
  SCOPED_TRACE(random.description);
  Draw draw(seed);
  Layout layout = random_layout(draw);
  layout.guard = 40;
  const Upstream upstream = random_upstream(random.problem, seed, out_type, layout);
  const ReferenceAttention reference(random.problem);
  const auto expected = reference.backward(read_tensor(upstream.out.view()), upstream.dense_lse());
  on_every_isa([&] {
    const ForwardRun forward = run_forward(random.problem, out_type, 2, layout);
    const BackwardRun run = run_backward(random.problem, forward, upstream, 2, layout);
    EXPECT_LE(gradient_error_beyond(forward, upstream, run, reference, expected, smallest_gradient),
              backward_tolerance(out_type));
    EXPECT_TRUE(run.query.outside_untouched());
    EXPECT_TRUE(run.key.outside_untouched());
    EXPECT_TRUE(run.value.outside_untouched());
  });
}

class ExactBackward : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(ExactBackward, RandomProblemsMatchTheDefinition) {
  for (std::uint64_t n = 0; n < problems_per_shard; ++n) {
    check_random_problem(GetParam() * problems_per_shard + n);
    if (HasFailure()) return;
  }
}
INSTANTIATE_TEST_SUITE_P(Shards, ExactBackward, ::testing::Range<std::uint64_t>(0, 18));

double loss(const Problem& problem, const Upstream& upstream) {
  const ReferenceAttention reference(problem);
  const DenseTensor lse_weight = upstream.dense_lse();
  double sum = 0;
  upstream.out.for_each([&](auto b, auto h, auto i, auto c) {
    sum += upstream.out.get(b, h, i, c) * reference.out.row(b, h, i)[c];
  });
  for (std::size_t n = 0; n < lse_weight.values.size(); ++n)
    if (std::isfinite(reference.lse.values[n]))
      sum += lse_weight.values[n] * reference.lse.values[n];
  return sum;
}

// Central differences of the loss in every element of one of the problem's tensors.
DenseTensor finite_differences(const Problem& problem, TensorBuffer& tensor,
                               const Upstream& upstream) {
  DenseTensor gradient(tensor.shape());
  tensor.for_each([&](auto b, auto h, auto i, auto c) {
    const double value = tensor.get(b, h, i, c);
    const double step = std::ldexp(1.0, -11);
    tensor.set(b, h, i, c, value + step);
    const double above = tensor.get(b, h, i, c);
    const double loss_above = loss(problem, upstream);
    tensor.set(b, h, i, c, value - step);
    const double below = tensor.get(b, h, i, c);
    gradient.row(b, h, i)[c] = (loss_above - loss(problem, upstream)) / (above - below);
    tensor.set(b, h, i, c, value);
  });
  return gradient;
}

double relative_difference(const DenseTensor& a, const DenseTensor& b) {
  double largest = 0;
  for (std::size_t n = 0; n < a.values.size(); ++n)
    largest = std::max(largest, std::fabs(a.values[n] - b.values[n]));
  return largest / std::max(b.max_abs(), smallest_gradient);
}

TEST(ExactBackwardSmall, FiniteDifferencesAgree) {
  const ProblemLimits limits{.max_length = 6, .max_head_dim = 5, .max_work = 4000};
  for (std::uint64_t seed = 40'000; seed < 40'060; ++seed) {
    OwnedProblem random = random_problem(seed, DType::f32, limits);
    SCOPED_TRACE(random.description);
    const Upstream upstream = random_upstream(random.problem, seed, DType::f32);
    const ReferenceAttention::Gradients differences{
        finite_differences(random.problem, random.query, upstream),
        finite_differences(random.problem, random.key, upstream),
        finite_differences(random.problem, random.value, upstream)};
    const ReferenceAttention reference(random.problem);
    const auto formula = reference.backward(read_tensor(upstream.out.view()), upstream.dense_lse());
    EXPECT_LE(relative_difference(formula.query, differences.query), 3e-5);
    EXPECT_LE(relative_difference(formula.key, differences.key), 3e-5);
    EXPECT_LE(relative_difference(formula.value, differences.value), 3e-5);
    on_every_isa([&] {
      const ForwardRun forward = run_forward(random.problem, DType::f32);
      const BackwardRun run = run_backward(random.problem, forward, upstream);
      EXPECT_LE(gradient_error(run, reference, differences, smallest_gradient), 2e-5);
    });
  }
}

void expect_same_bits(const BackwardRun& a, const BackwardRun& b) {
  EXPECT_EQ(a.query.words(), b.query.words());
  EXPECT_EQ(a.key.words(), b.key.words());
  EXPECT_EQ(a.value.words(), b.value.words());
}

void expect_thread_invariance(const Problem& problem, std::uint64_t seed) {
  const Upstream upstream = random_upstream(problem, seed, DType::f32);
  on_every_isa([&] {
    const ForwardRun forward = run_forward(problem, DType::f32);
    const BackwardRun single = run_backward(problem, forward, upstream, 1);
    for (const int threads : {2, 3, 7, 0}) {
      SCOPED_TRACE(threads);
      expect_same_bits(single, run_backward(problem, forward, upstream, threads));
    }
  });
}

TEST(ExactBackwardInvariance, Threads) {
  for (std::uint64_t seed = 50'000; seed < 50'030; ++seed) {
    const OwnedProblem random = random_problem(seed, DType::f32, {.max_work = 4'000'000});
    SCOPED_TRACE(random.description);
    expect_thread_invariance(random.problem, seed);
  }
  OwnedProblem owned = gaussian_problem({.queries = 900, .keys = 1300, .head_dim = 32}, 1);
  expect_thread_invariance(owned.problem, 2);
  owned.problem.causal = Causal::bottom_right;
  expect_thread_invariance(owned.problem, 3);
}

// Rows that see nothing, and keys that nobody sees, have gradients of exactly zero.
TEST(ExactBackwardMasked, NothingSeenGivesZeroGradient) {
  OwnedProblem owned = gaussian_problem({.heads = 2, .queries = 40, .keys = 30, .head_dim = 8}, 4);
  std::vector<std::uint8_t> padding(30, 1);
  std::fill(padding.begin() + 20, padding.end(), std::uint8_t{0});
  owned.problem.mask = {MaskKind::boolean, padding.data(), {1, 1, 1, 30}, {30, 30, 30, 1}};
  owned.problem.causal = Causal::bottom_right;  // queries 0..9 see nothing
  Upstream upstream = random_upstream(owned.problem, 5, DType::f32);
  upstream.with_lse = true;
  on_every_isa([&] {
    const ForwardRun forward = run_forward(owned.problem, DType::f32);
    const BackwardRun run = run_backward(owned.problem, forward, upstream);
    for (std::int64_t n = 0; n < 10; ++n) {
      for (std::int64_t c = 0; c < 8; ++c) {
        EXPECT_EQ(run.query.get(0, 1, n, c), 0.0);
        EXPECT_EQ(run.key.get(0, 0, 20 + n, c), 0.0);
        EXPECT_EQ(run.value.get(0, 0, 20 + n, c), 0.0);
      }
    }
  });
}

// NaN in keys that nobody sees, padding above all, stays where it is.
TEST(ExactBackwardMasked, NanInUnseenKeysStaysThere) {
  OwnedProblem owned = gaussian_problem({.heads = 2, .queries = 40, .keys = 90, .head_dim = 8}, 8);
  std::vector<std::uint8_t> padding(90, 1);
  for (const std::int64_t j : {5, 40, 41, 88, 89}) {
    padding[static_cast<std::size_t>(j)] = 0;
    owned.key.set(0, 0, j, 3, std::nan(""));
    owned.value.set(0, 0, j, 5, std::nan(""));
  }
  owned.problem.mask = {MaskKind::boolean, padding.data(), {1, 1, 1, 90}, {90, 90, 90, 1}};
  const Upstream upstream = random_upstream(owned.problem, 9, DType::f32);
  const ReferenceAttention reference(owned.problem);
  const auto expected = reference.backward(read_tensor(upstream.out.view()), upstream.dense_lse());
  on_every_isa([&] {
    const ForwardRun forward = run_forward(owned.problem, DType::f32);
    const BackwardRun run = run_backward(owned.problem, forward, upstream);
    EXPECT_LE(gradient_error(run, reference, expected, smallest_gradient), 1e-5);
  });
}

// NaN anywhere reaches the gradients of the rows that see it and of the keys that these rows see.
TEST(ExactBackwardMasked, NanReachesWhatSeesIt) {
  for (std::uint64_t seed = 60'000; seed < 60'060; ++seed) {
    OwnedProblem random =
        random_problem(seed, DType::f32, {.max_length = 100, .max_work = 1'000'000});
    SCOPED_TRACE(random.description);
    TensorBuffer* const tensors[] = {&random.query, &random.key, &random.value};
    TensorBuffer& tensor = *tensors[seed % 3];
    const Shape4& shape = tensor.shape();
    if (shape[2] == 0) continue;
    Draw draw(seed);
    tensor.set(draw.integer(0, shape[0] - 1), draw.integer(0, shape[1] - 1),
               draw.integer(0, shape[2] - 1), draw.integer(0, shape[3] - 1), std::nan(""));
    const Upstream upstream = random_upstream(random.problem, seed, DType::f32);
    const ReferenceAttention reference(random.problem);
    const auto expected =
        reference.backward(read_tensor(upstream.out.view()), upstream.dense_lse());
    on_every_isa([&] {
      const ForwardRun forward = run_forward(random.problem, DType::f32);
      const BackwardRun run = run_backward(random.problem, forward, upstream);
      EXPECT_LE(gradient_error(run, reference, expected, smallest_gradient), 1e-5);
    });
  }
}

// Leaving gradients out changes neither the others nor memory.
TEST(ExactBackwardPartial, GradientsThatAreNotAskedForAreNotWritten) {
  const OwnedProblem owned = gaussian_problem(
      {.heads = 4, .kv_heads = 2, .queries = 70, .keys = 90, .head_dim = 16, .value_dim = 24}, 6);
  const Upstream upstream = random_upstream(owned.problem, 7, DType::f32);
  const ForwardRun forward = run_forward(owned.problem, DType::f32);
  const BackwardRun full = run_backward(owned.problem, forward, upstream);
  for (int wanted = 1; wanted < 8; ++wanted) {
    BackwardRun run{TensorBuffer(DType::f32, full.query.shape()),
                    TensorBuffer(DType::f32, full.key.shape()),
                    TensorBuffer(DType::f32, full.value.shape()),
                    {}};
    const BackwardRun untouched = run;
    BackwardArguments arguments = backward_arguments(forward, upstream, run);
    if ((wanted & 1) == 0) arguments.grad_query.data = nullptr;
    if ((wanted & 2) == 0) arguments.grad_key.data = nullptr;
    if ((wanted & 4) == 0) arguments.grad_value.data = nullptr;
    attend_backward(owned.problem, arguments);
    EXPECT_EQ(run.query.words(), ((wanted & 1) != 0 ? full : untouched).query.words());
    EXPECT_EQ(run.key.words(), ((wanted & 2) != 0 ? full : untouched).key.words());
    EXPECT_EQ(run.value.words(), ((wanted & 4) != 0 ? full : untouched).value.words());
  }
}

}  // namespace
}  // namespace subquad::testing
