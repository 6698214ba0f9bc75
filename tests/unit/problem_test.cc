// validate() and the argument checks of attend: each error names the argument at fault.
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

#include "subquad/attention.h"
#include "subquad/error.h"
#include "subquad/problem.h"
#include "support/backward.h"
#include "support/forward.h"
#include "support/invalid.h"
#include "support/owned_problem.h"

namespace subquad::testing {
namespace {

class ValidateTest : public ::testing::Test {
 protected:
  OwnedProblem owned_ = gaussian_problem(
      {.batch = 2, .heads = 4, .kv_heads = 2, .queries = 6, .keys = 9, .head_dim = 8}, 1);
  Problem problem_ = owned_.problem;

  // One change to a valid problem makes it invalid.
  void expect_broken(const std::string& name, const std::function<void(Problem&)>& change) {
    Problem broken = problem_;
    change(broken);
    expect_invalid(name, [&] { validate(broken); });
  }
};

TEST_F(ValidateTest, AcceptsTheUnchangedProblem) { EXPECT_NO_THROW(validate(problem_)); }

TEST_F(ValidateTest, ExtentsThatDoNotFit) {
  expect_broken("key", [](Problem& p) { p.key.shape[0] = 1; });
  expect_broken("value", [](Problem& p) { p.value.shape[0] = 1; });
  expect_broken("head_dim", [](Problem& p) { p.key.shape[3] = 7; });
  expect_broken("value", [](Problem& p) { p.value.shape[2] = 8; });
  expect_broken("value", [](Problem& p) { p.value.shape[1] = 1; });
  expect_broken("query", [](Problem& p) { p.query.shape[2] = -1; });
  expect_broken("key", [](Problem& p) { p.key.shape[2] = p.value.shape[2] = -4; });
}

TEST_F(ValidateTest, HeadCounts) {
  expect_broken("query", [](Problem& p) { p.query.shape[1] = 3; });
  expect_broken("query", [](Problem& p) { p.query.shape[1] = 1; });
  expect_broken("query", [](Problem& p) { p.query.shape[1] = 0; });
  expect_broken("key", [](Problem& p) { p.key.shape[1] = p.value.shape[1] = 0; });
}

TEST_F(ValidateTest, HeadDimFromOneTo512) {
  for (const std::int64_t head_dim : {0, 513, -1}) {
    expect_broken("query", [&](Problem& p) { p.query.shape[3] = p.key.shape[3] = head_dim; });
    expect_broken("value", [&](Problem& p) { p.value.shape[3] = head_dim; });
  }
}

TEST_F(ValidateTest, ExtentsWhoseProductOverflows) {
  const std::int64_t huge = std::int64_t{1} << 40;
  expect_broken("query", [&](Problem& p) { p.query.shape = {huge, huge, huge, 8}; });
  expect_broken("positions", [&](Problem& p) { p.value.shape[2] = p.key.shape[2] = huge; });
}

TEST_F(ValidateTest, ScaleMustBeFinite) {
  for (const float scale : {std::nanf(""), std::numeric_limits<float>::infinity()})
    expect_broken("scale", [&](Problem& p) { p.scale = scale; });
}

TEST_F(ValidateTest, ChannelsMustBeContiguous) {
  expect_broken("query", [](Problem& p) { p.query.stride[3] = 2; });
  expect_broken("key", [](Problem& p) { p.key.stride[3] = 0; });
  expect_broken("value", [](Problem& p) { p.value.stride[3] = -1; });
}

TEST_F(ValidateTest, DataMustBeThere) {
  expect_broken("query", [](Problem& p) { p.query.data = nullptr; });
  expect_broken("key", [](Problem& p) { p.key.data = nullptr; });
  expect_broken("value", [](Problem& p) { p.value.data = nullptr; });
}

TEST_F(ValidateTest, WindowSidesFromMinusOne) {
  expect_broken("window", [](Problem& p) { p.window.left = -2; });
  expect_broken("window", [](Problem& p) { p.window.right = -7; });
}

TEST_F(ValidateTest, MaskShapes) {
  const std::vector<std::uint8_t> bytes(432, 1);
  problem_.mask = {MaskKind::boolean, bytes.data(), {2, 4, 6, 9}, {216, 54, 9, 1}};
  EXPECT_NO_THROW(validate(problem_));
  expect_broken("mask", [](Problem& p) { p.mask.data = nullptr; });
  expect_broken("mask", [](Problem& p) { p.mask.shape[0] = 3; });
  expect_broken("mask", [](Problem& p) { p.mask.shape[1] = 2; });
  expect_broken("mask", [](Problem& p) { p.mask.shape[2] = 0; });
  expect_broken("mask", [](Problem& p) { p.mask.shape[3] = 1; });
  expect_broken("mask", [](Problem& p) { p.mask.stride[3] = 2; });
}

TEST_F(ValidateTest, OneSinkLogitAHead) {
  const std::vector<float> logits(5, 0.0F);
  expect_broken("sink_logits", [&](Problem& p) { p.sink_logits = logits; });
}

TEST_F(ValidateTest, PackedOffsets) {
  using Offsets = std::vector<std::int64_t>;
  problem_.query.shape[0] = problem_.key.shape[0] = problem_.value.shape[0] = 1;
  const Offsets query{0, 2, 2, 6}, key{0, 4, 9, 9};
  problem_.query_offsets = query;
  problem_.key_offsets = key;
  EXPECT_NO_THROW(validate(problem_));
  const Offsets bad[] = {{1, 2, 2, 6}, {0, 4, 2, 6}, {0, 2, 2, 5}, {0, 2, 7, 6}, {0, 2, 2, 7}};
  for (const Offsets& offsets : bad)
    expect_broken("query_offsets", [&](Problem& p) { p.query_offsets = offsets; });
  const Offsets bad_keys[] = {{0, 4, 9, 8}, {0, 9, 9}, {}, {0, -1, 9, 9}};
  for (const Offsets& offsets : bad_keys)
    expect_broken("key_offsets", [&](Problem& p) { p.key_offsets = offsets; });
  const std::vector<std::uint8_t> bytes(9, 1);
  expect_broken("mask", [&](Problem& p) {
    p.mask = {MaskKind::boolean, bytes.data(), {1, 1, 1, 9}, {9, 9, 9, 1}};
  });
  expect_broken("query",
                [&](Problem& p) { p.query.shape[0] = p.key.shape[0] = p.value.shape[0] = 2; });
}

TEST(TensorView, OfMutableMemoryIsReadable) {
  static_assert(std::is_convertible_v<MutableTensorView, TensorView>);
  static_assert(!std::is_convertible_v<TensorView, MutableTensorView>);
  std::vector<float> values(24);
  TensorView view;
  view = dense_view(values.data(), DType::f32, {1, 2, 3, 4});
  EXPECT_EQ(view.data, values.data());
  EXPECT_EQ(view.stride, dense_strides({1, 2, 3, 4}));
}

TEST(ResolvedScale, DefaultsToOneOverTheRootOfHeadDim) {
  OwnedProblem owned = gaussian_problem({.head_dim = 64}, 1);
  EXPECT_EQ(resolved_scale(owned.problem), 0.125F);
  owned.problem.scale = -3.0F;
  EXPECT_EQ(resolved_scale(owned.problem), -3.0F);
}

class OutputsTest : public ValidateTest {
 protected:
  TensorBuffer out_{DType::f32, {2, 4, 6, 8}, {{0, 1, 2}, 0, 9, false}};
  TensorBuffer lse_{DType::f32, {2, 4, 6, 1}, {{0, 1, 2}, 0, 9, false}};
  TensorBuffer row_error_{DType::f32, {2, 4, 6, 1}, {{0, 1, 2}, 0, 9, false}};
  Outputs outputs_{out_.mutable_view(), lse_.mutable_view(), row_error_.mutable_view()};

