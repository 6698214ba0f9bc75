// Every heavy part with every light part: exact in its limit, and the same bits whatever the
// threads and the batch.
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "heavy_light_support.h"
#include "support/isa.h"

namespace subquad::testing {
namespace {

constexpr ProblemLimits limits{.max_length = 150, .max_head_dim = 80, .max_work = 1'500'000};

DType type_of(std::uint64_t seed) {
  constexpr DType types[] = {DType::f32, DType::bf16, DType::f32, DType::f16};
  return types[seed % 4];
}

void expect_exact(const Problem& problem, const ReferenceAttention& reference,
                  const std::string& spec) {
  SCOPED_TRACE(spec);
  expect_forward(problem, run_forward(problem, DType::f32, 1, {}, spec), reference);
}

void expect_all_exact(const std::vector<std::string>& specs, std::uint64_t first_seed) {
  for (std::uint64_t seed = first_seed; seed < first_seed + 60; ++seed) {
    const OwnedProblem random = random_problem(seed, type_of(seed), limits);
    SCOPED_TRACE(random.description);
    const ReferenceAttention reference(random.problem);
    on_every_isa([&] {
      for (const std::string& spec : specs) expect_exact(random.problem, reference, spec);
    });
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(HeavyLight, AllKeysSampledIsExact) {
  std::vector<std::string> specs;
  for (const std::string& heavy : heavy_specs) specs.push_back(joined(heavy, "uniform(m=150)"));
  expect_all_exact(specs, 100);
}

// A heavy part that holds every entry leaves nothing to the light part, whatever that is.
TEST(HeavyLight, HeavyPartOfEverythingIsExact) {
  std::vector<std::string> specs;
  for (const std::string all :
       {"sink(150)", "window(700)", "sortlsh(block=150)",
        "sortlsh(block=150,rounds=2,bits=3)+sink(4)", "window(9)+sink(150)+sortlsh(block=8)"})
    for (const std::string light : {"drop", "uniform(m=7)", "uniform(m=7,replace=true)"})
      specs.push_back(joined(all, light));
  expect_all_exact(specs, 200);
}

// The light part may stand anywhere in the spec, and may be left out.
TEST(HeavyLight, PlaceOfTheLightPartDoesNotMatter) {
  const OwnedProblem random = random_problem(301, DType::f32, limits);
  const auto words = [&](const std::string& spec) {
    return run_method(random.problem, spec).out.words();
  };
  EXPECT_EQ(words("uniform(m=9)+sink(3)+window(5)"), words("sink(3)+window(5)+uniform(m=9)"));
  EXPECT_EQ(words("sink(3)+drop"), words("sink(3)"));
}

const std::vector<std::string> light_specs{"drop", "uniform(m=13)", "uniform(m=40,replace=true)"};

void expect_same_bits(const MethodRun& a, const MethodRun& b) {
  EXPECT_EQ(a.out.words(), b.out.words());
  EXPECT_EQ(a.lse.words(), b.lse.words());
  EXPECT_EQ(a.row_error.words(), b.row_error.words());
  EXPECT_EQ(a.report.fallback_rows, b.report.fallback_rows);
  EXPECT_EQ(a.report.scored_entries, b.report.scored_entries);
}

template <typename Check>
void for_problems_and_specs(std::uint64_t first_seed, std::uint64_t count, Check check) {
  for (std::uint64_t seed = first_seed; seed < first_seed + count; ++seed) {
    const OwnedProblem random = random_problem(seed, type_of(seed), limits);
    SCOPED_TRACE(random.description);
    for (const std::string& heavy : heavy_specs)
      for (const std::string& light : light_specs) {
        SCOPED_TRACE(joined(heavy, light));
        check(random.problem, joined(heavy, light));
        if (::testing::Test::HasFailure()) return;
      }
  }
}

void check_threads(const Problem& problem, const std::string& spec) {
  const MethodRun single = run_method(problem, spec, 1, 5);
  for (const int threads : {2, 3, 7})
    expect_same_bits(single, run_method(problem, spec, threads, 5));
}

TEST(HeavyLight, ThreadsGiveTheSameBits) { for_problems_and_specs(400, 8, check_threads); }

TEST(HeavyLight, ThreadsGiveTheSameBitsOnEveryIsa) {
  on_every_isa([] { for_problems_and_specs(430, 2, check_threads); });
}

TEST(HeavyLight, ThreadsGiveTheSameBitsOnOneLongHead) {
  OwnedProblem owned = gaussian_problem({.queries = 600, .keys = 1500, .head_dim = 32}, 1);
  owned.problem.causal = Causal::bottom_right;
  for (const std::string& heavy : heavy_specs)
    check_threads(owned.problem, joined(heavy, "uniform(m=50)"));
}

template <typename View>
View batch_element_view(View view, std::int64_t b) {
  view.data = static_cast<const char*>(view.data) + b * view.stride[0] * size_of(view.dtype);
  view.shape[0] = 1;
  return view;
}

// Batch element b as a problem of its own.
Problem batch_element(Problem problem, std::int64_t b) {
  for (TensorView* view : {&problem.query, &problem.key, &problem.value})
    *view = batch_element_view(*view, b);
  Mask& mask = problem.mask;
  if (mask.kind != MaskKind::none && mask.shape[0] != 1) {
    const std::int64_t size = mask.kind == MaskKind::boolean ? 1 : 4;
    mask.data = static_cast<const char*>(mask.data) + b * mask.stride[0] * size;
    mask.shape[0] = 1;
  }
  return problem;
}

void expect_element(const TensorBuffer& all, const TensorBuffer& alone, std::int64_t element) {
  std::int64_t mismatches = 0;
  alone.for_each([&](auto b, auto h, auto i, auto c) {
    const double a = all.get(b + element, h, i, c), other = alone.get(b, h, i, c);
    mismatches += a == other || (std::isnan(a) && std::isnan(other)) ? 0 : 1;
  });
  EXPECT_EQ(mismatches, 0);
}

void check_batch(const Problem& problem, const std::string& spec) {
  const MethodRun all = run_method(problem, spec);
  for (std::int64_t b = problem.query.batch() - 1; b >= 0; --b) {
    const MethodRun alone = run_method(batch_element(problem, b), spec);
    expect_element(all.out, alone.out, b);
    expect_element(all.lse, alone.lse, b);
    expect_element(all.row_error, alone.row_error, b);
  }
}

TEST(HeavyLight, ABatchElementDoesNotDependOnTheOthers) {
  for_problems_and_specs(500, 24, check_batch);
}

TEST(HeavyLight, SeedsGiveDifferentSamples) {
  const OwnedProblem owned = gaussian_problem({.queries = 40, .keys = 400, .head_dim = 16}, 1);
  for (const std::string spec :
       {"uniform(m=20)", "uniform(m=20,replace=true)", "sortlsh(block=20)"})
    EXPECT_NE(run_method(owned.problem, spec, 1, 1).out.words(),
              run_method(owned.problem, spec, 1, 2).out.words())
        << spec;
}

}  // namespace
}  // namespace subquad::testing
