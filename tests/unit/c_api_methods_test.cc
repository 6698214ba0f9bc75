// Kernel sums, HyperAttention's algorithms and the decoding state in C, against C++.
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "c_api_support.h"
#include "subquad/hyper.h"
#include "subquad/kernel_sums.h"
#include "subquad/linear_attention.h"
#include "support/owned_problem.h"

namespace subquad::testing {
namespace {

OwnedProblem scene() {
  return gaussian_problem(
      {.batch = 2, .heads = 4, .kv_heads = 2, .queries = 64, .keys = 64, .head_dim = 8}, 3);
}

TEST(CApiMethods, KernelSums) {
  const OwnedProblem owned =
      gaussian_problem({.heads = 2, .kv_heads = 2, .queries = 600, .keys = 700, .head_dim = 3}, 8);
  const KernelProblem kernel{owned.query.view(), owned.key.view(), owned.value.view(), 2.0};
  const auto query = c_tensor(kernel.query), key = c_tensor(kernel.key),
             value = c_tensor(kernel.value);
  for (const char* spec : {"exact", "far(clusters=16)", "boxes"}) {
    TensorBuffer want(DType::f32, owned.out_shape()), got(DType::f32, owned.out_shape());
    const KernelReport report =
        kernel_sums(kernel, spec, {want.mutable_view()}, {.threads = 1, .seed = 4});
    const COptions options{{"threads", "1"}, {"seed", "4"}};
    const CResult result;
    const auto out = c_tensor(got.mutable_view());
    ASSERT_EQ(SUBQUAD_OK, subquad_kernel_sums(&query, &key, &value, 2.0, spec, &out, options.get(),
                                              result.get()))
        << subquad_last_error();
    EXPECT_EQ(want.words(), got.words());
    EXPECT_EQ(report.path, result.text("path"));
    EXPECT_EQ(report.rows, result.integer("rows"));
    EXPECT_EQ(report.scored_entries, result.integer("scored_entries"));
    EXPECT_EQ(report.opened_entries, result.integer("opened_entries"));
    EXPECT_GT(result.integer("peak_extra_bytes"), 0);
    expect_same(result.number("estimated_error"), report.estimated_error);
    expect_same(result.number("error_bound"), report.error_bound);
  }
  const auto out = c_tensor(owned.query.view());
  expect_refused(subquad_kernel_sums(&query, &key, &value, 2.0, "exact", &out, nullptr, nullptr),
                 "out: shares memory with query");
  expect_refused(subquad_kernel_sums(&query, &key, &value, 0, "exact", &out, nullptr, nullptr),
                 "bandwidth");
  expect_refused(subquad_kernel_sums(&query, nullptr, &value, 1, "exact", &out, nullptr, nullptr),
                 "key: is NULL");
}

TEST(CApiMethods, KernelLogSumsAndGradientsByChannel) {
  OwnedProblem owned =
      gaussian_problem({.heads = 2, .kv_heads = 2, .queries = 30, .keys = 40, .head_dim = 3}, 8);
  owned.value.fill([] { return 0.5; });
  const std::vector<double> bandwidths{1.0, 2.0, 3.0};
  const KernelProblem kernel{owned.query.view(), owned.key.view(), owned.value.view(), 0,
                             bandwidths};
  const auto query = c_tensor(kernel.query), key = c_tensor(kernel.key),
             value = c_tensor(kernel.value);
  TensorBuffer want(DType::f32, owned.out_shape()), got(DType::f32, owned.out_shape());
  const auto out = c_tensor(got.mutable_view());
  kernel_sums(kernel, "exact", {want.mutable_view()});
  ASSERT_EQ(SUBQUAD_OK, subquad_kernel_sums_with(&query, &key, &value, bandwidths.data(), 3,
                                                 "exact", &out, nullptr, nullptr));
  EXPECT_EQ(want.words(), got.words());
  TensorBuffer grad_want(DType::f32, owned.key.shape()), grad_got(DType::f32, owned.key.shape());
  std::vector<double> slopes_want(3), slopes_got(3);
  kernel_sums_backward(kernel, {.grad_out = want.view(),
                                .grad_key = grad_want.mutable_view(),
                                .grad_bandwidth = slopes_want});
  const auto grad_key = c_tensor(grad_got.mutable_view());
  ASSERT_EQ(SUBQUAD_OK,
            subquad_kernel_sums_backward(&query, &key, &value, bandwidths.data(), 3, &out, nullptr,
                                         &grad_key, nullptr, slopes_got.data(), nullptr, nullptr));
  EXPECT_EQ(grad_want.words(), grad_got.words());
  EXPECT_EQ(slopes_want, slopes_got);
  kernel_log_sums(kernel, {want.mutable_view()});
  ASSERT_EQ(SUBQUAD_OK, subquad_kernel_log_sums(&query, &key, &value, bandwidths.data(), 3, &out,
                                                nullptr, nullptr));
  EXPECT_EQ(want.words(), got.words());
  expect_refused(
      subquad_kernel_log_sums(&query, &key, &value, bandwidths.data(), 2, &out, nullptr, nullptr),
      "bandwidths: count");
  expect_refused(subquad_kernel_log_sums(&query, &key, &value, nullptr, 0, &out, nullptr, nullptr),
                 "bandwidths");
}

class CApiHyper : public ::testing::Test {
 protected:
  OwnedProblem owned_ = scene();
  subquad_problem problem_ = c_problem(owned_.problem);
  ApproxDOptions approx_d_;
  SampleOptions sample_;
  COptions options_{{"threads", "1"},
                    {"seed", "6"},
                    {"approxd.heavy", "sink(2)"},
                    {"approxd.num_samples", "20"},
                    {"approxd.kappa", "3"},
                    {"approxd.tau_samples", "10"},
                    {"values.num_samples", "16"},
                    {"values.replace", "no"}};
  CResult report_, heads_, samples_;