  void expect_broken_outputs(const std::string& name, const std::function<void(Outputs&)>& change) {
    Outputs broken = outputs_;
    change(broken);
    const std::vector<std::uint16_t> out = out_.words(), lse = lse_.words();
    expect_invalid(name, [&] { attend(problem_, "exact", broken); });
    EXPECT_EQ(out, out_.words()) << "written in spite of the error";
    EXPECT_EQ(lse, lse_.words()) << "written in spite of the error";
  }
};

TEST_F(OutputsTest, WrongOutputsAreNamedAndNotWritten) {
  expect_broken_outputs("out", [](Outputs& o) { o.out.data = nullptr; });
  expect_broken_outputs("out", [](Outputs& o) { o.out.shape[2] = 5; });
  expect_broken_outputs("out", [](Outputs& o) { o.out.shape[3] = 7; });
  expect_broken_outputs("out", [](Outputs& o) { o.out.stride[3] = 2; });
  expect_broken_outputs("out", [](Outputs& o) { o.out.stride[2] = 0; });
  expect_broken_outputs("lse", [](Outputs& o) { o.lse.stride[2] = 0; });
  expect_broken_outputs("lse", [](Outputs& o) { o.lse.shape[3] = 8; });
  expect_broken_outputs("lse", [](Outputs& o) { o.lse.dtype = DType::bf16; });
  expect_broken_outputs("row_error", [](Outputs& o) { o.row_error.shape[1] = 2; });
  expect_broken_outputs("row_error", [](Outputs& o) { o.row_error.dtype = DType::f16; });
}

TEST_F(OutputsTest, NothingIsWrittenForABadProblemOrSpec) {
  const std::vector<std::uint16_t> before = out_.words();
  expect_invalid("frobnicate", [&] { attend(problem_, "frobnicate(3)", outputs_); });
  problem_.scale = std::nanf("");
  expect_invalid("scale", [&] { attend(problem_, "exact", outputs_); });
  EXPECT_EQ(before, out_.words());
}

class BackwardArgumentsTest : public ValidateTest {
 protected:
  ForwardRun forward_ = run_forward(problem_, DType::f32);
  Upstream upstream_ = random_upstream(problem_, 2, DType::f32);
  BackwardRun run_{TensorBuffer(DType::f32, problem_.query.shape),
                   TensorBuffer(DType::f32, problem_.key.shape),
                   TensorBuffer(DType::f32, problem_.value.shape),
                   {}};

