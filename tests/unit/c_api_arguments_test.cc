// What the C interface refuses, and how it says so.
#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "c_api_support.h"

namespace subquad::testing {
namespace {

constexpr float kUntouched = 77;

// Eight positions in one head of one channel.
class CApiArguments : public ::testing::Test {
 protected:
  std::array<float, 8> x_{}, v_{1, 1, 1, 1, 1, 1, 1, 1}, out_{}, lse_{};
  std::array<float, 1> sink_{10};
  std::array<std::int64_t, 3> offsets_{0, 4, 8};
  subquad_problem problem_ = subquad_problem_default();
  subquad_tensor out_view_ = view(out_), lse_view_ = view(lse_);

  CApiArguments() {
    problem_.query = problem_.key = view(x_);
    problem_.value = view(v_);
    out_.fill(kUntouched);
    lse_.fill(kUntouched);
  }
  static subquad_tensor view(std::array<float, 8>& data) {
    return subquad_dense(data.data(), SUBQUAD_F32, 1, 1, 8, 1);
  }
  subquad_status run(const subquad_problem& problem) {
    return subquad_attend(&problem, "exact", &out_view_, &lse_view_, nullptr, 1, 0, nullptr);
  }
  // One change makes the call an error that says `text`, and nothing is written.
  void expect_broken(const std::string& text, const std::function<void(subquad_problem&)>& change) {
    SCOPED_TRACE(text);
    subquad_problem broken = problem_;
    change(broken);
    expect_refused(run(broken), text);
    expect_refused(subquad_validate(&broken), text);
    for (const float x : out_) EXPECT_EQ(kUntouched, x);
    for (const float x : lse_) EXPECT_EQ(kUntouched, x);
  }
};

TEST_F(CApiArguments, AcceptsTheUnchangedProblem) {
  EXPECT_EQ(SUBQUAD_OK, run(problem_));
  EXPECT_EQ(SUBQUAD_OK, subquad_validate(&problem_));
}

TEST_F(CApiArguments, PointersAndCountsComeTogether) {
  using P = subquad_problem;
  expect_broken("num_sink_logits: is 0", [&](P& p) { p.sink_logits = sink_.data(); });
  expect_broken("sink_logits: is NULL, but num_sink_logits is 1",
                [](P& p) { p.num_sink_logits = 1; });
  expect_broken("num_offsets: is 0, but query_offsets is given",
                [&](P& p) { p.query_offsets = p.key_offsets = offsets_.data(); });
  expect_broken("query_offsets: is NULL, but num_offsets is 3", [](P& p) { p.num_offsets = 3; });
  expect_broken("key_offsets: is NULL", [&](P& p) {
    p.num_offsets = 3;
    p.query_offsets = offsets_.data();
  });
  expect_broken("num_sink_logits: -1", [&](P& p) {
    p.sink_logits = sink_.data();
    p.num_sink_logits = -1;
  });
  expect_broken("num_offsets: -3", [](P& p) { p.num_offsets = -3; });
  expect_broken("mask_kind", [&](P& p) { p.mask = x_.data(); });
  expect_broken("mask: no data", [](P& p) {
    p.mask_kind = SUBQUAD_MASK_BOOLEAN;
    p.mask_shape[0] = p.mask_shape[1] = p.mask_shape[2] = p.mask_stride[3] = 1;
    p.mask_shape[3] = 8;
  });
  expect_broken("has_scale", [](P& p) { p.scale = 0.5F; });
  expect_broken("query: no data", [](P& p) { p.query.data = nullptr; });
}

TEST_F(CApiArguments, PointersWithCountsCount) {
  problem_.sink_logits = sink_.data();
  problem_.num_sink_logits = 1;
  ASSERT_EQ(SUBQUAD_OK, run(problem_));
  EXPECT_LT(out_[0], 0.01F);  // 8 / (8 + e^10)
  problem_.query_offsets = problem_.key_offsets = offsets_.data();
  problem_.num_offsets = 3;
  ASSERT_EQ(SUBQUAD_OK, run(problem_));
}

TEST_F(CApiArguments, StridesBeyondTheAddressSpace) {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t stride : {most, -most - 1, most / 7, std::int64_t{1} << 54}) {
    expect_broken("query", [&](auto& p) { p.query.stride[2] = stride; });
    expect_broken("key", [&](auto& p) { p.key.stride[2] = stride; });
    expect_broken("value", [&](auto& p) { p.value.stride[2] = stride; });
    expect_broken("mask", [&](auto& p) {
      p.mask_kind = SUBQUAD_MASK_ADDITIVE;
      p.mask = x_.data();
      p.mask_shape[0] = p.mask_shape[1] = p.mask_stride[3] = 1;
      p.mask_shape[2] = p.mask_shape[3] = 8;
      p.mask_stride[2] = stride;
    });
    const subquad_tensor good = out_view_;
    out_view_.stride[2] = stride;
    expect_refused(run(problem_), "out");
    out_view_ = good;
  }
  expect_broken("query", [](auto& p) { p.query.stride[0] = most; });
}

TEST_F(CApiArguments, ValuesThatNoEnumerationHas) {
  expect_broken("causal: unknown value 7", [](auto& p) { p.causal = 7; });
  expect_broken("mask_kind: unknown value 3", [](auto& p) { p.mask_kind = 3; });
  expect_broken("query.dtype: unknown value 3", [](auto& p) { p.query.dtype = 3; });
  expect_broken("value.dtype: unknown value -1", [](auto& p) { p.value.dtype = -1; });
  out_view_.dtype = 9;
  expect_refused(run(problem_), "out.dtype: unknown value 9");
}

TEST_F(CApiArguments, MissingArguments) {
  const auto attend = [&](const subquad_problem* problem, const char* spec,
                          const subquad_tensor* out) {
    return subquad_attend(problem, spec, out, nullptr, nullptr, 1, 0, nullptr);
  };
  expect_refused(attend(nullptr, "exact", &out_view_), "problem: is NULL");
  expect_refused(attend(&problem_, nullptr, &out_view_), "spec: is NULL");
  expect_refused(attend(&problem_, "exact", nullptr), "out: is NULL");
  expect_refused(attend(&problem_, "nonsense", &out_view_), "nonsense");
  expect_refused(attend(&problem_, "", &out_view_), "spec");
  problem_.key.shape[3] = 3;
  expect_refused(attend(&problem_, "exact", &out_view_), "key");
}

TEST_F(CApiArguments, AnOptionalTensorThatIsThereHasData) {
  lse_view_.data = nullptr;
  expect_refused(run(problem_), "lse: no data");
}

TEST_F(CApiArguments, ThreadsBelowZero) {
  expect_refused(subquad_attend(&problem_, "exact", &out_view_, nullptr, nullptr, -1, 0, nullptr),
                 "threads: -1");
}

TEST_F(CApiArguments, OutputsShareNothing) {
  const auto refused = [&](const subquad_tensor& out, const subquad_tensor& lse,
                           const std::string& text) {
    expect_refused(subquad_attend(&problem_, "exact", &out, &lse, nullptr, 1, 0, nullptr), text);
  };
  refused(problem_.query, lse_view_, "out: shares memory with query");
  refused(problem_.value, lse_view_, "out: shares memory with value");
  refused(out_view_, problem_.value, "lse: shares memory with value");
  refused(out_view_, out_view_, "lse: shares memory with out");
  subquad_tensor broadcast = out_view_;
  broadcast.stride[2] = 0;
  refused(broadcast, lse_view_, "out: stride 2 is 0");
  EXPECT_EQ(0, x_[3]);
  EXPECT_EQ(1, v_[3]);
}

TEST_F(CApiArguments, CountsThatNoListHas) {
  for (const std::int64_t count :
       {std::numeric_limits<std::int64_t>::max(), std::int64_t{1} << 60, std::int64_t{1} << 40}) {
    expect_broken("query_offsets", [&](auto& p) {
      p.query_offsets = p.key_offsets = offsets_.data();
      p.num_offsets = count;
    });
    expect_broken("sink_logits", [&](auto& p) {
      p.sink_logits = sink_.data();
      p.num_sink_logits = count;
    });
  }
}

// The offsets tell where they end: nothing behind the entry that is wrong is read.
TEST_F(CApiArguments, OffsetsAreReadUpToTheFirstThatIsWrong) {
  const std::vector<std::int64_t> beyond{0, 4, 9}, falling{0, 4, 3};
  const auto with = [](const std::vector<std::int64_t>& offsets) {
    return [&](subquad_problem& p) {
      p.query_offsets = p.key_offsets = offsets.data();
      p.num_offsets = 1 << 20;
    };
  };
  expect_broken("query_offsets: entry 2 is 9, but the tensor has 8 positions", with(beyond));
  expect_broken("query_offsets: entry 2 is 3, below", with(falling));
}

TEST_F(CApiArguments, AMaskOfNoKindHasNothing) {
  expect_broken("mask_kind: is none", [](auto& p) { p.mask_shape[3] = 8; });
  expect_broken("mask_kind: is none", [](auto& p) { p.mask_stride[3] = 1; });
}

TEST_F(CApiArguments, AddressesBetweenElements) {
  std::array<char, 80> bytes{};
  const auto odd = [&](std::size_t by) { return static_cast<void*>(bytes.data() + by); };
  const std::size_t by = reinterpret_cast<std::uintptr_t>(bytes.data()) % 2 == 0 ? 1 : 2;
  const char* const what = "its address is no multiple";
  for (auto tensor : {&subquad_problem::query, &subquad_problem::key, &subquad_problem::value})
    for (const int dtype : {SUBQUAD_F32, SUBQUAD_BF16, SUBQUAD_F16})
      expect_broken(what, [&](auto& p) {
        (p.*tensor).data = odd(by);
        (p.*tensor).dtype = dtype;
      });
  expect_broken("sink_logits: its address", [&](auto& p) {
    p.sink_logits = static_cast<const float*>(odd(by));
    p.num_sink_logits = 1;
  });
  expect_broken("query_offsets: its address", [&](auto& p) {
    p.query_offsets = static_cast<const std::int64_t*>(odd(by));
    p.key_offsets = offsets_.data();
    p.num_offsets = 3;
  });
  expect_broken("mask: its address", [&](auto& p) {
    p.mask_kind = SUBQUAD_MASK_ADDITIVE;
    p.mask = odd(by);
    p.mask_shape[0] = p.mask_shape[1] = p.mask_shape[2] = p.mask_stride[3] = 1;
    p.mask_shape[3] = 8;
  });
  subquad_tensor row_error = lse_view_;
  row_error.data = odd(by);
  expect_refused(subquad_attend(&problem_, "exact", &out_view_, nullptr, &row_error, 1, 0, nullptr),
                 "row_error: its address");
  lse_view_.data = odd(by);
  expect_refused(run(problem_), "lse: its address");
  out_view_.data = odd(by);
  expect_refused(run(problem_), "out: its address");
  for (const char byte : bytes) EXPECT_EQ(0, byte);
}

TEST_F(CApiArguments, Backward) {
  ASSERT_EQ(SUBQUAD_OK, run(problem_));
  std::array<float, 8> upstream{}, grad{};
  grad.fill(kUntouched);
  const subquad_tensor grad_out = view(upstream), grad_view = view(grad);
  const auto backward = [&](const char* spec, const subquad_tensor* out, const subquad_tensor* lse,
                            const subquad_tensor* g, const subquad_tensor* grad_key) {
    return subquad_attend_backward(&problem_, spec, out, lse, g, nullptr, nullptr, grad_key,
                                   nullptr, 1, 0, nullptr);
  };
  const auto *o = &out_view_, *l = &lse_view_, *g = &grad_out;
  expect_refused(backward("nonsense", o, l, g, &grad_view), "nonsense");
  expect_refused(backward(nullptr, o, l, g, &grad_view), "spec: is NULL");
  expect_refused(backward("exact", nullptr, l, g, &grad_view), "out: is NULL");
  expect_refused(backward("exact", o, nullptr, g, &grad_view), "lse: is NULL");
  expect_refused(backward("exact", o, l, nullptr, &grad_view), "grad_out: is NULL");
  expect_refused(backward("exact", o, l, g, nullptr), "none has data");
  expect_refused(backward("exact", o, l, g, g), "grad_key: shares memory with grad_out");
  expect_refused(backward("exact", o, l, g, o), "grad_key: shares memory with out");
  for (const float x : grad) EXPECT_EQ(kUntouched, x);
  EXPECT_EQ(SUBQUAD_OK, backward("exact", o, l, g, &grad_view));
}

}  // namespace
}  // namespace subquad::testing
