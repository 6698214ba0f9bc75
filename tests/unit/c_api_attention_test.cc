// Attention in C: the bits and the reports of C++, forward and backward.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "c_api_support.h"
#include "subquad/attention.h"
#include "subquad/certificate.h"
#include "support/owned_problem.h"
#include "support/tensor_buffer.h"

namespace subquad::testing {
namespace {

// Programs that were compiled against them rely on where the fields are.
static_assert(sizeof(subquad_tensor) == 80 && offsetof(subquad_tensor, stride) == 48);
static_assert(sizeof(subquad_problem) == 392 && offsetof(subquad_problem, has_scale) == 240 &&
              offsetof(subquad_problem, mask) == 280 &&
              offsetof(subquad_problem, num_offsets) == 384);
static_assert(sizeof(subquad_array) == 40 && sizeof(subquad_block_pair) == 8);
static_assert(sizeof(subquad_report) == 48 && offsetof(subquad_report, recall) == 40);

struct Buffers {
  TensorBuffer out, lse, row_error;
  explicit Buffers(const OwnedProblem& owned)
      : out(DType::f32, owned.out_shape()),
        lse(DType::f32, owned.row_shape()),
        row_error(DType::f32, owned.row_shape()) {}

  Outputs outputs() { return {out.mutable_view(), lse.mutable_view(), row_error.mutable_view()}; }
  void expect_equal(const Buffers& other) const {
    EXPECT_EQ(out.words(), other.out.words());
    EXPECT_EQ(lse.words(), other.lse.words());
    EXPECT_EQ(row_error.words(), other.row_error.words());
  }
};

void expect_report(const Report& want, const CResult& got) {
  EXPECT_EQ(1, got.rows());
  EXPECT_EQ(want.path, got.text("path"));
  EXPECT_EQ(want.rows, got.integer("rows"));
  EXPECT_EQ(want.fallback_rows, got.integer("fallback_rows"));
  EXPECT_EQ(want.scored_entries, got.integer("scored_entries"));
  EXPECT_EQ(want.exact_heads, got.integer("exact_heads"));
  EXPECT_EQ(want.negative_rows, got.integer("negative_rows"));
  EXPECT_GT(got.integer("peak_extra_bytes"), 0);
  expect_same(got.number("recall"), want.recall);
  expect_same(got.number("estimated_error"), want.estimated_error);
  EXPECT_EQ(want.certificate.rows, got.integer("certificate.rows"));
  EXPECT_EQ(want.certificate.total_rows, got.integer("certificate.total_rows"));
  EXPECT_EQ(want.certificate.largest_row_error, got.number("certificate.largest_row_error"));
  EXPECT_EQ(want.certificate.rel_fro, got.number("certificate.rel_fro"));
  EXPECT_EQ(want.certificate.worst.position, got.integer("certificate.worst_position"));
}

// Forward by both interfaces, with options and without.
void expect_same_forward(const OwnedProblem& owned, const char* spec) {
  SCOPED_TRACE(spec);
  Buffers want(owned), full(owned), brief(owned);
  const Report report = attend(owned.problem, spec, want.outputs(), {.threads = 1, .seed = 5});
  const subquad_problem problem = c_problem(owned.problem);
  const auto views = [](Buffers& b) {
    return std::vector{c_tensor(b.out.mutable_view()), c_tensor(b.lse.mutable_view()),
                       c_tensor(b.row_error.mutable_view())};
  };
  const COptions options{{"threads", "1"}, {"seed", "5"}};
  const CResult result;
  auto v = views(full);
  ASSERT_EQ(SUBQUAD_OK,
            subquad_attend_with(&problem, spec, &v[0], &v[1], &v[2], options.get(), result.get()))
      << subquad_last_error();
  full.expect_equal(want);
  expect_report(report, result);
  subquad_report numbers;
  v = views(brief);
  ASSERT_EQ(SUBQUAD_OK, subquad_attend(&problem, spec, &v[0], &v[1], &v[2], 1, 5, &numbers));
  brief.expect_equal(want);
  EXPECT_EQ(report.scored_entries, numbers.scored_entries);
  EXPECT_EQ(report.negative_rows, numbers.negative_rows);
  expect_same(numbers.recall, report.recall);
}

OwnedProblem scene(std::int64_t length = 96) {
  return gaussian_problem({.batch = 2,
                           .heads = 4,
                           .kv_heads = 2,
                           .queries = length,
                           .keys = length,
                           .head_dim = 8,
                           .value_dim = 6},
                          3);
}

TEST(CApiAttention, BitsAndReportsOfEveryKindOfMethod) {
  const OwnedProblem owned = scene();
  for (const char* spec :
       {"exact", "sink(2)+window(8)+uniform(m=16)", "sortlsh(block=16)+uniform(m=16)",
        "topk(k=4,candidates=clusters,clusters=4,probes=2)", "linear(map=none)",
        "topk(k=9)+multipole(clusters=8)"})
    expect_same_forward(owned, spec);
}

TEST(CApiAttention, AReportWithEveryField) {
  const OwnedProblem owned = gaussian_problem({.queries = 1500, .keys = 1500, .head_dim = 16}, 4);
  expect_same_forward(owned, "far(error=0.3,certify=20)");
}

TEST(CApiAttention, EveryFieldOfTheProblemCounts) {
  OwnedProblem owned = scene();
  owned.problem.scale = 0.5F;
  expect_same_forward(owned, "exact");
  owned.problem.causal = Causal::bottom_right;
  expect_same_forward(owned, "exact");
  owned.problem.causal = Causal::none;
  owned.problem.window = {7, 3, Alignment::bottom_right};
  expect_same_forward(owned, "sink(1)+uniform(m=8)");
  owned.sink_logits = {0.5F, -1.0F, 2.0F, 0.0F};
  owned.problem.sink_logits = owned.sink_logits;
  owned.boolean_mask.assign(96, 1);
  owned.boolean_mask[17] = 0;
  owned.problem.mask = {MaskKind::boolean, owned.boolean_mask.data(), {1, 1, 1, 96}, {0, 0, 0, 1}};
  expect_same_forward(owned, "exact");
  owned.additive_mask.assign(96, -1.5F);
  owned.problem.mask = {
      MaskKind::additive, owned.additive_mask.data(), {1, 1, 1, 96}, {0, 0, 0, 1}};
  expect_same_forward(owned, "exact");
}

TEST(CApiAttention, PackedSequences) {
  OwnedProblem owned = gaussian_problem({.heads = 2, .queries = 20, .keys = 30}, 5);
  owned.query_offsets = {0, 5, 5, 20};
  owned.key_offsets = {0, 10, 12, 30};
  owned.problem.query_offsets = owned.query_offsets;
  owned.problem.key_offsets = owned.key_offsets;
  expect_same_forward(owned, "exact");
}

class CApiGiven : public ::testing::Test {
 protected:
  OwnedProblem owned_ = scene(16);
  subquad_problem problem_ = c_problem(owned_.problem);
  Buffers want_{owned_}, got_{owned_};
  COptions options_;

