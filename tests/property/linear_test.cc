// Linear attention's invariants: bits, prefixes, limits, what it refuses, and what is not finite.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "property/heavy_light_support.h"
#include "property/same_bits_support.h"
#include "support/backward.h"
#include "support/seeds.h"
#include "support/isa.h"
#include "support/linear_scene.h"
#include "subquad/error.h"

namespace subquad::testing {
namespace {

constexpr ProblemLimits limits{.max_length = 150, .max_head_dim = 80, .max_work = 1'000'000};
const std::vector<std::string> heavy_parts{"", "sink(3)", "window(20)+sink(2)",
                                           "sortlsh(block=16)+window(5)"};

template <typename Check>
void for_specs(Check check) {
  for (const FeatureMap map : all_maps)
    for (const std::string& heavy : heavy_parts) check(map, joined(heavy, linear_spec(map)));
}

TEST(Linear, ThreadsGiveTheSameBits) {
  for (std::uint64_t seed = 600; seed < 604; ++seed)
    for_specs([&](FeatureMap map, const std::string& spec) {
      const OwnedProblem owned = linear_problem(seed, map, false, limits);
      SCOPED_TRACE(owned.description + " " + spec);
      check_threads(owned.problem, spec);
    });
}

TEST(Linear, ABatchElementDoesNotDependOnTheOthers) {
  for (std::uint64_t seed = 610; seed < 618; ++seed)
    for_specs([&](FeatureMap map, const std::string& spec) {
      const OwnedProblem owned = linear_problem(seed, map, false, limits);
      SCOPED_TRACE(owned.description + " " + spec);
      check_batch(owned.problem, spec);
    });
}

void expect_same_gradients(const BackwardRun& a, const BackwardRun& b) {
  EXPECT_EQ(a.query.words(), b.query.words());
  EXPECT_EQ(a.key.words(), b.key.words());
  EXPECT_EQ(a.value.words(), b.value.words());
}

BackwardRun run_gradients(const Problem& problem, const std::string& spec, int threads) {
  const ForwardRun forward = run_forward(problem, DType::f32, threads, {}, spec);
  const Upstream upstream = random_upstream(problem, 1, DType::f32);
  BackwardRun run{TensorBuffer(DType::f32, problem.query.shape),
                  TensorBuffer(DType::f32, problem.key.shape),
                  TensorBuffer(DType::f32, problem.value.shape),
                  {}};
  Options options;
  options.threads = threads;
  run.report = attend_backward(problem, spec, backward_arguments(forward, upstream, run), options);
  return run;
}

// One long head, so that its blocks and batches are shared out; causal and not, a group of two.
TEST(Linear, ThreadsGiveTheSameBitsOnOneLongHead) {
  for (const Causal causal : {Causal::none, Causal::bottom_right})
    for (const std::string spec :
         {"linear(map=elu)", "window(20)+sortlsh(block=32)+linear(map=elu)"}) {
      OwnedProblem owned = gaussian_problem(
          {.heads = 2, .queries = 900, .keys = 1300, .head_dim = 24, .value_dim = 12}, 1);
      owned.problem.causal = causal;
      check_threads(owned.problem, spec);
      const BackwardRun single = run_gradients(owned.problem, spec, 1);
      for (const int threads : {2, 5})
        expect_same_gradients(single, run_gradients(owned.problem, spec, threads));
    }
}

// A gradient asked for alone is the one that comes with the others.
TEST(Linear, SingleGradientsAreTheSameBits) {
  OwnedProblem owned =
      gaussian_problem({.heads = 2, .queries = 120, .keys = 150, .head_dim = 12}, 10);
  owned.problem.causal = Causal::bottom_right;
  for (const std::string spec : {"linear(map=elu)", "window(9)+linear(map=elu)"}) {
    const BackwardRun all = run_gradients(owned.problem, spec, 1);
    const ForwardRun forward = run_forward(owned.problem, DType::f32, 1, {}, spec);
    const Upstream upstream = random_upstream(owned.problem, 1, DType::f32);
    for (const auto wanted : {&BackwardArguments::grad_query, &BackwardArguments::grad_key,
                              &BackwardArguments::grad_value}) {
      BackwardRun one{TensorBuffer(DType::f32, owned.problem.query.shape),
                      TensorBuffer(DType::f32, owned.problem.key.shape),
                      TensorBuffer(DType::f32, owned.problem.value.shape),
                      {}};
      BackwardArguments arguments = backward_arguments(forward, upstream, one);
      const MutableTensorView kept = arguments.*wanted;
      arguments.grad_query = arguments.grad_key = arguments.grad_value = {};
      arguments.*wanted = kept;
      attend_backward(owned.problem, spec, arguments);
      if (wanted == &BackwardArguments::grad_query) {
        EXPECT_EQ(one.query.words(), all.query.words());
      }
      if (wanted == &BackwardArguments::grad_key) {
        EXPECT_EQ(one.key.words(), all.key.words());
      }
      if (wanted == &BackwardArguments::grad_value) {
        EXPECT_EQ(one.value.words(), all.value.words());
      }
    }
  }
}

// Rows of a prefix do not change when keys and queries are added behind them.
TEST(Linear, CausalPrefixesAgree) {
  for (const FeatureMap map : all_maps) {
    OwnedProblem owned =
        gaussian_problem({.heads = 3, .queries = 700, .keys = 700, .head_dim = 16}, 2);
    if (map == FeatureMap::none) give_signs(owned, 2, false);
    owned.problem.causal = Causal::top_left;
    const MethodRun all = run_method(owned.problem, linear_spec(map));
    Problem part = owned.problem;
    for (const std::int64_t length : {1, 48, 49, 300, 512}) {
      for (TensorView* view : {&part.query, &part.key, &part.value}) view->shape[2] = length;
      const MethodRun run = run_method(part, linear_spec(map));
      double largest = 0;
      run.out.for_each([&](auto b, auto h, auto i, auto c) {
        largest = std::max(largest, std::fabs(run.out.get(b, h, i, c) - all.out.get(b, h, i, c)));
      });
      EXPECT_LE(largest, 1e-5) << length;
    }
  }
}

// Heavy parts that hold every entry leave nothing of the linear part.
TEST(Linear, HeavyPartOfEverythingIsExact) {
  for (const std::uint64_t seed : Seeds(640, 20)) {
    OwnedProblem owned = random_problem(seed, type_of(seed), limits);
    owned.problem.window = {};
    owned.problem.mask = {};
    SCOPED_TRACE(owned.description);
    const ReferenceAttention reference(owned.problem);
    for (const FeatureMap map : all_maps)
      for (const std::string all : {"sink(150)", "window(700)", "sortlsh(block=150)",
                                    "window(9)+sink(150)+sortlsh(block=8,neighbors=1)"}) {
        const std::string spec = joined(all, linear_spec(map));
        SCOPED_TRACE(spec);
        const ForwardRun run = run_forward(owned.problem, DType::f32, 1, {}, spec);
        const double unit = std::max(1.0, reference.max_score) * reference.max_value;
        // What is left of the linear sums is rounding, up to 1e-3 of the row's (light/linear.h).
        EXPECT_LE(max_difference(run.out, reference.out), 1e-3 * unit);
      }
  }
}

// Sums of 0: a query of zeros, or features that never meet. Zeros, as if the row saw no key.
TEST(Linear, ZeroSumsGiveZeros) {
  OwnedProblem owned = gaussian_problem({.queries = 60, .keys = 60, .head_dim = 4}, 5);
  owned.query.for_each([&](auto b, auto h, auto i, auto c) {
    owned.query.set(b, h, i, c, i == 30 ? (c == 0 ? 1 : -1) : 1);
  });
  owned.key.fill([n = 0]() mutable { return n++ % 4 == 0 ? -1.0 : 1.0; });  // channel 0 negative
  for (const Causal causal : {Causal::none, Causal::top_left}) {
    owned.problem.causal = causal;
    const MethodRun run = run_method(owned.problem, "linear(map=relu)");
    for (std::int64_t c = 0; c < 4; ++c) EXPECT_EQ(run.out.get(0, 0, 30, c), 0);
    EXPECT_EQ(run.lse.get(0, 0, 30, 0), -std::numeric_limits<double>::infinity());
    EXPECT_TRUE(std::isfinite(run.lse.get(0, 0, 29, 0)));
    EXPECT_EQ(run.report.fallback_rows, 0);
    const BackwardRun gradients = run_gradients(owned.problem, "linear(map=relu)", 1);
    for (std::int64_t c = 0; c < 4; ++c) EXPECT_EQ(gradients.query.get(0, 0, 30, c), 0);
    gradients.key.for_each([&](auto b, auto h, auto i, auto c) {
      EXPECT_TRUE(std::isfinite(gradients.key.get(b, h, i, c)));
    });
  }
}

// A NaN in a query reaches its row; in a key or a value, the rows that see it; no others.
TEST(Linear, NaNReachesWhatSeesIt) {
  for (const FeatureMap map : all_maps)
    for (const Causal causal : {Causal::none, Causal::top_left, Causal::bottom_right})
      for (const std::string heavy : {"", "window(11)"})
        for (const int which : {0, 1, 2}) {
          OwnedProblem owned = gaussian_problem({.queries = 120, .keys = 120, .head_dim = 8}, 6);
          if (map == FeatureMap::none) give_signs(owned, 6, true);
          owned.problem.causal = causal;
          TensorBuffer& tensor = which == 0 ? owned.query : which == 1 ? owned.key : owned.value;
          tensor.set(0, 0, 70, 3, std::numeric_limits<double>::quiet_NaN());
          const std::string spec = joined(heavy, linear_spec(map));
          SCOPED_TRACE(spec + " tensor " + std::to_string(which));
          const MethodRun run = run_method(owned.problem, spec);
          for (std::int64_t i = 0; i < 120; ++i) {
            const bool sees = which == 0 ? i == 70 : causal == Causal::none || i >= 70;
            EXPECT_EQ(std::isnan(run.out.get(0, 0, i, 3)), sees) << i;
          }
          if (which == 2) continue;
          // Gradients of keys that a NaN query does not see, and of queries that see no NaN key.
          const BackwardRun back = run_gradients(owned.problem, spec, 1);
          for (std::int64_t i = 0; i < 120 && causal != Causal::none; ++i) {
            const bool clean = which == 0 ? i > 70 : i < 70;
            const TensorBuffer& gradient = which == 0 ? back.key : back.query;
            if (clean) {
              EXPECT_TRUE(std::isfinite(gradient.get(0, 0, i, 1))) << i;
            }
            if (!clean) {
              EXPECT_TRUE(std::isnan(gradient.get(0, 0, i, 3))) << i;
            }
          }
        }
}

TEST(Linear, EmptyAndSingle) {
  for (const FeatureMap map : all_maps)
    for (const Causal causal : {Causal::none, Causal::top_left, Causal::bottom_right})
      for (const std::int64_t queries : {0, 1, 3})
        for (const std::int64_t keys : {0, 1, 2}) {
          OwnedProblem owned =
              gaussian_problem({.heads = 2, .queries = queries, .keys = keys, .head_dim = 3}, 7);
          give_signs(owned, 7, true);
          owned.problem.causal = causal;
          const MethodRun run = run_method(owned.problem, linear_spec(map));
          run_gradients(owned.problem, linear_spec(map), 2);
          EXPECT_EQ(run.report.rows, 2 * queries);
          for (std::int64_t i = 0; i < queries; ++i) {
            const std::int64_t last = causal == Causal::none       ? keys - 1
                                      : causal == Causal::top_left ? std::min(i, keys - 1)
                                                                   : i + keys - queries;
            if (last < 0) {
              EXPECT_EQ(run.out.get(0, 1, i, 2), 0);
            }
            if (last == 0) {
              EXPECT_NEAR(run.out.get(0, 1, i, 2), owned.value.get(0, 0, 0, 2), 1e-6);
            }
          }
        }
}

std::string error_of(const Problem& problem, const std::string& spec) {
  try {
    run_method(problem, spec);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Linear, WindowsMasksAndBadArgumentsAreErrors) {
  OwnedProblem owned = gaussian_problem({.queries = 4, .keys = 4, .head_dim = 4}, 8);
  EXPECT_NE(error_of(owned.problem, "linear(map=gelu)").find("gelu"), std::string::npos);
  EXPECT_NE(error_of(owned.problem, "linear(eps=1)").find("eps"), std::string::npos);
  EXPECT_NE(error_of(owned.problem, "linear+uniform").find("light"), std::string::npos);
  Problem windowed = owned.problem;
  windowed.window.left = 2;
  EXPECT_EQ(error_of(windowed, "linear").rfind("window:", 0), 0U);
  const std::vector<std::uint8_t> mask(16, 1);
  Problem masked = owned.problem;
  masked.mask = {MaskKind::boolean, mask.data(), {1, 1, 4, 4}, {16, 16, 4, 1}};
  EXPECT_EQ(error_of(masked, "linear(map=elu)").rfind("mask:", 0), 0U);
}

}  // namespace
}  // namespace subquad::testing
