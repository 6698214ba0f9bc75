// Finite masks, sinks and inputs of any size: finite results, or an error that names what
// overflows.
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/logits.h"
#include "subquad/attention.h"
#include "subquad/error.h"
#include "support/backward.h"
#include "support/forward.h"
#include "support/isa.h"
#include "support/owned_problem.h"
#include "support/parts.h"

namespace subquad::testing {
namespace {

TEST(Logits, OfAnySizeAreFiniteInOrderAndComeBack) {
  float last = -HUGE_VALF;
  for (const float x : {-FLT_MAX, -3e38F, -2.4e38F, -2.3e38F, -1e38F, -8e37F, -1.0F, 0.0F, 1.5F,
                        9e37F, 2e38F, FLT_MAX}) {
    EXPECT_TRUE(std::isfinite(to_log2(x)));
    EXPECT_LT(last, to_log2(x));
    EXPECT_NEAR(from_log2(to_log2(x)), x, 3e-7 * std::fabs(x));
    last = to_log2(x);
  }
  EXPECT_EQ(to_log2(-HUGE_VALF), -HUGE_VALF);
  EXPECT_EQ(from_log2(-HUGE_VALF), -HUGE_VALF);
  EXPECT_TRUE(std::isnan(to_log2(std::nanf(""))));
}

// Rows with the additive mask `values`, in turn for each key.
OwnedProblem with_mask(std::int64_t queries, std::int64_t keys, const std::vector<float>& values) {
  OwnedProblem owned = gaussian_problem({.queries = queries, .keys = keys, .head_dim = 8}, 4);
  for (std::int64_t i = 0; i < queries * keys; ++i)
    owned.additive_mask.push_back(values[static_cast<std::size_t>(i % keys) % values.size()]);
  owned.problem.mask = {MaskKind::additive,
                        owned.additive_mask.data(),
                        {1, 1, queries, keys},
                        {queries * keys, queries * keys, keys, 1}};
  return owned;
}

void expect_exact(const Problem& problem, double lse_error = 5e-7) {
  const ReferenceAttention reference(problem);
  on_every_isa([&] {
    const ForwardRun run = run_forward(problem, DType::f32);
    EXPECT_LE(max_difference(run.out, reference.out), 2e-5 * reference.max_value);
    run.lse.for_each([&](auto b, auto h, auto i, auto) {
      const double expected = reference.lse.row(b, h, i)[0];
      EXPECT_NEAR(run.lse.get(b, h, i, 0), std::fmin(FLT_MAX, std::fmax(-FLT_MAX, expected)),
                  1e-5 + lse_error * std::fabs(expected));
    });
  });
}

TEST(FiniteMasks, AreNotMinusInfinity) {
  for (const std::int64_t queries : {2, 40}) {
    expect_exact(with_mask(queries, 37, {-FLT_MAX}).problem);
    expect_exact(with_mask(queries, 37, {-2.3e38F}).problem);
    expect_exact(with_mask(queries, 37, {-FLT_MAX, -2.5e38F, -FLT_MAX}).problem);
    expect_exact(with_mask(queries, 37, {-FLT_MAX, 0.0F, -1e30F}).problem);
    expect_exact(with_mask(queries, 37, {FLT_MAX, 3e38F}).problem);
    expect_exact(with_mask(queries, 37, {-HUGE_VALF, -FLT_MAX}).problem);
  }
}

TEST(FiniteSinks, OfAnySizeKeepRowsFinite) {
  for (const std::int64_t queries : {2, 40})
    for (const float sink : {3e38F, -3e38F, FLT_MAX, -FLT_MAX, 2e4F}) {
      OwnedProblem owned = gaussian_problem({.queries = queries, .keys = 37, .head_dim = 8}, 5);
      owned.sink_logits = {sink};
      owned.problem.sink_logits = owned.sink_logits;
      expect_exact(owned.problem);
    }
}

// Scores and sums beyond float32, of both signs.
TEST(FiniteInputs, OverflowingScoresAndSumsAreComputedInDouble) {
  for (const std::int64_t queries : {1, 40})
    for (const double size : {1e25, 1e30, 3e38}) {
      OwnedProblem owned = gaussian_problem({.queries = queries, .keys = 37, .head_dim = 8}, 6);
      Draw draw(7);
      const auto fill = [&] { return draw.one_of({-size, size, 0.5 * size, 1.0}); };
      owned.query.fill(fill);
      owned.key.fill(fill);
      expect_exact(owned.problem);
      owned.value.fill([&] { return draw.one_of({-3e38, 3e38, 1e38}); });
      expect_exact(owned.problem);
      OwnedProblem values = gaussian_problem({.queries = queries, .keys = 37, .head_dim = 8}, 8);
      values.value.fill([&] { return draw.one_of({-3e38, 3e38, 3.2e38}); });
      expect_exact(values.problem);
    }
}

// The sums of a score overflow float32 on the way, the score itself does or does not.
TEST(FiniteInputs, OneHugeKeyIsNotHidden) {
  constexpr double kCancels = 1e-5;  // of large terms of a score
  for (const std::int64_t queries : {1, 40})
    for (const double size : {1e38, 3e38}) {
      OwnedProblem owned = gaussian_problem({.queries = queries, .keys = 70, .head_dim = 8}, 12);
      for (std::int64_t c = 0; c < 8; ++c) owned.key.set(0, 0, 5, c, size);
      expect_exact(owned.problem, kCancels);
      OwnedProblem masked = with_mask(queries, 70, {0.0F, -1.0F, -FLT_MAX});
      for (std::int64_t c = 0; c < 8; ++c) masked.key.set(0, 0, 4, c, size);
      expect_exact(masked.problem, kCancels);
      // What overflows cancels.
      owned.query.for_each([&](auto b, auto h, auto i, auto c) {
        owned.query.set(b, h, i, c, (c < 4 ? 2.0 : -2.0) * static_cast<double>(i % 3));
      });
      expect_exact(owned.problem);
    }
}

// A row whose weight is all on it keeps it among its k keys.
TEST(FiniteInputs, OneHugeKeyIsAmongTheTop) {
  for (const std::int64_t queries : {1, 5, 40}) {
    OwnedProblem owned = gaussian_problem({.queries = queries, .keys = 70, .head_dim = 8}, 12);
    owned.query.for_each([&](auto b, auto h, auto i, auto c) {
      owned.query.set(b, h, i, c, c < 3 ? -1.5 : 1.5);  // -inf on the way, a large score at last
    });
    for (std::int64_t c = 0; c < 8; ++c) owned.key.set(0, 0, 5, c, 2e38);
    for (const std::string spec : {"exact", "topk(k=4)", "topk(k=4,candidates=lsh)"}) {
      const ForwardRun run = run_forward(owned.problem, DType::f32, 1, {}, spec);
      for (std::int64_t i = 0; i < queries; ++i)
        EXPECT_EQ(run.out.get(0, 0, i, 0), owned.value.get(0, 0, 5, 0)) << spec;
    }
  }
}

// Every score is -inf in float32.
TEST(FiniteInputs, RowsOfHugeNegativeScoresAreNotMasked) {
  OwnedProblem owned = gaussian_problem({.queries = 3, .keys = 5, .head_dim = 2}, 9);
  owned.query.fill([] { return 1e30; });
  owned.key.fill([] { return -1e30; });
  expect_exact(owned.problem);
}

bool all_finite(const TensorBuffer& tensor) {
  bool finite = true;
  tensor.for_each([&](auto b, auto h, auto i, auto c) {
    finite = finite && std::isfinite(tensor.get(b, h, i, c));
  });
  return finite;
}

// Finite results, or an error of one line about the inputs.
void expect_finite_or_named(const Problem& problem, const std::string& spec) {
  try {
    const ForwardRun run = run_forward(problem, DType::f32, 1, {}, spec);
    EXPECT_TRUE(all_finite(run.out));
    EXPECT_TRUE(all_finite(run.lse));
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid_argument) << error.what();
  }
}

// The same of the gradients; a forward that is refused has none.
void expect_finite_gradients_or_named(const Problem& problem, const std::string& spec) {
  try {
    const ForwardRun forward = run_forward(problem, DType::f32, 1, {}, spec);
    Upstream upstream = random_upstream(problem, 3, DType::f32);
    upstream.out.fill([] { return 1.0; });
    BackwardRun run{TensorBuffer(DType::f32, problem.query.shape),
                    TensorBuffer(DType::f32, problem.key.shape),
                    TensorBuffer(DType::f32, problem.value.shape),
                    {}};
    attend_backward(problem, spec, backward_arguments(forward, upstream, run));
    EXPECT_TRUE(all_finite(run.query) && all_finite(run.key) && all_finite(run.value));
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid_argument) << error.what();
    EXPECT_EQ(std::string(error.what()).find("00000"), std::string::npos) << error.what();
  }
}

