// Linear attention step by step: the state against the causal forward, its checks, its memory; and
// the feature maps.
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/feature_map.h"
#include "support/isa.h"
#include "support/linear_scene.h"
#include "subquad/attention.h"
#include "subquad/error.h"
#include "subquad/linear_attention.h"

namespace subquad::testing {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

double phi(FeatureMap map, double x) {
  if (map == FeatureMap::elu) return x > 0 ? x + 1 : std::exp(x);
  return map == FeatureMap::relu && x < 0 ? 0 : x;
}

// factor * phi(x), by the kernel that loads rows.
std::vector<float> features_of(FeatureMap map, float factor, const std::vector<float>& x) {
  const auto count = static_cast<std::int64_t>(x.size());
  std::vector<float> features(x.size());
  kernels::load_features({x.data(), DType::f32, count, count, nullptr, 0, 1}, map, factor,
                         features.data(), count, count, nullptr);
  return features;
}

TEST(FeatureMaps, ValuesAndSlopes) {
  std::vector<float> inputs;
  for (int n = -160; n <= 160; ++n) inputs.push_back(0.25F * static_cast<float>(n));
  inputs.resize((inputs.size() + 15) / 16 * 16, 3.0F);
  on_every_isa([&] {
    for (const FeatureMap map : all_maps) {
      const std::vector<float> features = features_of(map, 0.125F, inputs);
      std::vector<float> slopes(inputs.size(), 2.0F);
      const auto count = static_cast<std::int64_t>(inputs.size());
      kernels::multiply_slopes(map, 0.125F, features.data(), slopes.data(), count);
      for (std::size_t n = 0; n < inputs.size(); ++n) {
        const double x = inputs[n], want = 0.125 * phi(map, x);
        EXPECT_NEAR(features[n], want, (3e-7 + 1e-7 * std::fabs(x)) * std::fabs(want)) << x;
        if (x == 0) continue;  // relu has none there
        const double slope = map == FeatureMap::none || x > 0 ? 1
                             : map == FeatureMap::elu         ? std::exp(x)
                                                              : 0;
        EXPECT_NEAR(slopes[n], 2 * 0.125 * slope, (3e-7 + 1e-7 * std::fabs(x)) * 0.25 * slope) << x;
      }
    }
  });
}

TEST(FeatureMaps, ValuesThatAreNotFinite) {
  on_every_isa([] {
    for (const FeatureMap map : all_maps) {
      std::vector<float> x(16, 0.0F);
      x[0] = kNaN, x[1] = kInfinity, x[2] = -kInfinity, x[3] = -1e30F;
      x = features_of(map, 1.0F, x);
      EXPECT_TRUE(std::isnan(x[0]));
      EXPECT_EQ(x[1], kInfinity);
      EXPECT_EQ(x[2], map == FeatureMap::none ? -kInfinity : 0.0F);
      EXPECT_EQ(x[3], map == FeatureMap::none ? -1e30F : 0.0F);
      std::vector<float> slopes(16, 1.0F);
      kernels::multiply_slopes(map, 1.0F, x.data(), slopes.data(), 16);
      EXPECT_EQ(std::isnan(slopes[0]), map == FeatureMap::elu);
    }
  });
}

// Positions [begin, end) of a view.
template <typename View>
View part_of(View view, std::int64_t begin, std::int64_t end) {
  const std::int64_t bytes = begin * view.stride[2] * size_of(view.dtype);
  if constexpr (std::is_same_v<View, TensorView>) {
    view.data = static_cast<const char*>(view.data) + bytes;
  } else {
    view.data = static_cast<char*>(view.data) + bytes;
  }
  view.shape[2] = end - begin;
  return view;
}

struct Decoding {
  OwnedProblem owned;
  TensorBuffer causal, stepped;
  Report report;
  LinearShape shape;

  Decoding(FeatureMap map, DType type, const Dimensions& sizes, std::uint64_t seed)
      : owned(gaussian_problem(sizes, seed, type)) {
    if (map == FeatureMap::none) give_signs(owned, seed, false);
    owned.problem.causal = Causal::top_left;
    causal = TensorBuffer(DType::f32, owned.out_shape());
    stepped = TensorBuffer(DType::f32, owned.out_shape());
    report = attend(owned.problem, linear_spec(map), {causal.mutable_view(), {}, {}});
    const auto& p = owned.problem;
    shape = {p.key.batch(), p.key.heads(), p.key.channels(), p.value.channels(), map, {}};
  }

  std::int64_t step(LinearState& state, std::int64_t position) {
    const auto& p = owned.problem;
    state.append(part_of(p.key, position, position + 1), part_of(p.value, position, position + 1));
    return state.attend(part_of(p.query, position, position + 1),
                        part_of(stepped.mutable_view(), position, position + 1));
  }

