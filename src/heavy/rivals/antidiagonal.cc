#include "heavy/rivals/antidiagonal.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "core/threads.h"
#include "heavy/rivals/antidiagonal_scores.h"
#include "parts/row_list_set.h"
#include "rows/tile_sizes.h"
#include "subquad/error.h"

namespace subquad {
namespace {

struct AntidiagonalOptions {
  std::int64_t block = 128, stride = 8;
  double threshold = 0.9;
  bool strict = true;
};

AntidiagonalOptions read_options(const SpecPart& spec) {
  SpecReader reader(spec);
  AntidiagonalOptions options;
  options.block = reader.integer("block", options.block, 16, 1 << 20);
  options.stride = reader.integer("stride", options.stride, 1, 64);
  options.threshold = reader.number("threshold", options.threshold, 0, 1);
  options.strict = reader.boolean("strict", options.strict);
  reader.finish();
  if (options.block % options.stride != 0)
    throw_invalid(fmt::format("spec part '{}': block = {} must be a multiple of stride = {}",
                              to_text(spec), options.block, options.stride));
  return options;
}

// The choice of one head's blocks of positions.
class BlockChoice {
 public:
  BlockChoice(const HeadProblem& head, const AntidiagonalOptions& options)
      : head_(head), options_(options), scores_(head, options.block, options.stride) {}

  // Block `index` of positions of query head g of the group: its blocks of keys, ascending.
  std::vector<std::int32_t> choose(std::int64_t index, std::int64_t g) const {
    const Range positions{index * options_.block,
                          std::min((index + 1) * options_.block, head_.query_len)};
    const Range first = visible(positions.begin), last = visible(positions.end - 1);
    const Range seen{first.begin, last.end}, common{last.begin, first.end};
    if (seen.empty() || !scores_.has_rows(positions, g)) return {};
    const Range blocks{seen.begin / options_.block, count_blocks(seen.end, options_.block)};
    if (options_.threshold >= 1) return all_of(blocks);
    const ScoreScope scope = scope_of(positions, seen, common);
    const BlockShares shares = scores_.shares(scope, g);
    if (shares.empty && !scope.keys.empty()) return all_of(blocks);
    std::vector<std::uint8_t> kept = shares.wild;
    keep_always(first, last, kept);
    for (std::int64_t b = blocks.begin; b < blocks.end && scope.whole; ++b)
      if (!lies_inside(b, common)) kept[static_cast<std::size_t>(b)] = 1;
    add_largest(shares.share, kept);
    return listed(blocks, kept);
  }

 private:
  Range visible(std::int64_t position) const { return head_.visible(position * head_.group); }

  // Strict: the queries up to the block's first, and the keys that all its rows see.
  ScoreScope scope_of(const Range& positions, const Range& seen, const Range& common) const {
    if (!options_.strict || !head_.has_band()) return {positions, seen, false};
    const std::int64_t end = positions.begin + 1;
    return {{std::max<std::int64_t>(end - options_.block, 0), end}, common, true};
  }

  // Causal: the first block and those of the diagonal.
  void keep_always(const Range& first, const Range& last, std::vector<std::uint8_t>& kept) const {
    if (head_.problem->causal == Causal::none) return;
    kept.front() = 1;
    const std::int64_t begin = std::max<std::int64_t>(first.end - 1, 0) / options_.block;
    for (std::int64_t b = begin; b * options_.block < last.end; ++b)
      kept[static_cast<std::size_t>(b)] = 1;
  }

  bool lies_inside(std::int64_t block, const Range& keys) const {
    const std::int64_t end = std::min((block + 1) * options_.block, head_.num_keys);
    return block * options_.block >= keys.begin && end <= keys.end;
  }

  // The largest of the others, until the share of all that is kept reaches the threshold.
  void add_largest(const std::vector<double>& share, std::vector<std::uint8_t>& kept) const {
    std::vector<std::size_t> others;
    double total = 0, sum = 0;
    for (std::size_t b = 0; b < share.size(); ++b) {
      total += share[b];
      if (kept[b] != 0)
        sum += share[b];
      else if (share[b] > 0)
        others.push_back(b);
    }
    std::stable_sort(others.begin(), others.end(),
                     [&](std::size_t a, std::size_t b) { return share[a] > share[b]; });
    for (const std::size_t b : others) {
      if (sum >= options_.threshold * total) return;
      kept[b] = 1;
      sum += share[b];
    }
  }

  static std::vector<std::int32_t> all_of(const Range& blocks) {
    std::vector<std::int32_t> list(static_cast<std::size_t>(blocks.end - blocks.begin));
    std::iota(list.begin(), list.end(), static_cast<std::int32_t>(blocks.begin));
    return list;
  }

  static std::vector<std::int32_t> listed(const Range& blocks,
                                          const std::vector<std::uint8_t>& kept) {
    std::vector<std::int32_t> list = all_of(blocks);
    std::erase_if(list, [&](std::int32_t b) { return kept[static_cast<std::size_t>(b)] == 0; });
    return list;
  }

  const HeadProblem& head_;
  const AntidiagonalOptions& options_;
  AntidiagonalScores scores_;
};

class AntidiagonalRule final : public HeavyRule {
 public:
  explicit AntidiagonalRule(const AntidiagonalOptions& options) : options_(options) {}

  std::vector<std::unique_ptr<HeavySet>> find(const HeadProblem& head, const Rng&,
                                              int threads) const override {
    if (head.num_rows() == 0 || head.num_keys == 0) return {};
    const BlockChoice choice(head, options_);
    const std::int64_t blocks = count_blocks(head.query_len, options_.block);
    std::vector<std::vector<std::int32_t>> chosen(static_cast<std::size_t>(blocks * head.group));
    parallel_for(threads, std::ssize(chosen), [&](std::int64_t i) {
      chosen[static_cast<std::size_t>(i)] = choice.choose(i % blocks, i / blocks);
    });
    RowLists lists;
    for (const std::vector<std::int32_t>& list : chosen) {
      lists.keys.insert(lists.keys.end(), list.begin(), list.end());
      lists.offsets.push_back(lists.num_entries());
    }
    std::vector<std::unique_ptr<HeavySet>> sets;
    sets.push_back(std::make_unique<RowListSet>(
        head, std::move(lists),
        ListLayout{
            .query_block = options_.block, .key_block = options_.block, .head_step = blocks}));
    return sets;
  }
  // A key that some row sees counts for all.
  Strict strictness() const override { return Strict::bands; }

 private:
  AntidiagonalOptions options_;
};

}  // namespace

std::unique_ptr<HeavyRule> make_antidiagonal_rule(const SpecPart& spec) {
  return std::make_unique<AntidiagonalRule>(read_options(spec));
}

std::string antidiagonal_path(const SpecPart& spec) {
  return read_options(spec).strict ? spec.name : spec.name + ":published";
}

}  // namespace subquad