  void expect_given(const GivenMask& mask) {
    const std::vector<GivenMask> masks{mask};
    attend(owned_.problem, "given(0)+uniform(m=4)", want_.outputs(), {1, 0, masks});
    const auto out = c_tensor(got_.out.mutable_view()), lse = c_tensor(got_.lse.mutable_view()),
               row_error = c_tensor(got_.row_error.mutable_view());
    ASSERT_EQ(SUBQUAD_OK, subquad_attend_with(&problem_, "given(0)+uniform(m=4)", &out, &lse,
                                              &row_error, options_.get(), nullptr))
        << subquad_last_error();
    got_.expect_equal(want_);
  }
};

TEST_F(CApiGiven, Rows) {
  std::vector<std::int64_t> offsets{0};
  std::vector<std::int32_t> keys;
  for (std::int32_t i = 0; i < 16; ++i) {
    keys.push_back(i / 2);
    if (i % 2 == 0) keys.push_back(15);
    offsets.push_back(std::ssize(keys));
  }
  ASSERT_EQ(SUBQUAD_OK, subquad_options_add_given_rows(options_.get(), offsets.data(), 17,
                                                       keys.data(), std::ssize(keys)));
  GivenMask mask;
  mask.offsets = offsets;
  mask.keys = keys;
  expect_given(mask);
  // Gone again.
  subquad_options_clear_given(options_.get());
  const auto out = c_tensor(got_.out.mutable_view());
  expect_refused(
      subquad_attend_with(&problem_, "given(0)", &out, nullptr, nullptr, options_.get(), nullptr),
      "given");
}

TEST_F(CApiGiven, Blocks) {
  const std::vector<BlockPair> pairs{{0, 1}, {1, 3}, {3, 0}};
  const std::vector<subquad_block_pair> blocks{{0, 1}, {1, 3}, {3, 0}};
  const std::vector<std::int64_t> offsets{0, 1, 1, 3, 3};
  ASSERT_EQ(SUBQUAD_OK, subquad_options_add_given_blocks(options_.get(), 4, 5, blocks.data(), 3,
                                                         offsets.data(), 5));
  GivenMask mask;
  mask.kind = GivenKind::blocks;
  mask.offsets = offsets;
  mask.query_block_size = 4;
  mask.key_block_size = 5;
  mask.blocks = pairs;
  expect_given(mask);
}

TEST(CApiAttention, GradientsOfEveryKindOfMethod) {
  const OwnedProblem owned = scene();
  const subquad_problem problem = c_problem(owned.problem);
  TensorBuffer upstream(DType::f32, owned.out_shape()), upstream_lse(DType::f32, owned.row_shape());
  Draw draw(9);
  upstream.fill([&] { return draw.normal(); });
  upstream_lse.fill([&] { return draw.normal(); });
  for (const char* spec : {"exact", "sortlsh(block=16)+uniform(m=16)", "topk(k=5)"}) {
    SCOPED_TRACE(spec);
    Buffers forward(owned);
    attend(owned.problem, spec, forward.outputs(), {1, 5});
    std::vector<TensorBuffer> gradients;
    for (int n = 0; n < 3; ++n)
      for (const TensorBuffer* input : {&owned.query, &owned.key, &owned.value})
        gradients.emplace_back(DType::f32, input->shape());
    const BackwardArguments arguments{
        forward.out.view(),         forward.lse.view(),          upstream.view(),
        upstream_lse.view(),        gradients[0].mutable_view(), gradients[1].mutable_view(),
        gradients[2].mutable_view()};
    const Report report = attend_backward(owned.problem, spec, arguments, {1, 5});
    const auto out = c_tensor(forward.out.view()), lse = c_tensor(forward.lse.view()),
               grad_out = c_tensor(upstream.view()), grad_lse = c_tensor(upstream_lse.view());
    std::vector<subquad_tensor> g;
    for (const TensorBuffer& gradient : gradients) g.push_back(c_tensor(gradient.view()));
    const COptions options{{"threads", "1"}, {"seed", "5"}};
    const CResult result;
    ASSERT_EQ(SUBQUAD_OK,
              subquad_attend_backward_with(&problem, spec, &out, &lse, &grad_out, &grad_lse, &g[3],
                                           &g[4], &g[5], options.get(), result.get()))
        << subquad_last_error();
    expect_report(report, result);
    ASSERT_EQ(SUBQUAD_OK, subquad_attend_backward(&problem, spec, &out, &lse, &grad_out, &grad_lse,
                                                  &g[6], &g[7], &g[8], 1, 5, nullptr));
    for (std::size_t n = 0; n < 3; ++n)
      for (const std::size_t other : {n + 3, n + 6})
        EXPECT_EQ(gradients[n].words(), gradients[other].words()) << other;
  }
}

TEST(CApiAttention, Certificate) {
  const OwnedProblem owned = scene();
  const subquad_problem problem = c_problem(owned.problem);
  Buffers buffers(owned);
  attend(owned.problem, "window(8)", buffers.outputs(), {1});
  CertificateOptions asked;
  asked.share = 0.9;
  asked.confidence = 0.8;
  asked.seed = 7;
  const Certificate want = certify(owned.problem, buffers.out.view(), asked);
  const COptions options{
      {"certificate.share", "0.9"}, {"certificate.confidence", "0.8"}, {"seed", "7"}};
  const CResult got;
  const subquad_tensor out = c_tensor(buffers.out.view());
  ASSERT_EQ(SUBQUAD_OK, subquad_certify(&problem, &out, options.get(), got.get()));
  EXPECT_EQ(want.rows, got.integer("rows"));
  EXPECT_EQ(want.total_rows, got.integer("total_rows"));
  EXPECT_EQ(want.share, got.number("share"));
  EXPECT_EQ(want.confidence, got.number("confidence"));
  EXPECT_EQ(want.largest_row_error, got.number("largest_row_error"));
  EXPECT_EQ(want.largest_row_error_to_rms, got.number("largest_row_error_to_rms"));
  EXPECT_EQ(want.rms_row_norm, got.number("rms_row_norm"));
  EXPECT_EQ(want.rel_fro, got.number("rel_fro"));
  EXPECT_EQ(want.worst.batch, got.integer("worst_batch"));
  EXPECT_EQ(want.worst.head, got.integer("worst_head"));
  EXPECT_EQ(want.worst.position, got.integer("worst_position"));
  EXPECT_GT(want.largest_row_error, 0);
}

// The softmax average of two keys, by hand.
TEST(CApiAttention, ValuesByHand) {
  float query[2] = {1, 0}, key[4] = {1, 0, 0, 1}, value[4] = {1, 2, 3, 4}, out[2], lse;
  subquad_problem problem = subquad_problem_default();
  problem.query = subquad_dense(query, SUBQUAD_F32, 1, 1, 1, 2);
  problem.key = subquad_dense(key, SUBQUAD_F32, 1, 1, 2, 2);
  problem.value = subquad_dense(value, SUBQUAD_F32, 1, 1, 2, 2);
  problem.has_scale = 1;
  problem.scale = 1.0F;
  const subquad_tensor out_view = subquad_dense(out, SUBQUAD_F32, 1, 1, 1, 2);
  const subquad_tensor lse_view = subquad_dense(&lse, SUBQUAD_F32, 1, 1, 1, 1);
  subquad_report report;
  ASSERT_EQ(SUBQUAD_OK,
            subquad_attend(&problem, "exact", &out_view, &lse_view, nullptr, 1, 0, &report));
  const double weight = std::exp(1.0) / (std::exp(1.0) + 1.0);  // of the first key
  EXPECT_NEAR(out[0], weight * 1 + (1 - weight) * 3, 1e-6);
  EXPECT_NEAR(out[1], weight * 2 + (1 - weight) * 4, 1e-6);
  EXPECT_NEAR(lse, std::log(std::exp(1.0) + 1.0), 1e-6);
  EXPECT_EQ(1, report.rows);
  // Every cluster is visited, so that nothing is missed; the exact search has no recall.
  const auto recall = [&](const char* spec) {
    EXPECT_EQ(SUBQUAD_OK,
              subquad_attend(&problem, spec, &out_view, nullptr, nullptr, 1, 0, &report));
    return report.recall;
  };
  EXPECT_EQ(1.0, recall("topk(k=1,candidates=clusters,clusters=2,probes=2)"));
  EXPECT_TRUE(std::isnan(recall("topk(k=1)")));
  problem.scale = -1;
  ASSERT_EQ(SUBQUAD_OK, subquad_attend(&problem, "linear(map=none)", &out_view, nullptr, nullptr, 1,
                                       0, &report));
  EXPECT_EQ(1, report.negative_rows);
  EXPECT_EQ(0, report.fallback_rows);
}

TEST(CApiAttention, GradientsByHand) {
  float query[2] = {1, 0}, key[4] = {1, 0, 0, 1}, value[4] = {1, 2, 3, 4}, out[2], lse;
  float grad_out[2] = {1, 0}, grad_value[4];
  subquad_problem problem = subquad_problem_default();
  problem.query = subquad_dense(query, SUBQUAD_F32, 1, 1, 1, 2);
  problem.key = subquad_dense(key, SUBQUAD_F32, 1, 1, 2, 2);
  problem.value = subquad_dense(value, SUBQUAD_F32, 1, 1, 2, 2);
  problem.has_scale = 1;
  problem.scale = 1.0F;
  const auto view = [](float* data, std::int64_t rows, std::int64_t width) {
    return subquad_dense(data, SUBQUAD_F32, 1, 1, rows, width);
  };
  const subquad_tensor o = view(out, 1, 2), l = view(&lse, 1, 1), g = view(grad_out, 1, 2),
                       v = view(grad_value, 2, 2);
  ASSERT_EQ(SUBQUAD_OK, subquad_attend(&problem, "exact", &o, &l, nullptr, 1, 0, nullptr));
  const double weight = std::exp(1.0) / (std::exp(1.0) + 1.0);
  // With every key sampled the other methods' gradient is the same.
  for (const char* spec : {"exact", "sink(1)+uniform(m=2)"}) {
    ASSERT_EQ(SUBQUAD_OK, subquad_attend_backward(&problem, spec, &o, &l, &g, nullptr, nullptr,
                                                  nullptr, &v, 1, 0, nullptr));
    EXPECT_NEAR(grad_value[0], weight, 1e-6);
    EXPECT_NEAR(grad_value[1], 0, 1e-6);
    EXPECT_NEAR(grad_value[2], 1 - weight, 1e-6);
  }
}

}  // namespace
}  // namespace subquad::testing
