// One head's view of a problem: visible keys against brute force, row mapping, packed sequences.
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "rows/head_problem.h"
#include "support/owned_problem.h"
#include "support/random_problem.h"
#include "support/reference_attention.h"

namespace subquad::testing {
namespace {

constexpr std::int64_t huge = std::int64_t{1} << 40;

// visible(row) holds exactly the keys that the definition lets through.
void check_visible(const HeadProblem& head) {
  const SequenceRange range{0, head.query_len, 0, head.num_keys};
  for (std::int64_t row = 0; row < head.num_rows(); ++row) {
    const Range visible = head.visible(row);
    ASSERT_GE(visible.begin, 0);
    ASSERT_LE(visible.begin, visible.end);
    ASSERT_LE(visible.end, head.num_keys);
    for (std::int64_t j = 0; j < head.num_keys; ++j)
      ASSERT_EQ(visible.begin <= j && j < visible.end,
                in_band(*head.problem, range, head.position(row), j))
          << "row " << row << " key " << j;
  }
}

// The union of a run of rows holds each row's keys and starts and ends with some row's.
void check_union(const HeadProblem& head, std::int64_t begin, std::int64_t end) {
  const Range all = head.visible(begin, end);
  ASSERT_GE(all.begin, 0);
  ASSERT_LE(all.end, head.num_keys);
  for (std::int64_t row = begin; row < end; ++row) {
    const Range one = head.visible(row);
    if (one.empty()) continue;
    ASSERT_LE(all.begin, one.begin);
    ASSERT_GE(all.end, one.end);
  }
}

void check_head(const HeadProblem& head) {
  check_visible(head);
  for (std::int64_t begin = 0; begin < head.num_rows(); ++begin)
    for (const std::int64_t count : {1, 2, 5, 24})
      if (begin + count <= head.num_rows()) check_union(head, begin, begin + count);
}

template <typename Body>
void for_windows(Problem& problem, Body body) {
  for (const Causal causal : {Causal::none, Causal::top_left, Causal::bottom_right})
    for (const Alignment alignment : {Alignment::top_left, Alignment::bottom_right})
      for (const std::int64_t left : {std::int64_t{-1}, std::int64_t{0}, std::int64_t{3}, huge})
        for (const std::int64_t right :
             {std::int64_t{-1}, std::int64_t{0}, std::int64_t{2}, huge}) {
          problem.causal = causal;
          problem.window = {left, right, alignment};
          SCOPED_TRACE(::testing::Message()
                       << "causal " << static_cast<int>(causal) << " window " << left << ", "
                       << right << " alignment " << static_cast<int>(alignment));
          body();
          if (::testing::Test::HasFatalFailure()) return;
        }
}

TEST(HeadProblem, VisibleKeysOfEveryBand) {
  for (const auto& [queries, keys] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {1, 1}, {1, 9}, {9, 1}, {7, 7}, {5, 13}, {13, 5}, {6, 0}})
    for (const std::int64_t group : {1, 3}) {
      OwnedProblem owned = gaussian_problem(
          {.heads = group, .kv_heads = 1, .queries = queries, .keys = keys, .head_dim = 2}, 1);
      SCOPED_TRACE(::testing::Message() << queries << " x " << keys << " group " << group);
      for_windows(owned.problem, [&] { check_head(split_heads(owned.problem).front()); });
    }
}

TEST(HeadProblem, LargestWindowIsNoLimit) {
  constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();
  OwnedProblem owned = gaussian_problem({.queries = 9, .keys = 5, .head_dim = 2}, 1);
  for_windows(owned.problem, [&] {
    Problem limited = owned.problem;
    if (limited.window.left < 0) limited.window.left = largest;
    if (limited.window.right < 0) limited.window.right = largest;
    const HeadProblem head = split_heads(owned.problem)[0], other = split_heads(limited)[0];
    for (std::int64_t row = 0; row < 9; ++row) {
      ASSERT_EQ(head.visible(row).empty(), other.visible(row).empty());
      if (head.visible(row).empty()) continue;
      ASSERT_EQ(head.visible(row).begin, other.visible(row).begin);
      ASSERT_EQ(head.visible(row).end, other.visible(row).end);
    }
  });
}

TEST(HeadProblem, VisibleKeysOfPackedSequences) {
  OwnedProblem owned = gaussian_problem({.queries = 12, .keys = 15, .head_dim = 2}, 1);
  owned.query_offsets = {0, 3, 3, 9, 12};
  owned.key_offsets = {0, 7, 9, 9, 15};
  owned.problem.query_offsets = owned.query_offsets;
  owned.problem.key_offsets = owned.key_offsets;
  for_windows(owned.problem, [&] {
    for (const HeadProblem& head : split_heads(owned.problem)) check_head(head);
  });
}

TEST(HeadProblem, SplitsPackedSequences) {
  OwnedProblem owned =
      gaussian_problem({.heads = 4, .kv_heads = 2, .queries = 12, .keys = 15, .head_dim = 2}, 1);
  owned.query_offsets = {0, 3, 3, 12};
  owned.key_offsets = {0, 7, 15, 15};
  owned.problem.query_offsets = owned.query_offsets;
  owned.problem.key_offsets = owned.key_offsets;
  const std::vector<HeadProblem> heads = split_heads(owned.problem);
  ASSERT_EQ(heads.size(), 6U);
  for (std::size_t i = 0; i < heads.size(); ++i) {
    const std::size_t s = i / 2;
    EXPECT_EQ(heads[i].kv_head, static_cast<std::int64_t>(i % 2));
    EXPECT_EQ(heads[i].group, 2);
    EXPECT_EQ(heads[i].query_begin, owned.query_offsets[s]);
    EXPECT_EQ(heads[i].query_len, owned.query_offsets[s + 1] - owned.query_offsets[s]);
    EXPECT_EQ(heads[i].key_begin, owned.key_offsets[s]);
    EXPECT_EQ(heads[i].num_keys, owned.key_offsets[s + 1] - owned.key_offsets[s]);
  }
}

const void* element(const TensorView& view, std::int64_t b, std::int64_t h, std::int64_t i) {
  return static_cast<const char*>(view.data) + view.offset(b, h, i) * size_of(view.dtype);
}

// Every (batch, head, position) is the row of one head, once, and points at its own storage.
void check_mapping(const Problem& problem) {
  const Shape4& q = problem.query.shape;
  std::vector<int> seen(static_cast<std::size_t>(q[0] * q[1] * q[2]), 0);
  for (const HeadProblem& head : split_heads(problem))
    for (std::int64_t row = 0; row < head.num_rows(); ++row) {
      const std::int64_t h = head.query_head(row), i = head.query_begin + head.position(row);
      ASSERT_EQ(h / (q[1] / problem.key.heads()), head.kv_head);
      ASSERT_EQ(head.row_in(problem.query, row), element(problem.query, head.batch, h, i));
      ++seen[static_cast<std::size_t>((head.batch * q[1] + h) * q[2] + i)];
    }
  for (const int times : seen) ASSERT_EQ(times, 1);
}

void check_keys(const Problem& problem) {
  for (const HeadProblem& head : split_heads(problem))
    for (std::int64_t j = 0; j < head.num_keys; ++j) {
      const std::int64_t position = head.key_begin + j;
      ASSERT_EQ(head.keys().row(j), element(problem.key, head.batch, head.kv_head, position));
      ASSERT_EQ(head.values().row(j), element(problem.value, head.batch, head.kv_head, position));
    }
}

// mask_row against the reference's own reading of the mask.
void check_mask(const Problem& problem) {
  const Mask& mask = problem.mask;
  for (const HeadProblem& head : split_heads(problem))
    for (std::int64_t row = 0; row < head.num_rows(); ++row) {
      const void* elements = head.mask_row(row);
      ASSERT_EQ(elements == nullptr, mask.kind == MaskKind::none);
      for (std::int64_t j = 0; elements != nullptr && j < head.num_keys; ++j) {
        const double expected =
            mask_entry(mask, head.batch, head.query_head(row), head.position(row), j);
        if (mask.kind == MaskKind::boolean)
          ASSERT_EQ(static_cast<const std::uint8_t*>(elements)[j] != 0, expected == 0.0);
        else
          ASSERT_EQ(static_cast<double>(static_cast<const float*>(elements)[j]), expected);
      }
    }
}

TEST(HeadProblem, MapsRandomProblems) {
  for (std::uint64_t seed = 0; seed < 150; ++seed) {
    const DType type = seed % 3 == 0 ? DType::bf16 : DType::f32;
    const OwnedProblem random = random_problem(seed, type, {.max_length = 60, .max_head_dim = 8});
    SCOPED_TRACE(random.description);
    check_mapping(random.problem);
    check_keys(random.problem);
    check_mask(random.problem);
  }
}

TEST(HeadProblem, ScoresAreBaseTwoLogits) {
  OwnedProblem owned = gaussian_problem({.heads = 2, .kv_heads = 1, .head_dim = 16}, 1);
  const double log2e = 1.0 / std::log(2.0);
  EXPECT_NEAR(static_cast<double>(split_heads(owned.problem)[0].scale_log2), 0.25 * log2e, 1e-7);
  owned.problem.scale = -0.7F;
  EXPECT_NEAR(static_cast<double>(split_heads(owned.problem)[0].scale_log2), -0.7 * log2e, 1e-7);
}

TEST(HeadProblem, SinkBelongsToTheQueryHead) {
  OwnedProblem owned = gaussian_problem({.heads = 4, .kv_heads = 2, .queries = 3}, 1);
  EXPECT_EQ(split_heads(owned.problem)[0].sink_log2(0), -HUGE_VALF);
  owned.sink_logits = {0.0F, 1.0F, 2.0F, -3.0F};
  owned.problem.sink_logits = owned.sink_logits;
  for (const HeadProblem& head : split_heads(owned.problem))
    for (std::int64_t row = 0; row < head.num_rows(); ++row) {
      const auto h = static_cast<std::size_t>(head.query_head(row));
      EXPECT_NEAR(static_cast<double>(head.sink_log2(row)),
                  static_cast<double>(owned.sink_logits[h]) / std::log(2.0), 1e-6);
    }
}

}  // namespace
}  // namespace subquad::testing
