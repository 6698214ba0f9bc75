// Arguments that every call checks: counts without data, strides that reach nowhere, outputs that
// share memory, thread counts.
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "subquad/subquad.hpp"
#include "support/backward.h"
#include "support/forward.h"
#include "support/invalid.h"
#include "support/owned_problem.h"

namespace subquad::testing {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

template <typename T>
std::span<const T> nothing(std::size_t count) {
  return {static_cast<const T*>(nullptr), count};
}

class ArgumentsTest : public ::testing::Test {
 protected:
  OwnedProblem owned_ = gaussian_problem(
      {.batch = 2, .heads = 4, .kv_heads = 2, .queries = 6, .keys = 9, .head_dim = 8}, 1);
  Problem problem_ = owned_.problem;
  TensorBuffer out_{DType::f32, owned_.out_shape()};
  TensorBuffer lse_{DType::f32, owned_.row_shape()};

  void expect_broken(const std::string& name, const std::function<void(Problem&)>& change) {
    Problem broken = problem_;
    change(broken);
    expect_invalid(name, [&] { validate(broken); });
  }
  void expect_refused(const std::string& name, const Outputs& outputs) {
    const std::vector<std::uint16_t> before = out_.words();
    expect_invalid(name, [&] { attend(problem_, "exact", outputs); });
    EXPECT_EQ(before, out_.words()) << "written in spite of the error";
  }
};

TEST_F(ArgumentsTest, CountsWithoutData) {
  expect_broken("sink_logits", [](Problem& p) { p.sink_logits = nothing<float>(4); });
  problem_.query.shape[0] = problem_.key.shape[0] = problem_.value.shape[0] = 1;
  expect_broken("query_offsets",
                [](Problem& p) { p.query_offsets = p.key_offsets = nothing<std::int64_t>(3); });
  const std::vector<std::int64_t> offsets{0, 4, 6};
  expect_broken("key_offsets", [&](Problem& p) {
    p.query_offsets = offsets;
    p.key_offsets = nothing<std::int64_t>(3);
  });
  expect_broken("mask", [](Problem& p) { p.mask.data = p.query.data; });
  const auto given = [&](const std::string& name, const std::vector<GivenMask>& masks) {
    expect_invalid(name, [&] {
      attend(problem_, "given", {out_.mutable_view(), {}, {}}, {.given = masks});
    });
  };
  problem_ = owned_.problem;
  GivenMask mask;
  mask.offsets = nothing<std::int64_t>(7);
  given("given[0].offsets", {mask});
  const std::vector<std::int64_t> starts(7, 0);
  mask.offsets = starts;
  mask.keys = nothing<std::int32_t>(2);
  given("given[0].keys", {mask});
  mask.keys = {};
  mask.blocks = nothing<BlockPair>(2);
  given("given[0].blocks", {mask});
  expect_invalid("given", [&] {
    attend(problem_, "given", {out_.mutable_view(), {}, {}}, {.given = nothing<GivenMask>(1)});
  });
  expect_invalid("norms", [&] {
    measure_errors(problem_, out_.view(), out_.view(), {.norms = nothing<double>(8)});
  });
  expect_invalid("positions",
                 [&] { attention_statistics(problem_, {.positions = nothing<Position>(6)}); });
}

TEST_F(ArgumentsTest, UnknownValuesOfEnumerations) {
  expect_broken("dtype", [](Problem& p) { p.query.dtype = static_cast<DType>(3); });
  expect_broken("causal", [](Problem& p) { p.causal = static_cast<Causal>(3); });
  expect_broken("window.alignment",
                [](Problem& p) { p.window.alignment = static_cast<Alignment>(2); });
  expect_broken("mask.kind", [](Problem& p) { p.mask.kind = static_cast<MaskKind>(3); });
}

TEST_F(ArgumentsTest, StridesThatReachBeyondTheAddressSpace) {
  const std::vector<float> numbers(9, 0.0F);
  for (const std::int64_t stride : {kMost, -kMost - 1, kMost / 4, std::int64_t{1} << 55})
    for (std::size_t axis = 0; axis < 3; ++axis) {
      expect_broken("query", [&](Problem& p) { p.query.stride[axis] = stride; });
      expect_broken("key", [&](Problem& p) { p.key.stride[axis] = stride; });
      expect_broken("value", [&](Problem& p) { p.value.stride[axis] = stride; });
      expect_broken("mask", [&](Problem& p) {
        p.mask = {MaskKind::additive, numbers.data(), {2, 4, 6, 9}, {0, 0, 0, 1}};
        p.mask.stride[axis] = stride;
      });
      MutableTensorView out = out_.mutable_view();
      out.stride[axis] = stride;
      expect_refused("out", {out, {}, {}});
    }
}

TEST_F(ArgumentsTest, WindowsMayBeHuge) {
  problem_.causal = Causal::none;
  for (const Alignment alignment : {Alignment::top_left, Alignment::bottom_right}) {
    problem_.window = {kMost, kMost, alignment};
    EXPECT_NO_THROW(attend(problem_, "exact", {out_.mutable_view(), {}, {}}));
  }
  const ForwardRun open = run_forward(owned_.problem, DType::f32);
  EXPECT_EQ(open.out.words(), out_.words());
}

TEST_F(ArgumentsTest, OutputsThatAreInputs) {
  // Each with room enough for an output that lies in it alone.
  constexpr std::int64_t room = 4096;
  std::vector<float> memory(5 * room);
  const auto place = [&](std::int64_t n) { return memory.data() + n * room; };
  problem_.query.data = place(0);
  problem_.key.data = place(1);
  problem_.value.data = place(2);
  problem_.mask = {MaskKind::additive, place(3), {1, 1, 6, 9}, {0, 0, 9, 1}};
  problem_.sink_logits = {place(4), 4};
  const char* names[] = {"query", "key", "value", "mask", "sink_logits"};
  for (std::int64_t n = 0; n < 5; ++n) {
    const std::string shares = std::string(": shares memory with ") + names[n];
    const MutableTensorView out = dense_view(place(n), DType::f32, owned_.out_shape());
    const MutableTensorView row = dense_view(place(n), DType::f32, owned_.row_shape());
    expect_refused("out" + shares, {out, {}, {}});
    expect_refused("lse" + shares, {out_.mutable_view(), row, {}});
    expect_refused("row_error" + shares, {out_.mutable_view(), {}, row});
  }
}

TEST_F(ArgumentsTest, OutputsThatShareMemory) {
  TensorBuffer large(DType::f32, {2, 4, 6, 10});
  const MutableTensorView all = large.mutable_view();
  MutableTensorView out = all, lse = all;
  out.shape[3] = 8;
  lse.shape[3] = 1;
  const auto moved = [](MutableTensorView view, std::int64_t elements) {
    view.data = static_cast<float*>(view.data) + elements;
    return view;
  };
  expect_refused("lse: shares memory with out", {out, moved(lse, 7), {}});
  expect_refused("row_error: shares memory with lse", {out, moved(lse, 8), moved(lse, 8)});
  // Each row of the buffer holds out, lse and row_error side by side: no byte is shared.
  EXPECT_NO_THROW(attend(problem_, "exact", {out, moved(lse, 8), moved(lse, 9)}));
  const ForwardRun apart = run_forward(problem_, DType::f32);
  for (std::int64_t h = 0; h < 4; ++h) {
    EXPECT_EQ(apart.out.get(1, h, 5, 7), large.get(1, h, 5, 7));
    EXPECT_EQ(apart.lse.get(1, h, 5, 0), large.get(1, h, 5, 8));
    EXPECT_EQ(0, large.get(1, h, 5, 9));
  }
  // Rows that overlap the next one.
  MutableTensorView narrow = out;
  narrow.stride[2] = 7;
  expect_refused("out: its strides put two elements in one place", {narrow, {}, {}});
  narrow.stride[2] = 0;
  expect_refused("out: stride 2 is 0", {narrow, {}, {}});
}

// One buffer (batch, position, 3, head, channel) for the inputs and one for the gradients.
TEST_F(ArgumentsTest, PackedQueryKeyValueAndGradients) {
  constexpr std::int64_t heads = 3, length = 10, width = 8;
  OwnedProblem owned = gaussian_problem(
      {.batch = 2, .heads = heads, .kv_heads = heads, .queries = length, .keys = length}, 2);
  const Shape4 shape{2, heads, length, width},
      stride{length * 3 * heads * width, width, 3 * heads * width, 1};
  std::vector<float> packed(2 * length * 3 * heads * width), gradients(packed.size());
  const auto part = [&](std::vector<float>& of, std::int64_t n) {
    return MutableTensorView{of.data() + n * heads * width, DType::f32, shape, stride};
  };
  const TensorBuffer* inputs[] = {&owned.query, &owned.key, &owned.value};
  for (std::int64_t n = 0; n < 3; ++n)
    inputs[n]->for_each([&](auto b, auto h, auto i, auto c) {
      const MutableTensorView view = part(packed, n);
      static_cast<float*>(view.data)[view.offset(b, h, i) + c] =
          static_cast<float>(inputs[n]->get(b, h, i, c));
    });
  Problem problem = owned.problem;
  problem.query = part(packed, 0);
  problem.key = part(packed, 1);
  problem.value = part(packed, 2);
  const ForwardRun want = run_forward(owned.problem, DType::f32);
  const ForwardRun got = run_forward(problem, DType::f32);
  EXPECT_EQ(want.out.words(), got.out.words());
  Upstream upstream = random_upstream(problem, 2, DType::f32);
  const BackwardRun plain = run_backward(owned.problem, want, upstream);
  BackwardRun unused{TensorBuffer(DType::f32, shape),
                     TensorBuffer(DType::f32, shape),
                     TensorBuffer(DType::f32, shape),
                     {}};
  BackwardArguments arguments = backward_arguments(got, upstream, unused);
  arguments.grad_query = part(gradients, 0);
  arguments.grad_key = part(gradients, 1);
  arguments.grad_value = part(gradients, 2);
  attend_backward(problem, arguments);
  const TensorBuffer* wanted[] = {&plain.query, &plain.key, &plain.value};
  for (std::int64_t n = 0; n < 3; ++n)
    wanted[n]->for_each([&](auto b, auto h, auto i, auto c) {
      const MutableTensorView view = part(gradients, n);
      ASSERT_EQ(static_cast<float>(wanted[n]->get(b, h, i, c)),
                static_cast<float*>(view.data)[view.offset(b, h, i) + c]);
    });
  // Gradients over the inputs they belong to.
  arguments.grad_key = part(packed, 1);
  expect_invalid("grad_key: shares memory with key", [&] { attend_backward(problem, arguments); });
}

TEST_F(ArgumentsTest, GradientsThatShareMemory) {
  const ForwardRun forward = run_forward(problem_, DType::f32);
  Upstream upstream = random_upstream(problem_, 2, DType::f32);
  upstream.with_lse = true;
  BackwardRun run{TensorBuffer(DType::f32, problem_.query.shape),
                  TensorBuffer(DType::f32, problem_.key.shape),
                  TensorBuffer(DType::f32, problem_.value.shape),
                  {}};
  const BackwardArguments apart = backward_arguments(forward, upstream, run);
  // grad_value, the smallest with grad_key, over the memory of another argument.
  const auto refused = [&](const std::string& name, const void* memory, BackwardArguments changed) {
    changed.grad_value.data = const_cast<void*>(memory);
    const std::vector<std::uint16_t> before = run.query.words();
    expect_invalid("grad_value: shares memory with " + name,
                   [&] { attend_backward(problem_, changed); });
    EXPECT_EQ(before, run.query.words()) << "written in spite of the error";
  };
  refused("query", problem_.query.data, apart);
  refused("key", problem_.key.data, apart);
  refused("value", problem_.value.data, apart);
  refused("out", apart.out.data, apart);
  refused("grad_out", apart.grad_out.data, apart);
  refused("grad_query", apart.grad_query.data, apart);
  refused("grad_key", apart.grad_key.data, apart);
  // Rows are smaller than any gradient: with room behind them.
  const std::vector<float> roomy(4096);
  BackwardArguments changed = apart;
  changed.lse.data = roomy.data();
  refused("lse", roomy.data(), changed);
  changed = apart;
  changed.grad_lse.data = roomy.data();
  refused("grad_lse", roomy.data(), changed);
}

TEST_F(ArgumentsTest, GivenMasksAreInputsToo) {
  const Shape4 shape = owned_.out_shape();
  std::vector<std::int64_t> memory(512, 0);
  GivenMask mask;
  mask.offsets = {memory.data(), 7};
  const std::vector<GivenMask> masks{mask};
  const Outputs outputs{dense_view(memory.data(), DType::f32, shape), {}, {}};
  expect_invalid("out: shares memory with given[0].offsets",
                 [&] { attend(problem_, "exact", outputs, {.given = masks}); });
}

TEST_F(ArgumentsTest, OtherOutputs) {
  const auto over = [](const TensorView& view, const Shape4& shape) {
    return dense_view(const_cast<void*>(view.data), DType::f32, shape);
  };
  expect_invalid("log_row_sums: shares memory with key", [&] {
    approximate_row_sums(problem_, {}, over(problem_.key, owned_.row_shape()));
  });
  expect_invalid("out: shares memory with", [&] {
    hyper_attention(problem_, {}, {}, {over(problem_.value, owned_.out_shape()), {}, {}});
  });
  const OwnedProblem points = gaussian_problem({.queries = 5, .keys = 5}, 3);
  const KernelProblem kernel{points.query.view(), points.key.view(), points.value.view(), 1.0};
  expect_invalid("out: shares memory with key", [&] {
    kernel_sums(kernel, "exact", {over(points.key.view(), points.out_shape())});
  });
  const std::vector<GivenMask> masks(1);
  TensorBuffer out(DType::f32, points.out_shape());
  expect_invalid("given",
                 [&] { kernel_sums(kernel, "exact", {out.mutable_view()}, {.given = masks}); });
  LinearState state({.batch = 1, .kv_heads = 1, .head_dim = 8, .value_dim = 8});
  expect_invalid("out: shares memory with queries", [&] {
    state.attend(points.query.view(), over(points.query.view(), points.out_shape()));
  });
  expect_invalid("out: shares memory with the state", [&] {
    state.attend(points.query.view(), dense_view(state.sums().data(), DType::f32, {1, 1, 5, 8}));
  });
}

// Every call refuses them before anything is written.
TEST_F(ArgumentsTest, ThreadCountsBelowZero) {
  const Outputs outputs{out_.mutable_view(), {}, {}};
  const std::vector<std::function<void()>> calls{
      [&] { attend(problem_, "exact", outputs, {-1}); },
      [&] { certify(problem_, out_.view(), {.threads = -1}); },
      [&] { measure_errors(problem_, out_.view(), out_.view(), {.threads = -1}); },
      [&] { softmax_norms(problem_, {.threads = -1}); },
      [&] { probe_alpha(problem_, {.threads = -1}); },
      [&] { probe_kappa(problem_, "sink(1)", {.threads = -1}); },
      [&] { probe_stable_rank(problem_, {.threads = -1}); },
      [&] { attention_statistics(problem_, {.threads = -1}); },
      [&] { approximate_row_sums(problem_, {}, lse_.mutable_view(), {-1}); },
      [&] { sample_value_rows(problem_, {}, {-1}); },
      [&] { hyper_attention(problem_, {}, {}, outputs, {-1}); },
      [&] { measure_fma_gflops(-1, 1e-3); },
      [&] { measure_tile_gflops(-1, 1e-3); },
      [&] { measure_read_gbps(-1, 1e-3); },
  };
  const std::vector<std::uint16_t> before = out_.words();
  for (std::size_t n = 0; n < calls.size(); ++n) {
    SCOPED_TRACE(n);
    expect_invalid("threads: -1", calls[n]);
  }
  EXPECT_EQ(before, out_.words());
}

TEST_F(ArgumentsTest, AbsurdThreadCountsGiveTheSameBits) {
  for (const char* spec : {"exact", "sortlsh(block=4)+uniform(m=4)"}) {
    attend(problem_, spec, {out_.mutable_view(), {}, {}}, {1});
    const std::vector<std::uint16_t> want = out_.words();
    attend(problem_, spec, {out_.mutable_view(), {}, {}}, {std::numeric_limits<int>::max()});
    EXPECT_EQ(want, out_.words());
  }
}

TEST_F(ArgumentsTest, NormsAreOfAValidProblem) {
  problem_.query.shape[0] = -1;
  expect_invalid("query", [&] { softmax_norms(problem_); });
  problem_ = owned_.problem;
  expect_invalid("tolerance", [&] { softmax_norms(problem_, {.tolerance = -1}); });
  expect_invalid("max_iterations", [&] { softmax_norms(problem_, {.max_iterations = 0}); });
}

TEST(Views, AViewToWriteIsAViewToRead) {
  std::vector<float> data(8);
  Problem problem;
  problem.query = dense_view(data.data(), DType::f32, {1, 1, 4, 2});
  EXPECT_EQ(problem.query.data, data.data());
  EXPECT_EQ(problem.query.stride, (Shape4{8, 8, 2, 1}));
}

TEST(Views, DenseStridesOfAbsurdShapes) {
  const std::int64_t huge = std::int64_t{1} << 40;
  expect_invalid("query", [&] {
    const float zero = 0;
    Problem problem;
    problem.query = dense_view(&zero, DType::f32, {huge, huge, huge, 8});
    validate(problem);
  });
}

}  // namespace
}  // namespace subquad::testing
