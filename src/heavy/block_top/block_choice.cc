#include "heavy/block_top/block_choice.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/round_up.h"
#include "core/threads.h"
#include "kernels/gemm.h"
#include "kernels/pack.h"
#include "rows/head_rows.h"
#include "rows/score_filter.h"
#include "rows/tile_sizes.h"

namespace subquad {
namespace {

constexpr std::int64_t kRows = 48;  // that are scored at a time

RowLists joined(const std::vector<std::vector<std::int32_t>>& all) {
  RowLists lists;
  for (const auto& list : all) {
    lists.keys.insert(lists.keys.end(), list.begin(), list.end());
    lists.offsets.push_back(std::ssize(lists.keys));
  }
  return lists;
}

}  // namespace

BlockChoice::BlockChoice(const HeadProblem& head, std::int64_t block, std::int64_t keep,
                         int threads)
    : head_(head),
      blocks_(head, block, false, threads),
      placed_(head),
      keep_(keep),
      stride_(round_up(blocks_.size(), 32)),
      packed_means_(round_up(blocks_.size(), kernels::blocking().panel) * head.head_dim()) {
  const std::int64_t dim = head.head_dim();
  panel_stride_ = kernels::pack_transposed(
      dense_rows(blocks_.means().data(), dim, dim, blocks_.size()), packed_means_.data());
}

RowLists BlockChoice::by_row(int threads) const {
  std::vector<std::vector<std::int32_t>> lists(static_cast<std::size_t>(head_.num_rows()));
  parallel_workers(threads, count_blocks(head_.num_rows(), kRows), [&] {
    return [&, queries = Scratch<float>(kRows * head_.head_dim()),
            scores = Scratch<float>(kRows * stride_)](std::int64_t part) mutable {
      const IndexList rows = list_block(index_range(0, head_.num_rows()), part, kRows);
      load_head_rows(head_, head_.problem->query, rows, head_.scale_log2, queries.data(),
                     head_.head_dim());
      score(queries.data(), rows.count, scores.data());
      for (std::int64_t i = 0; i < rows.count; ++i)
        lists[static_cast<std::size_t>(rows[i])] =
            list_of_row(rows[i], scores.data() + i * stride_);
    };
  });
  return joined(lists);
}

RowLists BlockChoice::by_query_block(int threads) const {
  const std::int64_t count = count_blocks(head_.query_len, blocks_.block_size()) * head_.group;
  std::vector<std::vector<std::int32_t>> lists(static_cast<std::size_t>(count));
  parallel_workers(threads, count, [&] {
    return [&, scores = Scratch<float>(stride_)](std::int64_t list) mutable {
      lists[static_cast<std::size_t>(list)] = list_of_rows(list, scores.data());
    };
  });
  return joined(lists);
}

void BlockChoice::score(const float* queries, std::int64_t rows, float* scores) const {
  kernels::gemm({queries, head_.head_dim(), 1},
                {packed_means_.data(), panel_stride_, kernels::blocking().panel}, rows,
                blocks_.size(), head_.head_dim(), scores, stride_, false);
}

// A block with an Inf or NaN, or a score that is not finite, comes first: nobody knows its weight.
void BlockChoice::choose(const float* scores, const Range& among,
                         std::vector<std::int32_t>& list) const {
  struct Block {
    float score;
    std::int32_t block;
  };
  std::vector<Block> all;
  for (std::int64_t b = among.begin; b < among.end; ++b) {
    if (blocks_.count(b) == 0) continue;
    const bool known = blocks_.is_usable(b) && std::isfinite(scores[b]);
    all.push_back(
        {known ? scores[b] : std::numeric_limits<float>::infinity(), static_cast<std::int32_t>(b)});
  }
  const auto better = [](const Block& a, const Block& b) {
    return a.score != b.score ? a.score > b.score : a.block < b.block;
  };
  const auto kept = static_cast<std::size_t>(std::min<std::int64_t>(keep_, std::ssize(all)));
  if (kept < all.size())
    std::nth_element(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(kept), all.end(),
                     better);
  for (std::size_t i = 0; i < kept; ++i) list.push_back(all[i].block);
}

std::vector<std::int32_t> BlockChoice::list_of_row(std::int64_t row, const float* scores) const {
  std::vector<std::int32_t> list;
  const Range seen = head_.visible(row);
  if (seen.empty()) return list;
  const std::int64_t first = blocks_.block_of(seen.begin);
  const std::int64_t end = blocks_.block_of(seen.end - 1) + 1;
  const Range whole = whole_blocks(head_, row, blocks_.block_size());
  for (std::int64_t b = first; b < end; ++b)
    if (b < whole.begin || b >= whole.end) list.push_back(static_cast<std::int32_t>(b));
  choose(scores, whole, list);
  std::sort(list.begin(), list.end());
  return list;
}

std::vector<std::int32_t> BlockChoice::list_of_rows(std::int64_t list, float* scores) const {
  const std::int64_t block = blocks_.block_size(), c = list / head_.group;
  const Range rows{c * block * head_.group,
                   std::min((c + 1) * block, head_.query_len) * head_.group};
  std::vector<std::int32_t> chosen;
  const Range columns = columns_in(placed_.all(), rows);
  const IndexList placed = placed_.all().slice(columns.begin, columns.end - columns.begin);
  const Range seen = head_.visible(rows.begin, rows.end);
  if (placed.count == 0 || seen.empty()) return chosen;
  std::vector<float> query(static_cast<std::size_t>(head_.head_dim()));
  mean_query(placed, list % head_.group, query.data());
  score(query.data(), 1, scores);
  choose(scores, {blocks_.block_of(seen.begin), blocks_.block_of(seen.end - 1) + 1}, chosen);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

// Of the listed rows that belong to one head of the group; zeros if there is none.
void BlockChoice::mean_query(const IndexList& placed, std::int64_t head_in_group,
                             float* query) const {
  const std::int64_t dim = head_.head_dim();
  std::vector<double> sum(static_cast<std::size_t>(dim), 0.0);
  std::vector<float> row(sum.size());
  double count = 0;
  for (std::int64_t i = 0; i < placed.count; ++i) {
    if (placed[i] % head_.group != head_in_group) continue;
    load_head_rows(head_, head_.problem->query, placed.slice(i, 1), head_.scale_log2, row.data(),
                   dim);
    for (std::size_t d = 0; d < sum.size(); ++d) sum[d] += double{row[d]};
    ++count;
  }
  for (std::size_t d = 0; d < sum.size(); ++d)
    query[d] = static_cast<float>(sum[d] / std::max(1.0, count));
}

}  // namespace subquad
