// The derivative of approxd through caps, floor and tau, against central differences of a plain
// double-precision model at the library's own draws.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "subquad/attention.h"
#include "support/backward.h"
#include "support/differences.h"
#include "support/plain_hyper.h"
#include "support/random_problem.h"

namespace subquad::testing {
namespace {

struct Variant {
  std::string heavy;
  ApproxDOptions row_sums;  // `heavy` is set from the above
  bool printed = false;
};

const std::vector<Variant> variants{
    {"", {.num_samples = 6, .kappa = 3, .cap_constant = 20, .tau_samples = 4}},
    {"sink(2)", {.num_samples = 9, .epsilon = 1, .kappa = 2, .cap_constant = 2}},
    {"window(3)", {.num_samples = 5, .epsilon = 1, .kappa = 1.2, .cap_constant = 3}, true},
    {"sortlsh(block=4,bits=2,rounds=2)",
     {.num_samples = 7, .epsilon = 1, .kappa = 50, .cap_constant = 2, .floor = false}},
    {"sortlsh(block=5)+window(2)+sink(1)",
     {.num_samples = 8, .kappa = 1.5, .cap = false, .tau_samples = 3, .replace = false}},
    // A sum of runs: the roles of rownorm.
    {"sink(1)+sortlsh(block=6,bits=3)", {.num_samples = 6, .cap = false, .floor = false}},
    {"sortlsh(block=6,bits=3)", {.num_samples = 6, .cap = false, .floor = false}, true},
};

constexpr std::int64_t value_samples = 7;
constexpr double kStep = 1e-5;  // of the differences

std::string spec_of(const Variant& v) {
  const ApproxDOptions& sums = v.row_sums;
  return fmt::format(
      "{}{}approxd(m={},eps={},kappa={},cap={},floor={},tau_samples={},values={},replace={},"
      "printed={},strict=false)",
      v.heavy, v.heavy.empty() ? "" : "+", sums.num_samples, sums.epsilon, sums.kappa,
      sums.cap ? sums.cap_constant : 0.0, sums.floor, sums.tau_samples, value_samples, sums.replace,
      v.printed);
}

// sum(out * grad_out) + sum(lse * grad_lse) of one query head, from its scores and values.
class PlainLoss {
 public:
  PlainLoss(const Problem& problem, const Variant& variant, const ApproxDHead& draws,
            const SamplingMatrix& sample, const Upstream& upstream, const PlainHead& head)
      : variant_(variant), draws_(draws), width_(problem.value.channels()) {
    sampled_.resize(static_cast<std::size_t>(head.keys));
    for (std::size_t r = 0; r < sample.indices.size(); ++r)
      sampled_[static_cast<std::size_t>(sample.indices[r])] += std::pow(sample.weights[r], 2);
    if (!problem.sink_logits.empty())
      sink_ = static_cast<double>(problem.sink_logits[static_cast<std::size_t>(head.head)]);
    for (std::int64_t i = 0; i < head.rows; ++i) {
      const std::int64_t at = head.query_begin + i;
      for (std::int64_t c = 0; c < width_; ++c)
        grad_out_.push_back(upstream.out.get(head.b, head.head, at, c));
      grad_lse_.push_back(upstream.with_lse ? upstream.lse.get(head.b, head.head, at, 0) : 0.0);
    }
  }

  double operator()(const PlainHead& head, const std::vector<double>& values) const {
    const PlainApproxD sums = plain_approx_d(head, variant_.row_sums, draws_);
    double loss = 0;
    for (std::int64_t i = 0; i < head.rows; ++i) {
      const auto row = static_cast<std::size_t>(i);
      const double log_sum = log_add(sums.log_row_sums[row], sink_);
      if (log_sum == nothing) continue;
      loss += grad_lse_[row] * log_sum;
      for (std::int64_t j = 0; j < head.keys; ++j) {
        const double weight = std::exp(head.score(i, j) - log_sum) *
                              (sums.redone[row] != 0 ? 1.0 : times_counted(head, i, j));
        for (std::int64_t c = 0; weight != 0 && c < width_; ++c)
          loss += weight * grad_out_[static_cast<std::size_t>(i * width_ + c)] *
                  values[static_cast<std::size_t>(j * width_ + c)];
      }
    }
    return loss;
  }