  void expect_broken_arguments(const std::string& name,
                               const std::function<void(BackwardArguments&)>& change) {
    upstream_.with_lse = true;
    BackwardArguments broken = backward_arguments(forward_, upstream_, run_);
    change(broken);
    const BackwardRun before = run_;
    expect_invalid(name, [&] { attend_backward(problem_, broken); });
    EXPECT_EQ(before.query.words(), run_.query.words()) << "written in spite of the error";
    EXPECT_EQ(before.key.words(), run_.key.words()) << "written in spite of the error";
    EXPECT_EQ(before.value.words(), run_.value.words()) << "written in spite of the error";
  }
};

TEST_F(BackwardArgumentsTest, WrongArgumentsAreNamedAndNotWritten) {
  expect_broken_arguments("out", [](BackwardArguments& a) { a.out.data = nullptr; });
  expect_broken_arguments("out", [](BackwardArguments& a) { a.out.shape[3] = 7; });
  expect_broken_arguments("lse", [](BackwardArguments& a) { a.lse.data = nullptr; });
  expect_broken_arguments("lse", [](BackwardArguments& a) { a.lse.shape[2] = 5; });
  expect_broken_arguments("lse", [](BackwardArguments& a) { a.lse.dtype = DType::f16; });
  expect_broken_arguments("grad_out", [](BackwardArguments& a) { a.grad_out.data = nullptr; });
  expect_broken_arguments("grad_out", [](BackwardArguments& a) { a.grad_out.shape[1] = 2; });
  expect_broken_arguments("grad_lse", [](BackwardArguments& a) { a.grad_lse.shape[3] = 8; });
  expect_broken_arguments("grad_query", [](BackwardArguments& a) { a.grad_query.shape[2] = 5; });
  expect_broken_arguments("grad_key", [](BackwardArguments& a) { a.grad_key.shape[1] = 4; });
  expect_broken_arguments("grad_value",
                          [](BackwardArguments& a) { a.grad_value.dtype = DType::bf16; });
  expect_broken_arguments("grad_query", [](BackwardArguments& a) {
    a.grad_query.data = a.grad_key.data = a.grad_value.data = nullptr;
  });
}

}  // namespace
}  // namespace subquad::testing