TEST(FiniteInputs, HaveGradientsThatAreFiniteOrNamed) {
  for (const PartCase& part : all_parts())
    for (const Causal causal : {Causal::none, Causal::top_left}) {
      SCOPED_TRACE(part.spec);
      const auto make = [&] {
        OwnedProblem owned = gaussian_problem({.queries = 70, .keys = 70, .head_dim = 8}, 13);
        owned.problem.causal = causal;
        return owned;
      };
      OwnedProblem values = make(), key = make(), value = make();
      values.value.fill([] { return 3.4e38; });
      expect_finite_gradients_or_named(values.problem, part.spec);
      for (std::int64_t c = 0; c < 8; ++c) key.key.set(0, 0, 5, c, 3e38);
      expect_finite_gradients_or_named(key.problem, part.spec);
      for (const double size : {3.4e38, -1e38}) {
        for (std::int64_t c = 0; c < 8; ++c) value.value.set(0, 0, 5, c, size);
        expect_finite_gradients_or_named(value.problem, part.spec);
      }
    }
}

// grad_out . value overflows where the weight is small: the gradient is as it should be.
TEST(FiniteInputs, ProductsThatOverflowBesideSmallWeightsCount) {
  for (const std::int64_t queries : {2, 40}) {
    OwnedProblem owned = gaussian_problem({.queries = queries, .keys = 37, .head_dim = 8}, 14);
    for (std::int64_t c = 0; c < 8; ++c) owned.value.set(0, 0, 5, c, 3.4e38);
    owned.query.fill([] { return 1.0; });
    for (std::int64_t c = 0; c < 8; ++c) owned.key.set(0, 0, 5, c, -15.0);
    const ReferenceAttention reference(owned.problem);
    Upstream upstream = random_upstream(owned.problem, 3, DType::f32);
    upstream.out.fill([] { return 1.0; });
    upstream.with_lse = false;
    const BackwardRun run =
        run_backward(owned.problem, run_forward(owned.problem, DType::f32), upstream);
    const auto expected =
        reference.backward(read_tensor(upstream.out.view()), upstream.dense_lse());
    EXPECT_LE(gradient_error(run, reference, expected, 1e-3), 2e-5);
  }
}