 private:
  double times_counted(const PlainHead& head, std::int64_t i, std::int64_t j) const {
    if (!variant_.printed && head.in_mask(i, j)) return 1;
    return sampled_[static_cast<std::size_t>(j)];
  }

  const Variant& variant_;
  const ApproxDHead& draws_;
  std::int64_t width_;
  double sink_ = nothing;
  std::vector<double> sampled_, grad_out_, grad_lse_;
};

struct Gradients {
  DenseTensor query, key, value;
};

// Adds a head's differences, carried on to queries and keys by the chain rule of the scores.
void add_head(const Problem& problem, const PlainLoss& loss, PlainHead head, Gradients& sums) {
  const DenseTensor query = read_tensor(problem.query), key = read_tensor(problem.key),
                    value = read_tensor(problem.value);
  const auto scale = static_cast<double>(resolved_scale(problem));
  const std::int64_t width = problem.value.channels();
  std::vector<double> values;
  for (std::int64_t j = 0; j < head.keys; ++j)
    for (std::int64_t c = 0; c < width; ++c)
      values.push_back(value.row(head.b, head.kv_head, head.key_begin + j)[c]);
  const auto total = [&] { return loss(head, values); };
  for (std::int64_t j = 0; j < head.keys; ++j) {
    const std::int64_t k = head.key_begin + j;
    for (std::int64_t c = 0; c < width; ++c)
      sums.value.row(head.b, head.kv_head, k)[c] +=
          central_difference(values[static_cast<std::size_t>(j * width + c)], kStep, total);
    for (std::int64_t i = 0; i < head.rows; ++i) {
      double& score = head.scores[static_cast<std::size_t>(i * head.keys + j)];
      if (score == nothing) continue;
      const double slope = scale * central_difference(score, kStep, total);
      const std::int64_t q = head.query_begin + i;
      for (std::int64_t c = 0; c < problem.query.channels(); ++c) {
        sums.query.row(head.b, head.head, q)[c] += slope * key.row(head.b, head.kv_head, k)[c];
        sums.key.row(head.b, head.kv_head, k)[c] += slope * query.row(head.b, head.head, q)[c];
      }
    }
  }
}

// Terms as large as the output cancel in a gradient: `size` is the largest score times the largest
// output.
void expect_close(const char* name, const TensorBuffer& found, const DenseTensor& expected,
                  double size) {
  const double tolerance = 1e-5 * std::max(3.0, size) + 1e-5 * expected.max_abs();
  found.for_each([&](auto b, auto h, auto i, auto c) {
    ASSERT_NEAR(found.get(b, h, i, c), expected.row(b, h, i)[c], tolerance)
        << name << " " << b << ", " << h << ", " << i << ", " << c;
  });
}

struct Seen {
  std::int64_t capped = 0, raised = 0, redone = 0;
};

struct GradientRun {
  TensorBuffer query, key, value, out;
};

GradientRun run_backward(const Problem& problem, const std::string& spec, const Upstream& upstream,
                         std::uint64_t seed, int threads, Report* report = nullptr) {
  const Shape4& q = problem.query.shape;
  TensorBuffer out(DType::f32, {q[0], q[1], q[2], problem.value.channels()});
  TensorBuffer lse(DType::f32, {q[0], q[1], q[2], 1});
  const Options options{.threads = threads, .seed = seed};
  const Report forward =
      attend(problem, spec, {out.mutable_view(), lse.mutable_view(), {}}, options);
  if (report != nullptr) *report = forward;
  GradientRun run{TensorBuffer(DType::f32, problem.query.shape),
                  TensorBuffer(DType::f32, problem.key.shape),
                  TensorBuffer(DType::f32, problem.value.shape), std::move(out)};
  BackwardArguments arguments;
  arguments.out = run.out.view();
  arguments.lse = lse.view();
  arguments.grad_out = upstream.out.view();
  if (upstream.with_lse) arguments.grad_lse = upstream.lse.view();
  arguments.grad_query = run.query.mutable_view();
  arguments.grad_key = run.key.mutable_view();
  arguments.grad_value = run.value.mutable_view();
  attend_backward(problem, spec, arguments, options);
  return run;
}

void check_variant(const Problem& problem, const Variant& variant, std::uint64_t seed, Seen& seen) {
  const Upstream upstream = random_upstream(problem, seed, DType::f32);
  Report report;
  const GradientRun run = run_backward(problem, spec_of(variant), upstream, seed, 1, &report);
  Gradients expected{DenseTensor(problem.query.shape), DenseTensor(problem.key.shape),
                     DenseTensor(problem.value.shape)};
  TensorBuffer sums(DType::f32, upstream.lse.shape());
  ApproxDOptions approx_d = variant.row_sums;
  approx_d.heavy = variant.heavy;
  const auto draws =
      approximate_row_sums(problem, approx_d, sums.mutable_view(), {.seed = seed}).heads;
  const auto samples = sample_value_rows(
      problem, {.num_samples = value_samples, .replace = approx_d.replace}, {.seed = seed});
  double max_score = 0;
  for (PlainHead& head : plain_heads(problem, variant.heavy, seed)) {
    if (head.rows == 0 || head.keys == 0) continue;
    const auto at = static_cast<std::size_t>(head.sequence * problem.key.heads() + head.kv_head);
    const PlainLoss loss(problem, variant, draws[at], samples[at], upstream, head);
    const PlainApproxD plain = plain_approx_d(head, approx_d, draws[at]);
    seen.capped += plain.capped;
    seen.raised += plain.floored;
    seen.redone += std::count(plain.redone.begin(), plain.redone.end(), 1);
    max_score = std::max(max_score, head.max_score);
    add_head(problem, loss, std::move(head), expected);
  }
  const double size = std::max(1.0, max_score) * read_tensor(run.out.view()).max_abs();
  expect_close("query", run.query, expected.query, size);
  expect_close("key", run.key, expected.key, size);
  expect_close("value", run.value, expected.value, size);
}

TEST(ApproxDBackward, IsTheDerivative) {
  Seen seen;
  for (std::uint64_t seed = 1; seed <= 24; ++seed) {
    const OwnedProblem random =
        random_problem(seed, DType::f32, {.max_length = 13, .max_head_dim = 8, .max_work = 20'000});
    SCOPED_TRACE(random.description);
    for (const Variant& variant : variants) {
      SCOPED_TRACE(spec_of(variant));
      check_variant(random.problem, variant, seed, seen);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
  EXPECT_GT(seen.capped, 100);
  EXPECT_GT(seen.raised, 100);
  EXPECT_GT(seen.redone, 0);
}

// Caps and floor both act, on flat attention where they matter to all rows.
TEST(ApproxDBackward, IsTheDerivativeWithoutMasks) {
  Seen seen;
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    const OwnedProblem owned = gaussian_problem(
        {.heads = 2, .kv_heads = 1, .queries = 14, .keys = 17, .head_dim = 4, .value_dim = 3},
        seed);
    for (const Variant& variant : variants) {
      SCOPED_TRACE(spec_of(variant));
      check_variant(owned.problem, variant, seed, seen);
    }
  }
  EXPECT_GT(seen.capped, 50);
  EXPECT_GT(seen.raised, 20);
}

TEST(ApproxDBackward, ThreadsGiveTheSameBits) {
  const OwnedProblem owned =
      gaussian_problem({.heads = 2, .kv_heads = 1, .queries = 500, .keys = 700, .head_dim = 16}, 3);
  const Upstream upstream = random_upstream(owned.problem, 1, DType::f32);
  for (const Variant& variant : variants) {
    const GradientRun single = run_backward(owned.problem, spec_of(variant), upstream, 7, 1);
    for (const int threads : {2, 5}) {
      const GradientRun several =
          run_backward(owned.problem, spec_of(variant), upstream, 7, threads);
      EXPECT_EQ(single.query.words(), several.query.words());
      EXPECT_EQ(single.key.words(), several.key.words());
      EXPECT_EQ(single.value.words(), several.value.words());
    }
  }
}

}  // namespace
}  // namespace subquad::testing
