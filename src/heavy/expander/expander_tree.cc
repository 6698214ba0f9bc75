// mode=countsketch: digit trees over random groups of rows.
//
// A tree orders the rows at random and cuts the order into G = width * tau groups; a group's
// counter is the sum of its rows with random signs. A group is open when |counter| >= |x|_heavy
// / 2. Groups of more than kLargestLeaf rows are split by 16 again and again: the children of open
// groups are looked up in a CountSketch table of G counters a level (Charikar, Chen and
// Farach-Colton 2002), with signs of its own. The rows of open leaves are candidates, of any of the
// trees.
//
// A heavy row is missed in a tree when the noise of a counter on its path reaches |x_i| / 2. The
// noise has variance at most |x|^2 / G <= x_i^2 / width, so one level misses with probability at
// most 4 / width by Chebyshev whatever x is; when many rows make the noise it is Gaussian, and the
// probability Pr[N <= -sqrt(width) / 2] (0.0023 at width 32). Levels add up; trees are independent,
// and two miss with the square.
// cost for each key: 2 G D levels trees flops; the scan of G trees counters; D flops for each row
// of an open leaf.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <utility>

#include "core/threads.h"
#include "heavy/expander/expander_draws.h"
#include "heavy/expander/expander_search.h"

namespace subquad {
namespace {

constexpr std::int64_t kFan = 16, kLargestLeaf = 64;
constexpr float kOpen = 0.5f;  // share of the heavy limit that opens a group

// A random order of the rows, and its groups at every level.
class DigitTree {
 public:
  DigitTree(std::int64_t num_rows, std::int64_t groups, const ExpanderDraws& draws)
      : order_(num_rows), rank_(num_rows), groups_(groups), nodes_{groups} {
    std::iota(order_.data(), order_.data() + num_rows, 0);
    for (std::int64_t i = num_rows - 1; i > 0; --i)
      std::swap(order_[i], order_[draws.below(i + 1, ExpanderDraws::order, 0, i)]);
    for (std::int64_t r = 0; r < num_rows; ++r) rank_[order_[r]] = static_cast<std::int32_t>(r);
    while (num_rows > kLargestLeaf * nodes_.back()) add_level(draws);
  }

  std::int64_t num_levels() const { return static_cast<std::int64_t>(nodes_.size()); }
  // Counter of row i at a level.
  Scratch<std::int32_t> counters(std::int64_t level) const {
    Scratch<std::int32_t> counter(rank_.size());
    const std::int64_t nodes = nodes_[static_cast<std::size_t>(level)];
    for (std::int64_t i = 0; i < counter.size(); ++i)
      counter[i] = counter_of(level, rank_[i] * nodes / rank_.size());
    return counter;
  }

  // Appends the rows of the leaves that `sketch` (num_levels() tables) opens.
  void open(const float* sketch, float least, std::vector<std::int32_t>& rows) const {
    std::vector<std::int32_t> nodes, children;
    append_at_least(sketch, groups_, least, nodes);
    for (std::int64_t level = 1; level < num_levels(); ++level) {
      children.clear();
      for (const std::int32_t node : nodes)
        for (std::int32_t child = node * kFan; child < (node + 1) * kFan; ++child)
          if (std::fabs(sketch[level * groups_ + counter_of(level, child)]) >= least)
            children.push_back(child);
      nodes.swap(children);
    }
    for (const std::int32_t leaf : nodes) append_leaf(leaf, rows);
  }

 private:
  void add_level(const ExpanderDraws& draws) {
    const std::int64_t level = num_levels();
    nodes_.push_back(nodes_.back() * kFan);
    hashed_.emplace_back(nodes_.back());
    for (std::int64_t node = 0; node < nodes_.back(); ++node)
      hashed_.back()[node] =
          static_cast<std::int32_t>(draws.below(groups_, ExpanderDraws::node, level, node));
  }

  std::int32_t counter_of(std::int64_t level, std::int64_t node) const {
    return level == 0 ? static_cast<std::int32_t>(node)
                      : hashed_[static_cast<std::size_t>(level - 1)][node];
  }

  // Rank r lies in node floor(r * nodes / rows).
  void append_leaf(std::int64_t leaf, std::vector<std::int32_t>& rows) const {
    const std::int64_t count = order_.size(), nodes = nodes_.back();
    const std::int64_t begin = (leaf * count + nodes - 1) / nodes;
    const std::int64_t end = ((leaf + 1) * count + nodes - 1) / nodes;
    rows.insert(rows.end(), order_.data() + begin, order_.data() + end);
  }