TEST(FiniteInputs, TooSmallForSumsOfFeaturesAreNamed) {
  for (const std::string spec : {"linear(map=relu)", "linear(map=none)"}) {
    OwnedProblem owned = gaussian_problem({.queries = 40, .keys = 40, .head_dim = 8}, 15);
    Draw draw(16);
    owned.query.fill([&] { return 1e-40 * draw.normal(); });
    expect_finite_or_named(owned.problem, spec);
    owned.problem.causal = Causal::top_left;
    expect_finite_or_named(owned.problem, spec);
  }
}

TEST(FiniteInputs, OfEveryPartAreFiniteOrNamed) {
  for (const PartCase& part : all_parts())
    for (const double size : {1e20, 1e30}) {
      SCOPED_TRACE(part.spec);
      OwnedProblem owned = gaussian_problem({.queries = 150, .keys = 150, .head_dim = 8}, 10);
      Draw draw(11);
      owned.query.fill([&] { return size * draw.normal(); });
      owned.key.fill([&] { return size * draw.normal(); });
      expect_finite_or_named(owned.problem, part.spec);
      owned.problem.causal = Causal::top_left;
      expect_finite_or_named(owned.problem, part.spec);
      owned.value.fill([&] { return 1e8 * size * draw.normal(); });
      expect_finite_or_named(owned.problem, part.spec);
    }
}

TEST(FiniteMasks, OfEveryPartKeepRowsFinite) {
  for (const PartCase& part : all_parts()) {
    SCOPED_TRACE(part.spec);
    expect_finite_or_named(with_mask(150, 150, {-FLT_MAX}).problem, part.spec);
    expect_finite_or_named(with_mask(150, 150, {-FLT_MAX, 0.0F, 0.5F}).problem, part.spec);
  }
}

// Gradients of rows whose lse tells nothing: all keys behind the smallest float.
TEST(FiniteMasks, RowsBehindThemHaveTheirGradients) {
  const OwnedProblem owned = with_mask(20, 37, {-FLT_MAX});
  const ReferenceAttention reference(owned.problem);
  const Upstream upstream = random_upstream(owned.problem, 3, DType::f32);
  const BackwardRun run =
      run_backward(owned.problem, run_forward(owned.problem, DType::f32), upstream);
  const auto expected = reference.backward(read_tensor(upstream.out.view()), upstream.dense_lse());
  EXPECT_LE(gradient_error(run, reference, expected, 1e-3), 2e-5);
}

TEST(FiniteMasks, RowsBehindThemAreNamedWhereAMethodCannotDifferentiateThem) {
  const OwnedProblem owned = with_mask(20, 37, {-FLT_MAX});
  const ForwardRun forward = run_forward(owned.problem, DType::f32, 1, {}, "window(9)");
  const Upstream upstream = random_upstream(owned.problem, 3, DType::f32);
  BackwardRun run{TensorBuffer(DType::f32, owned.problem.query.shape),
                  TensorBuffer(DType::f32, owned.problem.key.shape),
                  TensorBuffer(DType::f32, owned.problem.value.shape),
                  {}};
  EXPECT_THROW(
      attend_backward(owned.problem, "window(9)", backward_arguments(forward, upstream, run)),
      Error);
}

// Rows without a gradient, as padding queries are, cost and leak nothing.
TEST(FiniteMasks, RowsWithoutAGradientStayOut) {
  const OwnedProblem owned = with_mask(20, 37, {-FLT_MAX});
  const ForwardRun forward = run_forward(owned.problem, DType::f32);
  Upstream upstream = random_upstream(owned.problem, 3, DType::f32);
  upstream.out.fill([] { return 0.0; });
  upstream.with_lse = false;
  const BackwardRun run = run_backward(owned.problem, forward, upstream);
  for (const TensorBuffer* tensor : {&run.query, &run.key, &run.value})
    tensor->for_each(
        [&](auto b, auto h, auto i, auto c) { EXPECT_EQ(tensor->get(b, h, i, c), 0.0); });
}

}  // namespace
}  // namespace subquad::testing
