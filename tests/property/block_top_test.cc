// blocktop: the blocks that plain loops choose by means in double precision, whatever way its rows
// take.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "property/block_support.h"
#include "property/heavy_light_support.h"
#include "property/same_bits_support.h"
#include "support/plain_blocks.h"

namespace subquad::testing {
namespace {

constexpr std::int64_t kBlock = 8;

// Blocks by the score of a query with the mean of their keys, the best first.
std::vector<std::int64_t> ranked(const PlainBlocks& plain, const PlainTensors& tensors,
                                 const std::vector<double>& query, std::int64_t keys,
                                 const std::vector<std::int64_t>& among) {
  std::vector<std::pair<double, std::int64_t>> scored;
  for (const std::int64_t b : among) {
    std::vector<double> mean(query.size());
    double count = 0;
    for (std::int64_t k = b * kBlock; k < std::min((b + 1) * kBlock, keys); ++k) {
      if (!plain.is_member(k)) continue;
      add_scaled(1, tensors.key.row(k), tensors.dim, mean.data());
      ++count;
    }
    if (count > 0) scored.emplace_back(-dot(query.data(), mean.data(), tensors.dim) / count, b);
  }
  std::sort(scored.begin(), scored.end());
  std::vector<std::int64_t> best;
  for (const auto& [score, b] : scored) best.push_back(b);
  return best;
}

// The blocks that row i meets: its own choice of those it sees whole, and those it sees in part.
std::vector<std::int64_t> strict_blocks(const PlainBlocks& plain, const PlainTensors& tensors,
                                        std::int64_t i, std::size_t keep) {
  std::vector<std::int64_t> whole, chosen;
  for (std::int64_t b = 0; b * kBlock < tensors.keys; ++b)
    (plain.is_whole(i, b) ? whole : chosen).push_back(b);
  const std::vector<double> query(tensors.query.row(i), tensors.query.row(i) + tensors.dim);
  std::vector<std::int64_t> best = ranked(plain, tensors, query, tensors.keys, whole);
  best.resize(std::min(best.size(), keep));
  chosen.insert(chosen.end(), best.begin(), best.end());
  return chosen;
}

// As published: rows of a block of positions of one head choose together.
std::vector<std::int64_t> published_blocks(const PlainBlocks& plain, const PlainTensors& tensors,
                                           const HeadProblem& head, std::int64_t i,
                                           std::size_t keep) {
  const std::int64_t first = head.position(i) / kBlock * kBlock;
  std::vector<double> query(at(tensors.dim));
  std::vector<std::int64_t> seen;
  for (std::int64_t p = first; p < std::min(first + kBlock, head.query_len); ++p) {
    const std::int64_t row = p * head.group + i % head.group;
    if (!plain.sees_any(row)) continue;
    add_scaled(1, tensors.query.row(row), tensors.dim, query.data());
    for (std::int64_t k = 0; k < tensors.keys; ++k)
      if (plain.in_band_of(row, k)) seen.push_back(k / kBlock);
  }
  std::sort(seen.begin(), seen.end());
  seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
  std::vector<std::int64_t> best = ranked(plain, tensors, query, tensors.keys, seen);
  best.resize(std::min(best.size(), keep));
  return best;
}

void expect_blocks(const Problem& problem, std::int64_t keep, bool strict) {
  const std::string spec =
      "blocktop(block=8,keep=" + std::to_string(keep) + ",strict=" + (strict ? "true)" : "false)");
  SCOPED_TRACE(spec);
  const bool band =
      problem.causal != Causal::none || problem.window.left >= 0 || problem.window.right >= 0;
  for (const HeadProblem& head : split_heads(problem)) {
    const PlainTensors tensors(head);
    const PlainBlocks plain(head, spec, kBlock);
    for (std::int64_t i = 0; i < head.num_rows(); ++i) {
      const auto blocks = strict && band ? strict_blocks(plain, tensors, i, at(keep))
                                         : published_blocks(plain, tensors, head, i, at(keep));
      for (std::int64_t k = 0; k < head.num_keys; ++k)
        if (plain.sees(i, k)) {
          EXPECT_EQ(plain.is_heavy(i, k),
                    std::find(blocks.begin(), blocks.end(), k / kBlock) != blocks.end())
              << "row " << i << " key " << k;
        }
      if (::testing::Test::HasFailure()) return;
    }
  }
}

TEST(BlockTop, HoldsTheBlocksThatPlainLoopsChoose) {
  for (const BlockScene& scene : block_scenes()) {
    SCOPED_TRACE(scene.name);
    for (const std::int64_t keep : {1, 2, 3})
      for (const bool strict : {true, false}) expect_blocks(scene.owned.problem, keep, strict);
  }
}

// Enough rows for each block of keys: they go together by layers.
TEST(BlockTop, ManyRowsChooseTheSameAndShareTheirKeys) {
  OwnedProblem owned =
      gaussian_problem({.heads = 6, .kv_heads = 1, .queries = 700, .keys = 700, .head_dim = 8}, 5);
  owned.problem.causal = Causal::top_left;
  expect_blocks(owned.problem, 3, true);
  check_threads(owned.problem, "sink(2)+blocktop(block=8,keep=3)+blockmean(block=8)");
}

// The executors evaluate just what the set says: weights of a problem of equal scores.
TEST(BlockTop, EvaluatesItsEntriesOnce) {
  OwnedProblem owned = gaussian_problem(
      {.heads = 6, .kv_heads = 1, .queries = 400, .keys = 400, .head_dim = 8, .value_dim = 400}, 5);
  owned.problem.causal = Causal::top_left;
  owned.value.for_each(
      [&](auto b, auto h, auto j, auto c) { owned.value.set(b, h, j, c, j == c ? 1.0 : 0.0); });
  const std::string spec = "window(5)+blocktop(block=8,keep=3)";
  const MethodRun run = run_method(owned.problem, spec);
  for (const HeadProblem& head : split_heads(owned.problem)) {
    const PlainTensors tensors(head);
    const PlainBlocks plain(head, spec, 0);
    for (std::int64_t i = 0; i < head.num_rows(); i += 17) {
      const PlainRow row = plain.row(tensors, i);
      for (std::int64_t k = 0; k < head.num_keys; ++k)
        EXPECT_NEAR(run.out.get(0, head.query_head(i), head.position(i), k), row.out[at(k)], 1e-5);
    }
  }
}

TEST(BlockTop, PathSaysWhichForm) {
  OwnedProblem owned = block_problem(61, 61, DType::f32, 4);
  owned.problem.causal = Causal::top_left;
  const auto path = [&](const std::string& spec) {
    return run_method(owned.problem, spec).report.path;
  };
  EXPECT_EQ(path("blocktop(block=8,keep=2)"), "blocktop");
  EXPECT_EQ(path("blocktop(block=8,keep=2,strict=false)"), "blocktop:published");
}

}  // namespace
}  // namespace subquad::testing
