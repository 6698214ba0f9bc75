// The backward of every method against the derivative of its own entries in double precision, and
// that against finite differences.
#include <cmath>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "light/sampled/sampled_keys.h"
#include "property/heavy_light_support.h"
#include "run/forward.h"
#include "run/backward.h"
#include "support/backward.h"
#include "support/forward.h"
#include "support/differences.h"
#include "support/isa.h"
#include "support/plan_model.h"
#include "support/random_problem.h"
#include "subquad/attention.h"
#include "subquad/error.h"

namespace subquad::testing {
namespace {

constexpr double smallest_gradient = 0.1;  // as in backward_test.cc
constexpr std::uint64_t method_seed = 3;

std::vector<std::string> free_specs() {
  std::vector<std::string> specs;
  for (const std::string& heavy : heavy_specs)
    for (const std::string light : {"drop", "uniform(m=13)", "uniform(m=40,replace=true)"})
      specs.push_back(joined(heavy, light));
  return specs;
}

const std::vector<std::string> causal_specs{
    "recursion(block=16,m=8,base=16)", "window(9)+sortlsh(block=16)+prefix(m=12)",
    "sink(3)+recursion(block=5,m=70,base=20)", "sortlsh(block=9)+prefix(m=40)"};

double backward_tolerance(DType out_type) {
  if (out_type == DType::bf16) return 4e-3;
  return out_type == DType::f16 ? 6e-4 : 1e-5;
}

// How a method is run: by its spec, or with a method of the test's own.
struct Runner {
  std::string spec;
  const Method* own = nullptr;
  std::span<const GivenMask> given = {};

  Method parsed() const { return own == nullptr ? parse_method(spec, given) : Method{}; }
  const Method& method(const Method& parsed) const { return own == nullptr ? parsed : *own; }

  ForwardRun forward(const Problem& problem, DType out_type, int threads = 1) const {
    const Shape4& q = problem.query.shape;
    ForwardRun run{TensorBuffer(out_type, {q[0], q[1], q[2], problem.value.shape[3]}),
                   TensorBuffer(DType::f32, {q[0], q[1], q[2], 1}),
                   {}};
    const Outputs outputs{run.out.mutable_view(), run.lse.mutable_view(), {}};
    const Options options{.threads = threads, .seed = method_seed, .given = given};
    if (own == nullptr) {
      run.report = attend(problem, spec, outputs, options);
    } else {
      run.report.fallback_rows =
          split_attention(split_heads(problem), *own, outputs, options).fallback_rows;
    }
    return run;
  }

