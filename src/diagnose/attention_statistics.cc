// Spread and reach of softmax weights, a block of rows at a time.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include <fmt/format.h>

#include "core/checks.h"
#include "core/threads.h"
#include "core/probe_problem.h"
#include "diagnose/score_tiles.h"
#include "rows/tile_sizes.h"
#include "kernels/softmax.h"
#include "subquad/attention_metrics.h"
#include "subquad/error.h"

namespace subquad {
namespace {

constexpr std::int64_t kBlock = 48;  // rows whose scores over all keys are held at once
constexpr float kHidden = -std::numeric_limits<float>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct RowStatistics {
  std::int64_t seen = 0;  // keys; 0: the row does not count
  double deviation = 0;
  double reach = 0;    // sum_j P_ij |pos_i - pos_j|
  double leading = 0;  // weight on leading keys
};

// Hides all but the `keep` largest of the scores, the first of equal ones kept.
void keep_largest(std::span<float> scores, std::int64_t keep, std::vector<float>& sorted) {
  if (keep >= std::ssize(scores)) return;
  sorted.assign(scores.begin(), scores.end());
  std::nth_element(sorted.begin(), sorted.begin() + (keep - 1), sorted.end(), std::greater<>());
  const float threshold = sorted[static_cast<std::size_t>(keep - 1)];
  std::int64_t equal =
      keep - std::count_if(scores.begin(), scores.end(), [&](float s) { return s > threshold; });
  for (float& score : scores)
    if (score < threshold || (score == threshold && equal-- <= 0)) score = kHidden;
}

// One thread's work.
class RowMeter {
 public:
  RowMeter(const AttentionStatisticsOptions& options, std::int64_t head_dim)
      : options_(options),
        tile_keys_(key_tile_size(head_dim, 1)),
        tiles_(head_dim, kBlock, tile_keys_) {}

  // Statistics of rows [begin, begin + count) of the head.
  void measure(const HeadProblem& head, std::int64_t begin, std::int64_t count,
               RowStatistics* out) {
    const IndexList rows = index_range(begin, begin + count);
    collect(head, rows);
    for (std::int64_t r = 0; r < count; ++r)
      out[r] =
          finish(head, rows[r],
                 {scores_.data() + r * head.num_keys, static_cast<std::size_t>(head.num_keys)});
  }

 private:
  // scores_[r * num_keys + j]: base-2 logits, -inf where hidden.
  void collect(const HeadProblem& head, const IndexList& rows) {
    scores_.assign(static_cast<std::size_t>(rows.count * head.num_keys), kHidden);
    tiles_.load_rows(head, rows);
    for (std::int64_t first = 0; first < head.num_keys; first += tile_keys_) {
      tiles_.load_keys(head, index_range(first, std::min(first + tile_keys_, head.num_keys)));
      tiles_.for_each_panel(head, [&](const Range& part, const Range& columns, ScorePanel& panel) {
        for (std::int64_t r = part.begin; r < part.end; ++r)
          std::copy_n(panel.data() + (r - part.begin) * panel.stride(), columns.end - columns.begin,
                      scores_.data() + r * head.num_keys + first + columns.begin);
      });
    }
  }

  RowStatistics finish(const HeadProblem& head, std::int64_t row, std::span<float> scores) {
    RowStatistics statistics;
    float top = head.sink_log2(row);
    bool broken = false;
    for (const float s : scores) {
      statistics.seen += s != kHidden;
      broken |= !(s < -kHidden);
      top = std::max(top, s);
    }
    if (statistics.seen == 0) return statistics;
    if (broken) return {statistics.seen, kNaN, kNaN, kNaN};
    if (options_.keep > 0) keep_largest(scores, options_.keep, sorted_);
    const double total = weigh(scores, top) + std::exp2(double{head.sink_log2(row)} - top);
    statistics.deviation = deviation(scores, total, statistics.seen);
    if (!options_.positions.empty()) locate(head.position(row), scores, total, statistics);
    return statistics;
  }

  // Scores become weights over the largest; returns their sum.
  static double weigh(std::span<float> scores, float top) {
    for (float& s : scores) s = std::exp2(s - top);
    double sum = 0;
    for (const float w : scores) sum += double{w};
    return sum;
  }

  static double deviation(std::span<const float> weights, double total, std::int64_t seen) {
    const auto n = static_cast<double>(seen);
    double sum = 0, squares = 0;
    for (const float w : weights) {
      sum += double{w} / total;
      squares += (double{w} / total) * (double{w} / total);
    }
    return std::sqrt(std::max(squares / n - (sum / n) * (sum / n), 0.0));
  }