  Scratch<std::int32_t> order_, rank_;  // row at a rank, and its inverse
  std::int64_t groups_;
  std::vector<std::int64_t> nodes_;            // groups at each level
  std::vector<Scratch<std::int32_t>> hashed_;  // counter of each node of levels 1, 2, ..
};

// out[c] = sum of the rows of counter c with their signs.
void add_signed_rows(const QueryRows& queries, const RowBuckets& counters,
                     const ExpanderDraws& draws, std::int64_t level, float* out, int threads) {
  const auto width = static_cast<std::size_t>(queries.width);
  const auto number = static_cast<std::int64_t>(counters.offsets.size()) - 1;
  parallel_workers(threads, number, [&] {
    return [&, sum = std::vector<double>(width)](std::int64_t counter) mutable {
      std::fill(sum.begin(), sum.end(), 0.0);
      const auto at = static_cast<std::size_t>(counter);
      for (std::int64_t r = counters.offsets[at]; r < counters.offsets[at + 1]; ++r) {
        const std::int32_t i = counters.rows[r];
        const bool negative = (draws.bits(ExpanderDraws::sign, level, i) & 1) != 0;
        const float* row = queries.row(i);
        for (std::size_t c = 0; c < width; ++c) sum[c] += negative ? -double{row[c]} : row[c];
      }
      std::copy(sum.begin(), sum.end(), out + counter * queries.width);
    };
  });
}

std::int64_t number_of_groups(std::int64_t rows, const ExpanderOptions& options) {
  constexpr double kDefaultWidth = 32;
  const double width = options.width > 0 ? static_cast<double>(options.width) : kDefaultWidth;
  return std::min(rows, static_cast<std::int64_t>(std::ceil(width * options.tau)));
}

std::int64_t number_of_trees(const ExpanderOptions& options) {
  return options.repetitions > 0 ? options.repetitions : 2;
}

class CountSketch final : public ColumnSketch {
 public:
  CountSketch(const QueryRows& queries, const ExpanderOptions& options, const Rng& rng, int threads)
      : groups_(number_of_groups(queries.count, options)) {
    const std::int64_t trees = number_of_trees(options);
    for (std::int64_t t = 0; t < trees; ++t)
      trees_.emplace_back(queries.count, groups_, ExpanderDraws(rng, t));
    const std::int64_t levels = trees_.front().num_levels(), rows = trees * levels * groups_;
    Scratch<float> sums = sketch_room(rows, queries.width);
    for (std::int64_t t = 0; t < trees; ++t)
      for (std::int64_t level = 0; level < levels; ++level)
        add_signed_rows(queries,
                        RowBuckets(trees_[static_cast<std::size_t>(t)].counters(level), groups_),
                        ExpanderDraws(rng, t), level,
                        sums.data() + (t * levels + level) * groups_ * queries.width, threads);
    packed_ = PackedRows({sums.data(), DType::f32, queries.width, queries.width, nullptr, 0, rows});
  }

  void decode(const Column& column, std::vector<std::int32_t>& candidates) const override {
    const float* sketch = column.sketch;
    for (const DigitTree& tree : trees_) {
      tree.open(sketch, kOpen * column.limit, candidates);
      sketch += tree.num_levels() * groups_;
    }
  }

 private:
  std::int64_t groups_;
  std::vector<DigitTree> trees_;
};

}  // namespace

// At most 4 tau groups of a tree are open, for their squares add up to |x|^2 or so.
double count_sketch_steps(const HeadProblem& head, const ExpanderOptions& options) {
  constexpr double kScan = 8, kCandidate = 4;
  const auto rows = static_cast<double>(head.num_rows()),
             dim = static_cast<double>(head.head_dim());
  const auto groups = static_cast<double>(number_of_groups(head.num_rows(), options));
  const double leaf = std::min<double>(kLargestLeaf, std::ceil(rows / std::max(groups, 1.0)));
  const double candidates = std::min(rows, 4 * options.tau * leaf);
  return static_cast<double>(head.num_keys * number_of_trees(options)) *
         (groups * (dim + kScan) + candidates * dim * kCandidate);
}

std::unique_ptr<ColumnSketch> make_count_sketch(const QueryRows& queries,
                                                const ExpanderOptions& options, const Rng& rng,
                                                int threads) {
  return std::make_unique<CountSketch>(queries, options, rng, threads);
}

}  // namespace subquad