  BackwardRun backward(const Problem& problem, const ForwardRun& forward, const Upstream& upstream,
                       int threads = 1, const Layout& layout = {}) const {
    BackwardRun run{TensorBuffer(DType::f32, problem.query.shape, layout),
                    TensorBuffer(DType::f32, problem.key.shape, layout),
                    TensorBuffer(DType::f32, problem.value.shape, layout),
                    {}};
    const BackwardArguments arguments = backward_arguments(forward, upstream, run);
    const Options options{.threads = threads, .seed = method_seed, .given = given};
    if (own == nullptr) {
      run.report = attend_backward(problem, spec, arguments, options);
    } else {
      run.report.fallback_rows =
          split_backward(split_heads(problem), *own, arguments, options).fallback_rows;
    }
    return run;
  }
};

// In the maximum norm: a gradient may be zero throughout.
double largest_error(const TensorBuffer& got, const DenseTensor& want) {
  const double difference = max_difference(got, want);
  return difference > 0 ? difference / std::max(want.max_abs(), smallest_gradient) : 0;
}

double gradient_error(const BackwardRun& run, const PlanModel::Inputs& expected, double max_score) {
  const double largest =
      std::max({largest_error(run.query, expected.query), largest_error(run.key, expected.key),
                largest_error(run.value, expected.value)});
  return largest / std::max(1.0, max_score);
}

void expect_model(const Problem& problem, const Runner& runner, const Upstream& upstream,
                  DType out_type, const Layout& layout) {
  SCOPED_TRACE(runner.spec);
  const Method parsed = runner.parsed();
  const PlanModel model(problem, runner.method(parsed), method_seed);
  const PlanModel::Inputs in = model.inputs();
  const PlanModel::Outputs outputs = model.forward(in);
  const PlanModel::Inputs expected =
      model.backward(in, outputs, read_tensor(upstream.out.view()), upstream.dense_lse());
  const ForwardRun forward = runner.forward(problem, out_type);
  const BackwardRun run = runner.backward(problem, forward, upstream, 2, layout);
  const double unit = std::max(1.0, outputs.max_score);
  // Sums over separate samples are no mean: outputs may exceed the values.
  const double size = std::max({outputs.max_value, outputs.out.max_abs(), smallest_gradient});
  EXPECT_LE(max_difference(forward.out, outputs.out), forward_tolerance(out_type) * unit * size);
  EXPECT_LE(gradient_error(run, expected, outputs.max_score), backward_tolerance(out_type));
  EXPECT_EQ(run.report.fallback_rows, model.fallback_rows);
  EXPECT_EQ(forward.report.fallback_rows, model.fallback_rows);
  EXPECT_TRUE(run.query.outside_untouched());
  EXPECT_TRUE(run.key.outside_untouched());
  EXPECT_TRUE(run.value.outside_untouched());
}

constexpr ProblemLimits limits{.max_length = 90, .max_head_dim = 40, .max_work = 400'000};

struct Case {
  OwnedProblem random;
  Upstream upstream;
  Layout layout;
  DType out_type;
};

Case draw_case(std::uint64_t seed, const ProblemLimits& sizes = limits) {
  Case drawn{random_problem(seed, type_of(seed), sizes), {}, {}, DType::f32};
  Draw draw(seed);
  drawn.layout = random_layout(draw);
  if (seed % 3 == 0) drawn.out_type = type_of(seed);
  drawn.upstream = random_upstream(drawn.random.problem, seed, drawn.out_type, drawn.layout);
  return drawn;
}

class MethodBackward : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(MethodBackward, GradientsAreThoseOfTheEntries) {
  const Case drawn = draw_case(70'000 + GetParam());
  SCOPED_TRACE(drawn.random.description);
  on_every_isa([&] {
    for (const std::string& spec : free_specs())
      expect_model(drawn.random.problem, {spec}, drawn.upstream, drawn.out_type, drawn.layout);
  });
}

TEST_P(MethodBackward, CausalGradientsAreThoseOfTheEntries) {
  Case drawn = draw_case(71'000 + GetParam());
  drawn.random = made_causal(std::move(drawn.random), GetParam());
  SCOPED_TRACE(drawn.random.description);
  on_every_isa([&] {
    for (const std::string& spec : causal_specs)
      expect_model(drawn.random.problem, {spec}, drawn.upstream, drawn.out_type, drawn.layout);
  });
}
INSTANTIATE_TEST_SUITE_P(Problems, MethodBackward, ::testing::Range<std::uint64_t>(0, 16));

// Separate samples for the two sums, as norm sampling has them.
class SplitSamples final : public Sampler {
 public:
  SplitSamples(const HeadProblem& head, const Rng&)
      : weights_(head, every(head.num_keys, 3, 0), 3.0, 1.0),
        values_(head, every(head.num_keys, 4, 1), 4.0, 1.0) {}

  void add_runs(const IndexList& rows, RunList& runs) const override {
    KeyRun values = values_.run(rows.count);
    values.sums = Sums::values;
    runs.add(values);
    KeyRun weights = weights_.run(rows.count);
    weights.sums = Sums::weights;
    runs.add(weights);
  }

 private:
  static std::vector<std::int32_t> every(std::int64_t n, std::int32_t step, std::int32_t first) {
    std::vector<std::int32_t> keys;
    for (std::int32_t key = first; key < n; key += step) keys.push_back(key);
    return keys;
  }

  SampledKeys weights_, values_;
};

class SplitSamplesRule final : public LightRule {
 public:
  LightPart prepare(const HeadProblem& head, const EntrySets&, const Rng& rng, int) const override {
    return {.sampler = std::make_shared<SplitSamples>(head, rng)};
  }
};

TEST_P(MethodBackward, SamplesForOneOfTheSums) {
  const Case drawn = draw_case(72'000 + GetParam());
  SCOPED_TRACE(drawn.random.description);
  on_every_isa([&] {
    for (const std::string heavy : {"drop", "window(5)", "sink(2)+sortlsh(block=11)"}) {
      Method method = parse_method(heavy);
      method.light = std::make_unique<SplitSamplesRule>();
      expect_model(drawn.random.problem, {heavy, &method}, drawn.upstream, drawn.out_type,
                   drawn.layout);
    }
  });
}

// Rows that see keys of the sample for values and none of that for weights were computed again
// exactly: their sampled values do not count.
TEST(MethodBackwardFallback, SampledValuesOfRejectedRowsDoNotCount) {
  OwnedProblem owned = gaussian_problem({.queries = 60, .keys = 60, .head_dim = 20}, 11);
  owned.problem.window = {0, 1, Alignment::top_left};  // row i sees keys i and i + 1
  const Upstream upstream = random_upstream(owned.problem, 12, DType::f32);
  Method method = parse_method("drop");
  method.light = std::make_unique<SplitSamplesRule>();
  const Runner runner{"drop", &method};
  EXPECT_EQ(runner.forward(owned.problem, DType::f32).report.fallback_rows, 21);
  on_every_isa([&] { expect_model(owned.problem, runner, upstream, DType::f32, {}); });
}

// Rows with lists of their own keys, which are read where they lie; some lists are empty.
TEST(MethodBackwardGiven, GradientsAreThoseOfTheEntries) {
  OwnedProblem owned =
      gaussian_problem({.heads = 4, .kv_heads = 2, .queries = 70, .keys = 90, .head_dim = 20}, 8);
  const Upstream upstream = random_upstream(owned.problem, 9, DType::f32);
  Draw draw(10);
  std::vector<std::int64_t> offsets{0};
  std::vector<std::int32_t> keys;
  for (std::int64_t row = 0; row < 4 * 70; ++row) {
    const double density = draw.one_of({0.0, 0.05, 0.3});
    for (std::int32_t key = 0; key < 90; ++key)
      if (draw.chance(density)) keys.push_back(key);
    offsets.push_back(std::ssize(keys));
  }
  GivenMask mask;
  mask.offsets = offsets;
  mask.keys = keys;
  for (const Causal causal : {Causal::none, Causal::bottom_right}) {
    owned.problem.causal = causal;
    on_every_isa([&] {
      for (const std::string spec : {"given(0)", "sink(2)+given(0)+uniform(m=11)"})
        expect_model(owned.problem, {spec, nullptr, {&mask, 1}}, upstream, DType::f32, {});
    });
  }
}

double loss(const PlanModel& model, const PlanModel::Inputs& in, const DenseTensor& grad_out,
            const DenseTensor& grad_lse) {
  const PlanModel::Outputs outputs = model.forward(in);
  double sum = 0;
  for (std::size_t n = 0; n < outputs.out.values.size(); ++n)
    sum += outputs.out.values[n] * grad_out.values[n];
  for (std::size_t n = 0; n < outputs.lse.values.size(); ++n)
    if (std::isfinite(outputs.lse.values[n])) sum += outputs.lse.values[n] * grad_lse.values[n];
  return sum;
}

void expect_differences(const Problem& problem, const std::string& spec, const Upstream& upstream) {
  SCOPED_TRACE(spec);
  const Method method = parse_method(spec);
  const PlanModel model(problem, method, method_seed);
  const PlanModel::Inputs in = model.inputs();
  const DenseTensor grad_out = read_tensor(upstream.out.view()), grad_lse = upstream.dense_lse();
  const PlanModel::Inputs formula = model.backward(in, model.forward(in), grad_out, grad_lse);
  const auto loss_of = [&](const PlanModel::Inputs& inputs) {
    return loss(model, inputs, grad_out, grad_lse);
  };
  for (const auto tensor :
       {&PlanModel::Inputs::query, &PlanModel::Inputs::key, &PlanModel::Inputs::value}) {
    const double scale = std::max((formula.*tensor).max_abs(), smallest_gradient);
    EXPECT_LE(difference_error(in, tensor, formula.*tensor, std::ldexp(1.0, -14), loss_of),
              1e-6 * scale);
  }
}

// The yardstick's own derivative.
TEST(MethodBackwardSmall, FiniteDifferencesAgree) {
  const ProblemLimits small{.max_length = 14, .max_head_dim = 5, .max_work = 4'000};
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    Case drawn = draw_case(73'000 + seed, small);
    SCOPED_TRACE(drawn.random.description);
    for (const std::string spec :
         {"drop", "uniform(m=5)", "sink(2)+uniform(m=4,replace=true)", "sortlsh(block=3)",
          "window(3)+sortlsh(block=3,rounds=2)+uniform(m=5)", "topk(k=3)+uniform(m=4)",
          "topk(k=3,candidates=clusters,clusters=5,probes=2)+uniform(m=4)"})
      expect_differences(drawn.random.problem, spec, drawn.upstream);
    drawn.random = made_causal(std::move(drawn.random), seed);
    for (const std::string spec : {"recursion(block=2,m=2,base=16)", "window(2)+prefix(m=3)"})
      expect_differences(drawn.random.problem, spec, drawn.upstream);
  }
}

// With everything heavy, or every key sampled, the derivative is that of exact attention.
TEST(MethodBackwardLimit, EverythingHeavyOrSampledIsExact) {
  for (std::uint64_t seed = 74'000; seed < 74'020; ++seed) {
    const Case drawn = draw_case(seed);
    SCOPED_TRACE(drawn.random.description);
    const Problem& problem = drawn.random.problem;
    const ReferenceAttention reference(problem);
    const auto expected =
        reference.backward(read_tensor(drawn.upstream.out.view()), drawn.upstream.dense_lse());
    on_every_isa([&] {
      for (const std::string spec :
           {"sink(90)", "window(200)+uniform(m=5)", "sortlsh(block=90)+uniform(m=7)",
            "uniform(m=90)", "sink(3)+sortlsh(block=20,rounds=2)+window(9)+uniform(m=90)"}) {
        SCOPED_TRACE(spec);
        const Runner runner{spec};
        const ForwardRun forward = runner.forward(problem, drawn.out_type);
        const BackwardRun run = runner.backward(problem, forward, drawn.upstream);
        EXPECT_LE(testing::gradient_error(run, reference, expected, smallest_gradient),
                  backward_tolerance(drawn.out_type));
      }
    });
  }
}

void expect_same_bits(const BackwardRun& a, const BackwardRun& b) {
  EXPECT_EQ(a.query.words(), b.query.words());
  EXPECT_EQ(a.key.words(), b.key.words());
  EXPECT_EQ(a.value.words(), b.value.words());
  EXPECT_EQ(a.report.fallback_rows, b.report.fallback_rows);
  EXPECT_EQ(a.report.scored_entries, b.report.scored_entries);
}

void expect_thread_invariance(const Problem& problem, const std::string& spec, std::uint64_t seed) {
  SCOPED_TRACE(spec);
  const Runner runner{spec};
  const Upstream upstream = random_upstream(problem, seed, DType::f32);
  const ForwardRun forward = runner.forward(problem, DType::f32);
  const BackwardRun single = runner.backward(problem, forward, upstream, 1);
  for (const int threads : {2, 3, 7})
    expect_same_bits(single, runner.backward(problem, forward, upstream, threads));
}

void expect_thread_invariance_of_all(std::uint64_t seed) {
  Case drawn = draw_case(seed);
  SCOPED_TRACE(drawn.random.description);
  for (const std::string& spec : free_specs())
    expect_thread_invariance(drawn.random.problem, spec, seed);
  drawn.random = made_causal(std::move(drawn.random), seed);
  for (const std::string& spec : causal_specs)
    expect_thread_invariance(drawn.random.problem, spec, seed);
}

TEST(MethodBackwardInvariance, Threads) {
  for (std::uint64_t seed = 75'000; seed < 75'004; ++seed) expect_thread_invariance_of_all(seed);
  on_every_isa([] { expect_thread_invariance_of_all(75'004); });
}

// One head of many groups: threads share it. The window's group has more keys than may wait.
TEST(MethodBackwardInvariance, ThreadsOnOneLongHead) {
  OwnedProblem owned = gaussian_problem({.queries = 1500, .keys = 4100, .head_dim = 16}, 1);
  for (const std::string spec : {"sortlsh(block=100)+uniform(m=300)", "window(3900)+uniform(m=9)",
                                 "sortlsh(block=64,rounds=2)+sink(3)+uniform(m=50)"})
    expect_thread_invariance(owned.problem, spec, 2);
  owned.problem.causal = Causal::bottom_right;
  for (const std::string& spec : causal_specs) expect_thread_invariance(owned.problem, spec, 3);
}

TEST(MethodBackwardLong, GradientsAreThoseOfTheEntries) {
  OwnedProblem owned =
      gaussian_problem({.heads = 2, .queries = 300, .keys = 3500, .head_dim = 8}, 5);
  const Upstream upstream = random_upstream(owned.problem, 6, DType::f32);
  for (const std::string spec : {"sortlsh(block=100)+uniform(m=300)", "window(3400)+uniform(m=9)"})
    expect_model(owned.problem, {spec}, upstream, DType::f32, {});
  owned.problem.causal = Causal::bottom_right;
  expect_model(owned.problem, {"recursion(block=64,m=32,base=128)"}, upstream, DType::f32, {});
}

// NaN reaches what meets it among the method's entries, and nothing else.
TEST(MethodBackwardWild, NanReachesWhatMeetsIt) {
  for (std::uint64_t seed = 76'000; seed < 76'018; ++seed) {
    Case drawn = draw_case(seed);
    SCOPED_TRACE(drawn.random.description);
    TensorBuffer* const tensors[] = {&drawn.random.query, &drawn.random.key, &drawn.random.value};
    TensorBuffer& tensor = *tensors[seed % 3];
    const Shape4& shape = tensor.shape();
    if (shape[2] == 0) continue;
    Draw draw(seed);
    tensor.set(draw.integer(0, shape[0] - 1), draw.integer(0, shape[1] - 1),
               draw.integer(0, shape[2] - 1), draw.integer(0, shape[3] - 1), std::nan(""));
    on_every_isa([&] {
      for (const std::string spec : {"sink(4)+uniform(m=13)", "sortlsh(block=16)+uniform(m=13)",
                                     "window(9)", "uniform(m=20,replace=true)"})
        expect_model(drawn.random.problem, {spec}, drawn.upstream, drawn.out_type, drawn.layout);
    });
  }
}

TEST(MethodBackwardPartial, GradientsThatAreNotAskedForAreNotWritten) {
  const OwnedProblem owned = gaussian_problem(
      {.heads = 4, .kv_heads = 2, .queries = 70, .keys = 90, .head_dim = 16, .value_dim = 24}, 6);
  const Upstream upstream = random_upstream(owned.problem, 7, DType::f32);
  const Runner runner{"sink(2)+sortlsh(block=16)+uniform(m=11)"};
  const ForwardRun forward = runner.forward(owned.problem, DType::f32);
  const BackwardRun full = runner.backward(owned.problem, forward, upstream);
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
    attend_backward(owned.problem, runner.spec, arguments, {.seed = method_seed});
    EXPECT_EQ(run.query.words(), ((wanted & 1) != 0 ? full : untouched).query.words());
    EXPECT_EQ(run.key.words(), ((wanted & 2) != 0 ? full : untouched).key.words());
    EXPECT_EQ(run.value.words(), ((wanted & 4) != 0 ? full : untouched).value.words());
  }
}

TEST(MethodBackwardPartial, TheSeedIsThatOfTheForward) {
  const OwnedProblem owned = gaussian_problem({.queries = 60, .keys = 90, .head_dim = 16}, 6);
  const Upstream upstream = random_upstream(owned.problem, 7, DType::f32);
  const Runner runner{"uniform(m=11)"};
  const ForwardRun forward = runner.forward(owned.problem, DType::f32);
  const BackwardRun right = runner.backward(owned.problem, forward, upstream);
  BackwardRun other = right;
  attend_backward(owned.problem, runner.spec, backward_arguments(forward, upstream, other),
                  {.seed = method_seed + 1});
  EXPECT_NE(right.key.words(), other.key.words());
  EXPECT_THROW(
      attend_backward(owned.problem, "unknown(1)", backward_arguments(forward, upstream, other)),
      Error);
}

}  // namespace
}  // namespace subquad::testing