  void locate(std::int64_t position, std::span<const float> weights, double total,
              RowStatistics& statistics) const {
    if (position < options_.leading) return;
    const auto leading = static_cast<std::size_t>(options_.leading);
    const Position own = options_.positions[static_cast<std::size_t>(position) - leading];
    for (std::size_t j = 0; j < leading; ++j) statistics.leading += double{weights[j]} / total;
    for (std::size_t j = leading; j < weights.size(); ++j) {
      const Position other = options_.positions[j - leading];
      const double y = double{own[0]} - double{other[0]}, x = double{own[1]} - double{other[1]};
      statistics.reach += double{weights[j]} / total * std::sqrt(y * y + x * x);
    }
  }

  const AttentionStatisticsOptions& options_;
  std::int64_t tile_keys_;
  ScoreTiles tiles_;
  std::vector<float> scores_, sorted_;
};

// A block of rows of one head.
struct Item {
  std::size_t head;
  std::int64_t begin, count;
};

std::vector<Item> cut(const std::vector<HeadProblem>& heads) {
  std::vector<Item> items;
  for (std::size_t h = 0; h < heads.size(); ++h)
    for (std::int64_t begin = 0; begin < heads[h].num_rows(); begin += kBlock)
      items.push_back({h, begin, std::min(kBlock, heads[h].num_rows() - begin)});
  return items;
}

std::vector<std::vector<RowStatistics>> measure_rows(const std::vector<HeadProblem>& heads,
                                                     const AttentionStatisticsOptions& options) {
  std::vector<std::vector<RowStatistics>> rows;
  for (const HeadProblem& head : heads) rows.emplace_back(head.num_rows());
  const std::vector<Item> items = cut(heads);
  parallel_workers(resolved_threads(options.threads), std::ssize(items), [&] {
    return [&, meter = RowMeter(options, heads[0].head_dim())](std::int64_t n) mutable {
      const auto [h, begin, count] = items[static_cast<std::size_t>(n)];
      meter.measure(heads[h], begin, count, rows[h].data() + begin);
    };
  });
  return rows;
}

// Rows g, g + group, .. of the head: one query head.
AttentionStatistics summary(const HeadProblem& head, const std::vector<RowStatistics>& rows,
                            std::int64_t g, const AttentionStatisticsOptions& options) {
  AttentionStatistics result;
  double placed = 0;
  for (std::int64_t r = g; r < head.num_rows(); r += head.group) {
    const RowStatistics& row = rows[static_cast<std::size_t>(r)];
    if (row.seen == 0) continue;
    ++result.rows;
    placed += head.position(r) >= options.leading;
    result.weight_std += row.deviation;
    result.nonlocality += row.reach;
    result.leading_weight += row.leading;
  }
  result.weight_std /= static_cast<double>(result.rows);
  result.nonlocality /= options.positions.empty() ? kNaN : placed;
  result.leading_weight /= options.positions.empty() ? kNaN : placed;
  return result;
}

void check(const std::vector<HeadProblem>& heads, const AttentionStatisticsOptions& options) {
  if (options.keep < 0) throw_invalid(fmt::format("keep: {} is below 0", options.keep));
  if (options.leading < 0) throw_invalid(fmt::format("leading: {} is below 0", options.leading));
  if (options.positions.empty()) return;
  check_span("positions", options.positions);
  for (const HeadProblem& head : heads)
    if (head.query_len != head.num_keys ||
        head.query_len - options.leading != std::ssize(options.positions))
      throw_invalid(fmt::format("positions: {} and {} leading for {} queries and {} keys",
                                options.positions.size(), options.leading, head.query_len,
                                head.num_keys));
  if (heads.empty()) return;
  for (const Position& position : options.positions)
    if (!std::isfinite(position[0]) || !std::isfinite(position[1]))
      throw_invalid("positions: must be finite");
}

}  // namespace

std::vector<AttentionStatistics> attention_statistics(const Problem& problem,
                                                      const AttentionStatisticsOptions& options) {
  check_probe(problem, options.threads);
  const Problem bare = without_values(problem);
  const std::vector<HeadProblem> heads = split_heads(bare);
  check(heads, options);
  const auto rows = measure_rows(heads, options);
  const std::int64_t each = problem.key.heads();
  std::vector<AttentionStatistics> results;
  for (std::size_t h = 0; h < heads.size(); ++h)
    for (std::int64_t g = 0; g < heads[h].group; ++g) {
      results.push_back(summary(heads[h], rows[h], g, options));
      results.back().sequence = each > 0 ? static_cast<std::int64_t>(h) / each : 0;
      results.back().head = heads[h].kv_head * heads[h].group + g;
    }
  return results;
}

}  // namespace subquad
