#include "diagnose/column_squares.h"

#include <cmath>
#include <limits>

#include "core/threads.h"
#include "rows/tile_sizes.h"
#include "kernels/softmax.h"

namespace subquad {
namespace {

// The softmax weight of a base-2 logit s is 2^(s - exponent) * factor.
struct RowWeights {
  std::vector<float> exponent;  // during the first pass: the running maximum m
  std::vector<float> sum;       // of 2^(s - m)
  std::vector<double> factor;
};

// A run of rows or of keys of one head.
struct Item {
  std::size_t head;
  std::int64_t begin, end;
};

std::vector<Item> cut(std::span<const HeadRows> heads, std::int64_t step, bool by_keys) {
  std::vector<Item> items;
  for (std::size_t h = 0; h < heads.size(); ++h) {
    const std::int64_t count = by_keys ? heads[h].head->num_keys : heads[h].rows.count;
    for (std::int64_t begin = 0; begin < count; begin += step)
      items.push_back({h, begin, std::min(begin + step, count)});
  }
  return items;
}

Range visible_to(const HeadProblem& head, const IndexList& rows) {
  return head.visible(rows[0], rows[rows.count - 1] + 1);
}

// Joins the sink and turns running sums into weights. A row that sees nothing gets factor 0.
void finish_row(const HeadProblem& head, std::int64_t row, std::size_t i, RowWeights& weights) {
  const double m = static_cast<double>(weights.exponent[i]);
  const auto sink = static_cast<double>(head.sink_log2(row));
  const double top = std::max(m, sink);  // NaN stays: it compares false
  if (top == -std::numeric_limits<double>::infinity()) {
    weights.exponent[i] = 0;
    return;
  }
  const double own = static_cast<double>(weights.sum[i]) * std::exp2(m - top);
  weights.exponent[i] = static_cast<float>(top);
  weights.factor[i] = 1 / (own + std::exp2(sink - top));
}

// First pass: softmax sums of the item's rows over all keys they see.
void sum_rows(const HeadRows& part, std::int64_t first, std::int64_t tile_keys, ScoreTiles& tiles,
              RowWeights& weights) {
  const HeadProblem& head = *part.head;
  const Range keys = visible_to(head, part.rows);
  tiles.load_rows(head, part.rows);
  for (std::int64_t begin = keys.begin; begin < keys.end; begin += tile_keys) {
    tiles.load_keys(head, index_range(begin, std::min(begin + tile_keys, keys.end)));
    tiles.for_each_panel(head, [&](const Range& rows, const Range& columns, ScorePanel& panel) {
      float* m = weights.exponent.data() + first + rows.begin;
      float* sum = weights.sum.data() + first + rows.begin;
      kernels::softmax_update(panel.data(), panel.stride(), rows.end - rows.begin,
                              columns.end - columns.begin, {m, sum, nullptr, 0, 0});
    });
  }
  for (std::int64_t i = 0; i < part.rows.count; ++i)
    finish_row(head, part.rows[i], static_cast<std::size_t>(first + i), weights);
}

std::vector<RowWeights> row_weights(std::span<const HeadRows> heads, std::int64_t block,
                                    std::int64_t tile_keys, int threads) {
  std::vector<RowWeights> weights;
  for (const HeadRows& head : heads) {
    const auto count = static_cast<std::size_t>(head.rows.count);
    weights.push_back({std::vector<float>(count, -std::numeric_limits<float>::infinity()),
                       std::vector<float>(count), std::vector<double>(count)});
  }
  const std::vector<Item> items = cut(heads, block, false);
  parallel_workers(threads, static_cast<std::int64_t>(items.size()), [&] {
    return [&, tiles = ScoreTiles(heads[0].head->head_dim(), block, tile_keys)](
               std::int64_t n) mutable {
      const auto [h, begin, end] = items[static_cast<std::size_t>(n)];
      const HeadRows part{heads[h].head, heads[h].rows.slice(begin, end - begin)};
      sum_rows(part, begin, tile_keys, tiles, weights[h]);
    };
  });
  return weights;
}

void add_squares(const float* weights, std::int64_t count, double factor, double* sums) {
  for (std::int64_t c = 0; c < count; ++c) {
    const double weight = static_cast<double>(weights[c]) * factor;
    sums[c] += weight * weight;
  }
}

// Second pass: the squares of all rows' weights on keys [keys.begin, keys.end).
void add_columns(const HeadRows& all, const Range& keys, std::int64_t block,
                 const RowWeights& weights, ScoreTiles& tiles, double* squares) {
  const HeadProblem& head = *all.head;
  tiles.load_keys(head, index_range(keys.begin, keys.end));
  for (std::int64_t first = 0; first < all.rows.count; first += block) {
    const IndexList part = all.rows.slice(first, std::min(block, all.rows.count - first));
    const Range seen = visible_to(head, part);
    if (std::max(seen.begin, keys.begin) >= std::min(seen.end, keys.end)) continue;
    tiles.load_rows(head, part);
    tiles.for_each_panel(head, [&](const Range& rows, const Range& columns, ScorePanel& panel) {
      const std::int64_t width = columns.end - columns.begin;
      kernels::exp2_rows(panel.data(), panel.stride(), rows.end - rows.begin, width,
                         weights.exponent.data() + first + rows.begin);
      for (std::int64_t r = rows.begin; r < rows.end; ++r)
        add_squares(panel.data() + (r - rows.begin) * panel.stride(), width,
                    weights.factor[static_cast<std::size_t>(first + r)],
                    squares + part[r] % head.group * head.num_keys + keys.begin + columns.begin);
    });
  }
}

}  // namespace

std::vector<std::vector<double>> column_squares(std::span<const HeadRows> heads, int threads) {
  std::vector<std::vector<double>> squares;
  if (heads.empty()) return squares;
  const std::int64_t head_dim = heads[0].head->head_dim();
  const std::int64_t block = row_block_size(head_dim, 1), tile_keys = key_tile_size(head_dim, 1);
  const std::vector<RowWeights> weights = row_weights(heads, block, tile_keys, threads);
  for (const HeadRows& head : heads)
    squares.emplace_back(static_cast<std::size_t>(head.head->group * head.head->num_keys));
  const std::vector<Item> items = cut(heads, tile_keys, true);
  parallel_workers(threads, static_cast<std::int64_t>(items.size()), [&] {
    return [&, tiles = ScoreTiles(head_dim, block, tile_keys)](std::int64_t n) mutable {
      const auto [h, begin, end] = items[static_cast<std::size_t>(n)];
      add_columns(heads[h], {begin, end}, block, weights[h], tiles, squares[h].data());
    };
  });
  return squares;
}

}  // namespace subquad