  // |stepped - causal| on rows [begin, end), over the largest |value|.
  double error(std::int64_t begin, std::int64_t end) const {
    double largest = 0;
    causal.for_each([&](auto b, auto h, auto i, auto c) {
      if (i < begin || i >= end) return;
      const double difference = std::fabs(causal.get(b, h, i, c) - stepped.get(b, h, i, c));
      largest = std::isnan(difference) ? HUGE_VAL : std::max(largest, difference);
    });
    return largest / 4.0;
  }
};

constexpr Dimensions decode_sizes{.batch = 2,
                                  .heads = 6,
                                  .kv_heads = 3,
                                  .queries = 150,
                                  .keys = 150,
                                  .head_dim = 20,
                                  .value_dim = 9};

TEST(LinearState, StepsEqualTheCausalForward) {
  for (const FeatureMap map : all_maps)
    for (const DType type : {DType::f32, DType::bf16, DType::f16})
      on_every_isa([&] {
        Decoding decoding(map, type, decode_sizes, 1);
        LinearState state(decoding.shape);
        std::int64_t negative = 0;
        for (std::int64_t i = 0; i < 150; ++i) negative += decoding.step(state, i);
        EXPECT_LE(decoding.error(0, 150), 5e-6);
        EXPECT_EQ(negative, decoding.report.negative_rows);
        EXPECT_EQ(negative > 0, map == FeatureMap::none);
      });
}

// The prompt by matrix products, saved, restored into another state, then steps.
TEST(LinearState, PrefillSaveAndRestore) {
  for (const FeatureMap map : all_maps) {
    Decoding decoding(
        map, DType::f32,
        {.heads = 4, .kv_heads = 2, .queries = 700, .keys = 700, .head_dim = 33, .value_dim = 40},
        2);
    LinearState prompt(decoding.shape);
    const auto& p = decoding.owned.problem;
    prompt.append(part_of(p.key, 0, 690), part_of(p.value, 0, 690));
    const std::vector<double> saved(prompt.sums().begin(), prompt.sums().end());
    EXPECT_EQ(saved.size(), 2U * 33U * 41U);
    LinearState restored(decoding.shape);
    std::copy(saved.begin(), saved.end(), restored.sums().begin());
    for (std::int64_t i = 690; i < 700; ++i) decoding.step(restored, i);
    EXPECT_LE(decoding.error(690, 700), 5e-6);
  }
}

// The example of docs/guide/linear.md: the last row of the causal forward.
TEST(LinearState, GuideExample) {
  OwnedProblem owned =
      gaussian_problem({.heads = 8, .kv_heads = 2, .queries = 31, .keys = 31, .head_dim = 64}, 5);
  const Problem& p = owned.problem;
  TensorBuffer row(DType::f32, {1, 8, 1, 64}), all(DType::f32, owned.out_shape());
  const TensorView prompt_keys = part_of(p.key, 0, 30), prompt_values = part_of(p.value, 0, 30);
  const TensorView key = part_of(p.key, 30, 31), value = part_of(p.value, 30, 31);
  const TensorView query = part_of(p.query, 30, 31);
  const MutableTensorView out = row.mutable_view();

  subquad::LinearState state({.kv_heads = 2, .head_dim = 64, .value_dim = 64});
  state.append(prompt_keys, prompt_values);
  state.append(key, value);
  state.attend(query, out);
  std::vector<double> saved(state.sums().begin(), state.sums().end());

  EXPECT_EQ(saved.size(), 2U * 64U * 65U);
  owned.problem.causal = Causal::top_left;
  attend(owned.problem, "linear(map=elu)", {all.mutable_view(), {}, {}});
  row.for_each([&](auto b, auto h, auto, auto c) {
    EXPECT_NEAR(row.get(b, h, 0, c), all.get(b, h, 30, c), 2e-6);
  });
}

TEST(LinearState, ThreadsGiveTheSameBits) {
  const OwnedProblem owned = gaussian_problem(
      {.batch = 2, .heads = 6, .kv_heads = 3, .queries = 20, .keys = 900, .head_dim = 16}, 3);
  LinearState one({2, 3, 16, 16}), many({2, 3, 16, 16});
  one.append(owned.problem.key, owned.problem.value, 1);
  many.append(owned.problem.key, owned.problem.value, 5);
  EXPECT_TRUE(std::equal(one.sums().begin(), one.sums().end(), many.sums().begin()));
  TensorBuffer a(DType::f16, owned.out_shape()), b(DType::f16, owned.out_shape());
  one.attend(owned.problem.query, a.mutable_view(), 1);
  one.attend(owned.problem.query, b.mutable_view(), 4);
  EXPECT_EQ(a.words(), b.words());
}

// Equal keys one by one: in f32 the sums would be off by more than 1e-7 long before.
TEST(LinearState, ManyStepsDoNotWearOut) {
  LinearState state({1, 1, 1, 1, FeatureMap::none, 1.0F});
  TensorBuffer key(DType::f32, {1, 1, 1, 1}), value(DType::f32, {1, 1, 1, 1});
  key.set(0, 0, 0, 0, 1.0 / 3);
  value.set(0, 0, 0, 0, 3.0);
  constexpr int steps = 1 << 17;
  for (int n = 0; n < steps; ++n) state.append(key.view(), value.view(), 1);
  const double third = key.get(0, 0, 0, 0);
  EXPECT_NEAR(state.sums()[0] / (steps * third * 3), 1, 1e-7);
  EXPECT_NEAR(state.sums()[1] / (steps * third), 1, 1e-12);
}

TEST(LinearState, EmptyStateAndZeroSumsGiveZeros) {
  const OwnedProblem owned = gaussian_problem({.queries = 3, .keys = 3, .head_dim = 4}, 4);
  LinearState state({1, 1, 4, 4, FeatureMap::none, 0.0F});
  TensorBuffer out(DType::f32, owned.out_shape());
  for (int round = 0; round < 2; ++round) {  // no keys, then scale 0
    out.fill([] { return 7.0; });
    EXPECT_EQ(state.attend(owned.problem.query, out.mutable_view()), 0);
    out.for_each([&](auto b, auto h, auto i, auto c) { EXPECT_EQ(out.get(b, h, i, c), 0); });
    state.append(owned.problem.key, owned.problem.value);
  }
}

// Sums that are not finite give NaN, not a silent zero.
TEST(LinearState, OverflowGivesNaN) {
  OwnedProblem owned = gaussian_problem({.queries = 1, .keys = 1, .head_dim = 2}, 4);
  owned.key.fill([] { return 1e30; });
  owned.query.fill([] { return 1e30; });
  LinearState state({1, 1, 2, 2, FeatureMap::none, {}});
  state.append(owned.problem.key, owned.problem.value);
  TensorBuffer out(DType::f32, owned.out_shape());
  state.attend(owned.problem.query, out.mutable_view());
  EXPECT_TRUE(std::isnan(out.get(0, 0, 0, 0)) && std::isnan(out.get(0, 0, 0, 1)));
}

TEST(LinearState, AZeroLengthStepChangesNothing) {
  LinearState state({1, 2, 4, 3});
  const TensorBuffer keys(DType::f32, {1, 2, 0, 4}), values(DType::f32, {1, 2, 0, 3});
  state.append(keys.view(), values.view());
  for (const double sum : state.sums()) EXPECT_EQ(sum, 0);
  TensorBuffer out(DType::f32, {1, 2, 0, 3});
  EXPECT_EQ(state.attend(keys.view(), out.mutable_view()), 0);
}

template <typename Function>
std::string error_of(const Function& function) {
  try {
    function();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
    return error.what();
  }
  return "";
}

void expect_names(const std::string& message, const std::string& name) {
  EXPECT_EQ(message.rfind(name, 0), 0U) << message;
}

TEST(LinearState, BadArgumentsAreNamed) {
  expect_names(error_of([] { LinearState({0, 1, 4, 4}); }), "shape: batch");
  expect_names(error_of([] { LinearState({1, -2, 4, 4}); }), "shape: kv_heads");
  expect_names(error_of([] { LinearState({1, 1, 513, 4}); }), "shape: head_dim");
  expect_names(error_of([] { LinearState({1, 1, 4, 0}); }), "shape: value_dim");
  expect_names(error_of([] { LinearState({1, 1, 4, 4, FeatureMap::none, kNaN}); }), "shape: scale");
  LinearState state({1, 2, 4, 3});
  TensorBuffer keys(DType::f32, {1, 2, 5, 4}), values(DType::f32, {1, 2, 5, 3});
  TensorBuffer out(DType::f32, {1, 3, 5, 3}), wide(DType::f32, {1, 2, 5, 6});
  const auto append = [&](const TensorBuffer& k, const TensorBuffer& v, int threads = 0) {
    return error_of([&] { state.append(k.view(), v.view(), threads); });
  };
  expect_names(append(wide, values), "keys:");
  expect_names(append(keys, wide), "values:");
  expect_names(append(keys, values, -1), "threads:");
  for (const double sum : state.sums()) EXPECT_EQ(sum, 0);
  const TensorBuffer three(DType::f32, {1, 3, 5, 4});
  expect_names(error_of([&] { state.attend(three.view(), out.mutable_view()); }), "queries:");
  expect_names(error_of([&] { state.attend(keys.view(), wide.mutable_view()); }), "out:");
}

}  // namespace
}  // namespace subquad::testing