  CApiHyper() {
    approx_d_.heavy = "sink(2)";
    approx_d_.num_samples = 20;
    approx_d_.kappa = 3;
    approx_d_.tau_samples = 10;
    sample_ = {16, false};
  }
  void expect_heads(const std::vector<ApproxDHead>& want) {
    ASSERT_EQ(std::ssize(want), heads_.rows());
    for (std::int64_t n = 0; n < heads_.rows(); ++n) {
      const ApproxDHead& head = want[static_cast<std::size_t>(n)];
      EXPECT_EQ(head.sequence, heads_.integer("sequence", n));
      EXPECT_EQ(head.kv_head, heads_.integer("kv_head", n));
      EXPECT_EQ(head.tau_positions, heads_.integers("tau_positions", n));
      EXPECT_EQ(head.samples, heads_.integers("samples", n));
      EXPECT_EQ(head.log_tau, heads_.numbers("log_tau", n));
      EXPECT_EQ(head.capped_samples, heads_.integer("capped_samples", n));
      EXPECT_EQ(head.floored_rows, heads_.integer("floored_rows", n));
    }
  }
  void expect_samples(const std::vector<SamplingMatrix>& want) {
    ASSERT_EQ(std::ssize(want), samples_.rows());
    for (std::int64_t n = 0; n < samples_.rows(); ++n) {
      const SamplingMatrix& matrix = want[static_cast<std::size_t>(n)];
      EXPECT_EQ(matrix.sequence, samples_.integer("sequence", n));
      EXPECT_EQ(matrix.kv_head, samples_.integer("kv_head", n));
      EXPECT_EQ(matrix.indices, samples_.integers("indices", n));
      EXPECT_EQ(matrix.weights, samples_.numbers("weights", n));
    }
  }
};

TEST_F(CApiHyper, RowSums) {
  TensorBuffer want(DType::f32, owned_.row_shape()), got(DType::f32, owned_.row_shape());
  const ApproxDReport done =
      approximate_row_sums(owned_.problem, approx_d_, want.mutable_view(), {1, 6});
  const auto sums = c_tensor(got.mutable_view());
  ASSERT_EQ(SUBQUAD_OK, subquad_approximate_row_sums(&problem_, &sums, options_.get(),
                                                     report_.get(), heads_.get()))
      << subquad_last_error();
  EXPECT_EQ(want.words(), got.words());
  EXPECT_EQ(done.report.path, report_.text("path"));
  EXPECT_EQ(done.report.scored_entries, report_.integer("scored_entries"));
  expect_heads(done.heads);
}

TEST_F(CApiHyper, ValueRows) {
  const auto done = sample_value_rows(owned_.problem, sample_, {1, 6});
  ASSERT_EQ(SUBQUAD_OK, subquad_sample_value_rows(&problem_, options_.get(), samples_.get()));
  expect_samples(done);
}

TEST_F(CApiHyper, Attention) {
  TensorBuffer want(DType::f32, owned_.out_shape()), got(DType::f32, owned_.out_shape());
  TensorBuffer want_lse(DType::f32, owned_.row_shape()), got_lse(DType::f32, owned_.row_shape());
  const HyperReport done =
      hyper_attention(owned_.problem, approx_d_, sample_,
                      {want.mutable_view(), want_lse.mutable_view(), {}}, {1, 6});
  const auto out = c_tensor(got.mutable_view()), lse = c_tensor(got_lse.mutable_view());
  ASSERT_EQ(SUBQUAD_OK, subquad_hyper_attention(&problem_, &out, &lse, nullptr, options_.get(),
                                                report_.get(), heads_.get(), samples_.get()));
  EXPECT_EQ(want.words(), got.words());
  EXPECT_EQ(want_lse.words(), got_lse.words());
  EXPECT_EQ(done.report.fallback_rows, report_.integer("fallback_rows"));
  expect_heads(done.heads);
  expect_samples(done.samples);
}

TEST(CApiLinear, StepsAndSumsAreThoseOfCpp) {
  const OwnedProblem owned = scene();
  for (const auto map : {FeatureMap::none, FeatureMap::elu, FeatureMap::relu}) {
    const char* names[] = {"none", "elu", "relu"};
    LinearState state(
        {.batch = 2, .kv_heads = 2, .head_dim = 8, .value_dim = 8, .map = map, .scale = 0.3F});
    const COptions options{{"linear.map", names[static_cast<int>(map)]}, {"linear.scale", "0.3"}};
    subquad_linear_state* c_state = nullptr;
    ASSERT_EQ(SUBQUAD_OK, subquad_linear_create(2, 2, 8, 8, options.get(), &c_state));
    state.append(owned.key.view(), owned.value.view(), 1);
    const auto keys = c_tensor(owned.key.view()), values = c_tensor(owned.value.view()),
               queries = c_tensor(owned.query.view());
    ASSERT_EQ(SUBQUAD_OK, subquad_linear_append(c_state, &keys, &values, 1));
    TensorBuffer want(DType::f32, owned.out_shape()), got(DType::f32, owned.out_shape());
    const auto out = c_tensor(got.mutable_view());
    const std::int64_t negative = state.attend(owned.query.view(), want.mutable_view(), 1);
    std::int64_t c_negative = -1, count = 0;
    ASSERT_EQ(SUBQUAD_OK, subquad_linear_attend(c_state, &queries, &out, 1, &c_negative));
    EXPECT_EQ(want.words(), got.words());
    EXPECT_EQ(negative, c_negative);
    const double* sums = subquad_linear_sums(c_state, &count);
    EXPECT_EQ((std::vector<double>{state.sums().begin(), state.sums().end()}),
              (std::vector<double>{sums, sums + count}));
    expect_refused(subquad_linear_attend(c_state, &queries, &queries, 1, nullptr),
                   "out: shares memory with queries");
    expect_refused(subquad_linear_append(c_state, &keys, nullptr, 1), "values: is NULL");
    expect_refused(subquad_linear_append(c_state, &keys, &values, -1), "threads: -1");
    subquad_linear_free(c_state);
  }
}

TEST(CApiLinear, ASavedStateGoesOn) {
  const OwnedProblem owned = scene();
  const auto keys = c_tensor(owned.key.view()), values = c_tensor(owned.value.view()),
             queries = c_tensor(owned.query.view());
  subquad_linear_state *first = nullptr, *second = nullptr;
  ASSERT_EQ(SUBQUAD_OK, subquad_linear_create(2, 2, 8, 8, nullptr, &first));
  ASSERT_EQ(SUBQUAD_OK, subquad_linear_create(2, 2, 8, 8, nullptr, &second));
  ASSERT_EQ(SUBQUAD_OK, subquad_linear_append(first, &keys, &values, 1));
  std::int64_t count = 0;
  const double* saved = subquad_linear_sums(first, &count);
  std::copy(saved, saved + count, subquad_linear_sums(second, nullptr));
  TensorBuffer a(DType::f32, owned.out_shape()), b(DType::f32, owned.out_shape());
  const auto a_view = c_tensor(a.mutable_view()), b_view = c_tensor(b.mutable_view());
  ASSERT_EQ(SUBQUAD_OK, subquad_linear_attend(first, &queries, &a_view, 1, nullptr));
  ASSERT_EQ(SUBQUAD_OK, subquad_linear_attend(second, &queries, &b_view, 1, nullptr));
  EXPECT_EQ(a.words(), b.words());
  subquad_linear_free(first);
  subquad_linear_free(second);
}

TEST(CApiLinear, TheCountOfNegativeRowsHasItsOwnPlace) {
  subquad_linear_state* state = nullptr;
  ASSERT_EQ(SUBQUAD_OK, subquad_linear_create(1, 1, 8, 8, nullptr, &state));
  std::vector<std::int64_t> rows(16), results(16);  // of 32 floats
  const subquad_tensor queries = subquad_dense(rows.data(), SUBQUAD_F32, 1, 1, 4, 8),
                       out = subquad_dense(results.data(), SUBQUAD_F32, 1, 1, 4, 8);
  expect_refused(subquad_linear_attend(state, &queries, &out, 1, rows.data() + 15),
                 "negative_rows: shares memory with queries");
  expect_refused(subquad_linear_attend(state, &queries, &out, 1, results.data()),
                 "negative_rows: shares memory with out");
  std::int64_t negative = 9;
  EXPECT_EQ(SUBQUAD_OK, subquad_linear_attend(state, &queries, &out, 1, &negative));
  EXPECT_EQ(0, negative);
  subquad_linear_free(state);
}

TEST(CApiLinear, BadShapes) {
  subquad_linear_state* state = reinterpret_cast<subquad_linear_state*>(1);
  expect_refused(subquad_linear_create(1, 1, 0, 8, nullptr, &state), "head_dim");
  EXPECT_EQ(nullptr, state);
  expect_refused(subquad_linear_create(1, 1, 8, 513, nullptr, &state), "value_dim");
  expect_refused(subquad_linear_create(0, 1, 8, 8, nullptr, &state), "batch");
  expect_refused(subquad_linear_create(1, 1, 8, 8, nullptr, nullptr), "state: is NULL");
  expect_refused(subquad_linear_attend(nullptr, nullptr, nullptr, 0, nullptr), "state: is NULL");
  std::int64_t count = 9;
  EXPECT_EQ(nullptr, subquad_linear_sums(nullptr, &count));
  EXPECT_EQ(0, count);
}

}  // namespace
}  // namespace subquad::testing
