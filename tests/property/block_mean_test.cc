// blockmean, alone and beside blocktop: equal to plain loops in double precision, exact in their
// limits, their gradients those of the plain loops, strict, and the same bits whatever the threads.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "property/block_support.h"
#include "property/heavy_light_support.h"
#include "property/same_bits_support.h"
#include "support/gradient_differences.h"
#include "support/invalid.h"
#include "support/isa.h"
#include "support/plain_blocks.h"

namespace subquad::testing {
namespace {

using RowOf = std::function<PlainRow(const PlainBlocks&, const PlainTensors&, std::int64_t)>;

// The largest difference of out and of lse from the plain rows, in units of the largest value.
double plain_error(const Problem& problem, const MethodRun& run, const std::string& heavy,
                   std::int64_t block, const RowOf& row_of) {
  double error = 0;
  const double unit = read_tensor(problem.value).max_abs();
  for (const HeadProblem& head : split_heads(problem)) {
    if (head.num_rows() == 0 || head.num_keys == 0) continue;
    const PlainTensors tensors(head);
    const PlainBlocks plain(head, heavy, block);
    for (std::int64_t i = 0; i < head.num_rows(); ++i) {
      if (!plain.sees_any(i)) continue;
      const PlainRow row = row_of(plain, tensors, i);
      const std::int64_t h = head.query_head(i), t = head.query_begin + head.position(i);
      for (std::int64_t d = 0; d < head.value_dim(); ++d)
        error =
            std::max(error, std::fabs(run.out.get(head.batch, h, t, d) - row.out[at(d)]) / unit);
      error = std::max(error, std::fabs(run.lse.get(head.batch, h, t, 0) - row.lse));
    }
  }
  return error;
}

PlainRow plain_row(const PlainBlocks& plain, const PlainTensors& tensors, std::int64_t i) {
  return plain.row(tensors, i);
}

const std::vector<std::string> heavy_parts{"",
                                           "sink(3)",
                                           "window(9)",
                                           "sink(3)+window(9)",
                                           "topk(k=4)",
                                           "sortlsh(block=8,bits=3)",
                                           "blocktop(block=8,keep=2)",
                                           "blocktop(block=8,keep=2,strict=false)",
                                           "sink(2)+window(7)+blocktop(block=5,keep=2)"};

// Rows that padding leaves no key: they are zero by the exact way.
std::int64_t hidden_rows(const Problem& problem) {
  std::int64_t hidden = 0;
  for (const HeadProblem& head : split_heads(problem)) {
    const PlainBlocks plain(head, "", 1);
    for (std::int64_t i = 0; i < head.num_rows(); ++i)
      hidden += !head.visible(i).empty() && !plain.sees_any(i) ? 1 : 0;
  }
  return hidden;
}

void expect_plain(const BlockScene& scene, const std::string& heavy, std::int64_t block,
                  double tolerance) {
  const std::string spec = joined(heavy, "blockmean(block=" + std::to_string(block) + ")");
  SCOPED_TRACE(scene.name + ", " + spec);
  const MethodRun run = run_method(scene.owned.problem, spec);
  EXPECT_EQ(run.report.exact_heads, 0);
  EXPECT_EQ(run.report.fallback_rows, hidden_rows(scene.owned.problem));
  EXPECT_LE(plain_error(scene.owned.problem, run, heavy, block, plain_row), tolerance);
}

TEST(BlockMean, IsWhatPlainLoopsGive) {
  on_every_isa([] {
    for (const BlockScene& scene : block_scenes())
      for (const std::string& heavy : heavy_parts)
        for (const std::int64_t block : {8, 13}) expect_plain(scene, heavy, block, 2e-5);
  });
}

// Weights of heavy runs may be rounded to bf16 where a machine has tiles.
TEST(BlockMean, IsWhatPlainLoopsGiveForEveryStorageType) {
  const double tiles = 0.0057;
  for (const DType type : {DType::bf16, DType::f16})
    for (const BlockScene& scene : block_scenes(type))
      for (const std::string heavy : {"", "sink(3)+window(9)", "blocktop(block=8,keep=2)"})
        expect_plain(scene, heavy, 8, 2e-5 + (type == DType::bf16 ? 3 * tiles : 0));
}

// A test that could not tell a mean from its keys would pass with anything.
TEST(BlockMean, DiffersFromExactAttention) {
  for (const BlockScene& scene : block_scenes()) {
    const MethodRun run = run_method(scene.owned.problem, "sink(2)+blockmean(block=8)");
    const ReferenceAttention reference(scene.owned.problem);
    EXPECT_GT(max_difference(run.out, reference.out), 0.01) << scene.name;
  }
}

TEST(BlockMean, BlocksOfEqualKeysAreExact) {
  for (BlockScene& scene : block_scenes()) {
    OwnedProblem& owned = scene.owned;
    if (!owned.query_offsets.empty()) continue;  // blocks begin with each sequence
    owned.key.for_each([&](auto b, auto h, auto j, auto c) {
      owned.key.set(b, h, j, c, owned.key.get(b, h, j / 8 * 8, c));
    });
    const ReferenceAttention reference(owned.problem);
    const ForwardRun run =
        run_forward(owned.problem, DType::f32, 1, {}, "window(5)+blockmean(block=8)");
    SCOPED_TRACE(scene.name);
    expect_forward(owned.problem, run, reference);
  }
}

TEST(BlockMean, MasksThatDifferFromRowToRowRunExactly) {
  OwnedProblem owned = block_problem(30, 40, DType::f32, 3);
  owned.boolean_mask.assign(30 * 40, 1);
  for (std::size_t n = 0; n < owned.boolean_mask.size(); n += 7) owned.boolean_mask[n] = 0;
  owned.problem.mask = {
      MaskKind::boolean, owned.boolean_mask.data(), {1, 1, 30, 40}, {1200, 1200, 40, 1}};
  const ForwardRun run = run_forward(owned.problem, DType::f32, 1, {}, "blockmean(block=8)");
  EXPECT_EQ(run.report.exact_heads, 4);
  EXPECT_NE(run.report.path.find("exact"), std::string::npos);
  expect_forward(owned.problem, run, ReferenceAttention(owned.problem));
}

void expect_gradients(const BlockScene& scene, const std::string& heavy) {
  const std::string spec = joined(heavy, "blockmean(block=8)");
  SCOPED_TRACE(scene.name + ", " + spec);
  const Upstream upstream = random_upstream(scene.owned.problem, 3, DType::f32);
  const MethodCase setup{scene.owned.problem, spec, upstream};
  const double error = largest_error(setup, 12, [&](const HeadProblem& head) {
    return [plain = std::make_shared<PlainBlocks>(head, heavy, 8)](const PlainTensors& tensors) {
      return [&](std::int64_t i) { return plain->row(tensors, i); };
    };
  });
  EXPECT_LE(error, 2e-5);
}

TEST(BlockMean, GradientsAreThoseOfPlainLoops) {
  for (const BlockScene& scene : block_scenes())
    if (scene.name.find("padding") == std::string::npos)
      for (const std::string heavy :
           {"", "sink(3)+window(9)", "topk(k=4)", "sink(2)+blocktop(block=8,keep=2)"})
        expect_gradients(scene, heavy);
}

TEST(BlockMean, GradientsUnderPadding) {
  for (const BlockScene& scene : block_scenes())
    if (scene.name == "padding") expect_gradients(scene, "window(9)");
}

TEST(BlockMean, EachGradientAloneIsThatOfAll) {
  for (const BlockScene& scene : block_scenes()) {
    SCOPED_TRACE(scene.name);
    const Upstream upstream = random_upstream(scene.owned.problem, 3, DType::f32);
    expect_single_gradients({scene.owned.problem, "sink(3)+blockmean(block=8)", upstream});
  }
}

TEST(BlockMean, ThreadsAndBatchChangeNoBit) {
  for (const BlockScene& scene : block_scenes())
    for (const std::string spec :
         {"blockmean(block=8)", "sink(3)+window(9)+blocktop(block=8,keep=2)+blockmean(block=8)"}) {
      SCOPED_TRACE(scene.name + ", " + spec);
      check_threads(scene.owned.problem, spec);
      if (scene.owned.problem.query.batch() > 1) check_batch(scene.owned.problem, spec);
      const Upstream upstream = random_upstream(scene.owned.problem, 3, DType::f32);
      const MethodCase setup{scene.owned.problem, spec, upstream};
      const BackwardRun one = backward_of(setup, 1), three = backward_of(setup, 3);
      EXPECT_EQ(one.query.words(), three.query.words());
      EXPECT_EQ(one.key.words(), three.key.words());
      EXPECT_EQ(one.value.words(), three.value.words());
    }
}

TEST(BlockMean, BadParametersAreErrorsThatNameThem) {
  const OwnedProblem owned = block_problem(5, 5, DType::f32, 1);
  const auto run = [&](const std::string& spec) { run_method(owned.problem, spec); };
  expect_invalid("block", [&] { run("blockmean(block=0)"); });
  expect_invalid("keep", [&] { run("blockmean(keep=3)"); });
  expect_invalid("light", [&] { run("blockmean+uniform"); });
  expect_invalid("keep", [&] { run("blocktop(keep=0)"); });
  expect_invalid("block", [&] { run("blocktop(block=2097152)"); });
  expect_invalid("strict", [&] { run("blocktop(strict=perhaps)"); });
}

}  // namespace
}  // namespace subquad::testing
