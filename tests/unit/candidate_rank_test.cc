// Ranking candidates, and the search of all keys: both against each other and a plain sort.
#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "rows/attend_tile.h"
#include "heavy/topk/candidate_rank.h"
#include "heavy/topk/topk_select.h"
#include "support/draw.h"
#include "support/isa.h"
#include "support/owned_problem.h"

namespace subquad::testing {
namespace {

// Whole numbers: scores are exact (scale * log2 e rounds to 1), and many are equal.
OwnedProblem tied_problem(std::int64_t queries, std::int64_t keys) {
  OwnedProblem owned = gaussian_problem(
      {.heads = 2, .kv_heads = 1, .queries = queries, .keys = keys, .head_dim = 5}, 1);
  Draw draw(2);
  for (TensorBuffer* tensor : {&owned.query, &owned.key})
    tensor->fill([&] { return static_cast<double>(draw.integer(-2, 2)); });
  owned.problem.scale = 0.69314718F;
  owned.problem.causal = Causal::bottom_right;
  return owned;
}

double score(const OwnedProblem& owned, const HeadProblem& head, std::int64_t row,
             std::int64_t key) {
  double sum = 0;
  for (std::int64_t c = 0; c < 5; ++c)
    sum += owned.query.get(0, head.query_head(row), head.position(row), c) *
           owned.key.get(0, 0, key, c);
  return sum;
}

std::vector<std::int32_t> best_of(const OwnedProblem& owned, const HeadProblem& head,
                                  std::int64_t row, std::vector<std::int32_t> keys,
                                  std::int64_t k) {
  const Range seen = head.visible(row);
  std::erase_if(keys, [&](std::int32_t key) { return key < seen.begin || key >= seen.end; });
  std::stable_sort(keys.begin(), keys.end(), [&](std::int32_t a, std::int32_t b) {
    return score(owned, head, row, a) > score(owned, head, row, b);
  });
  keys.resize(std::min(keys.size(), static_cast<std::size_t>(k)));
  std::sort(keys.begin(), keys.end());
  return keys;
}

std::vector<std::int32_t> kept_of(const KeptLists& kept, std::int64_t row) {
  const auto r = static_cast<std::size_t>(row);
  return {kept.keys().begin() + kept.offsets()[r], kept.keys().begin() + kept.offsets()[r + 1]};
}

TEST(CandidateRank, KeepsTheBestOfTheLists) {
  const OwnedProblem owned = tied_problem(40, 200);
  const HeadProblem head = split_heads(owned.problem).front();
  Draw draw(3);
  std::vector<std::int64_t> offsets{0};
  std::vector<std::int32_t> keys;
  for (std::int64_t row = 0; row < head.num_rows(); ++row) {
    const double density = draw.one_of({0.0, 0.05, 0.5, 1.0});
    for (std::int32_t key = 0; key < 200; ++key)
      if (draw.chance(density)) keys.push_back(key);
    offsets.push_back(static_cast<std::int64_t>(keys.size()));
  }
  on_every_isa([&] {
    for (const std::int64_t k : {1, 9, 70, 500})
      for (const int threads : {1, 3}) {
        const KeptLists kept = rank_candidates(head, offsets, keys, k, threads);
        for (std::int64_t row = 0; row < head.num_rows(); ++row) {
          const auto r = static_cast<std::size_t>(row);
          const std::vector<std::int32_t> list(keys.begin() + offsets[r],
                                               keys.begin() + offsets[r + 1]);
          ASSERT_EQ(kept_of(kept, row), best_of(owned, head, row, list, k)) << row;
        }
      }
  });
}

// Lists and bits of the search over all keys: packed and streamed, with brackets and without.
TEST(TopkSelect, KeepsTheBestOfAllKeys) {
  for (const std::int64_t queries : {3, 20})
    for (const std::int64_t num_keys : {50, 1700}) {
      const OwnedProblem owned = tied_problem(queries, num_keys);
      const HeadProblem head = split_heads(owned.problem).front();
      std::vector<KeyTile> tiles;
      if (head.num_rows() > kMaxStreamedRows) tiles = pack_keys(head, 2);
      std::vector<std::int32_t> all(static_cast<std::size_t>(num_keys));
      std::iota(all.begin(), all.end(), 0);
      for (const std::int64_t k : {std::int64_t{1}, std::int64_t{30}, num_keys / 2, num_keys}) {
        const KeptLists lists = select_lists(head, k, tiles, 2);
        const KeptBits bits = select_bits(head, k, tiles, 2);
        for (std::int64_t row = 0; row < head.num_rows(); ++row) {
          const std::vector<std::int32_t> want = best_of(owned, head, row, all, k);
          ASSERT_EQ(kept_of(lists, row), want) << row;
          std::vector<std::int32_t> marked;
          for (const std::int32_t key : all)
            if (bits.has(row, key)) marked.push_back(key);
          ASSERT_EQ(marked, want) << row;
        }
      }
    }
}

}  // namespace
}  // namespace subquad::testing
