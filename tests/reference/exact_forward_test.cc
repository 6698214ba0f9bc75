// Exact attention against the definition in double precision: every option, every instruction set.
#include <array>
#include <cstdint>

#include <gtest/gtest.h>

#include "subquad/attention.h"
#include "support/forward.h"
#include "support/isa.h"
#include "support/random_problem.h"
#include "support/reference_attention.h"

namespace subquad::testing {
namespace {

constexpr std::uint64_t problems_per_shard = 24;

// One seeded problem on every instruction set; the output type equals the input type every other
// time.
void check_random_problem(std::uint64_t seed) {
  const std::array types{DType::f32, DType::bf16, DType::f16};
  const DType type = types[seed % 3];
  const OwnedProblem random = random_problem(seed, type);
  SCOPED_TRACE(random.description);
  const ReferenceAttention reference(random.problem);
  Draw draw(seed + 1'000'000);
  Layout layout = random_layout(draw);
  layout.guard = 40;
  on_every_isa([&] {
    const DType out_type = seed % 2 == 0 ? type : DType::f32;
    const ForwardRun run =
        run_forward(random.problem, out_type, static_cast<int>(seed % 2) + 1, layout);
    expect_forward(random.problem, run, reference);
  });
}

class ExactForward : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(ExactForward, RandomProblemsMatchTheDefinition) {
  for (std::uint64_t n = 0; n < problems_per_shard; ++n) {
    check_random_problem(GetParam() * problems_per_shard + n);
    if (HasFailure()) return;
  }
}
INSTANTIATE_TEST_SUITE_P(Shards, ExactForward, ::testing::Range<std::uint64_t>(0, 16));

// A few queries against a long cache.
void check_decode(std::uint64_t seed) {
  Draw draw(seed);
  const DType type = draw.one_of({DType::f32, DType::bf16, DType::f16});
  Dimensions sizes{.batch = 2, .kv_heads = draw.integer(1, 2)};
  sizes.heads = sizes.kv_heads * draw.integer(1, 6);
  sizes.queries = draw.integer(1, 8);
  sizes.keys = draw.integer(500, 5000);
  sizes.head_dim = draw.one_of<std::int64_t>({16, 40, 64, 128});
  OwnedProblem owned = gaussian_problem(sizes, seed, type);
  if (draw.chance(0.6)) owned.problem.causal = Causal::bottom_right;
  if (draw.chance(0.3)) owned.problem.window = {draw.integer(0, 2000), -1, Alignment::bottom_right};
  const ReferenceAttention reference(owned.problem);
  on_every_isa([&] {
    const ForwardRun run = run_forward(owned.problem, DType::f32, 2);
    expect_forward(owned.problem, run, reference);
  });
}

TEST(ExactForwardDecode, FewQueriesAgainstALongCache) {
  for (std::uint64_t seed = 0; seed < 24; ++seed) {
    SCOPED_TRACE(seed);
    check_decode(seed);
  }
}

TEST(ExactForwardLong, ManyBlocksOfQueriesAndKeys) {
  OwnedProblem owned = gaussian_problem(
      {.heads = 2, .kv_heads = 1, .queries = 1100, .keys = 1501, .head_dim = 64}, 1);
  for (const Causal causal : {Causal::none, Causal::top_left, Causal::bottom_right}) {
    owned.problem.causal = causal;
    const ReferenceAttention reference(owned.problem);
    on_every_isa(
        [&] { expect_forward(owned.problem, run_forward(owned.problem, DType::f32), reference); });
  }
}

// Heads and batches that share their keys and values through stride 0.
TEST(ExactForwardBroadcast, StrideZeroSharesKeysAndValues) {
  OwnedProblem owned =
      gaussian_problem({.batch = 3, .heads = 4, .queries = 37, .keys = 53, .head_dim = 24}, 5);
  Problem problem = owned.problem;
  const OwnedProblem shared = gaussian_problem({.keys = 53, .head_dim = 24}, 6);
  problem.key = shared.problem.key;
  problem.value = shared.problem.value;
  for (TensorView* view : {&problem.key, &problem.value}) {
    view->shape[0] = 3;
    view->shape[1] = 2;
    view->stride[0] = view->stride[1] = 0;
  }
  const ReferenceAttention reference(problem);
  on_every_isa([&] { expect_forward(problem, run_forward(problem, DType::f32), reference); });
}

}  // namespace
}  // namespace subquad::testing
