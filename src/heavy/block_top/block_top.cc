#include "heavy/block_top/block_top.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <utility>
#include <vector>

#include "heavy/block_top/block_choice.h"
#include "heavy/block_top/block_layer_set.h"
#include "parts/row_list_set.h"
#include "rows/tile_sizes.h"

namespace subquad {
namespace {

// Rows for each block of keys, on average, below which they do not share its packed keys; and the
// most blocks of a row for which they do: a pass over the rows each.
constexpr std::int64_t kFewRows = 16, kManyLayers = 64;

struct BlockTopOptions {
  std::int64_t block, keep;
  bool strict;
};

BlockTopOptions read_options(const SpecPart& spec) {
  SpecReader reader(spec);
  BlockTopOptions options{};
  options.block = reader.integer("block", 64, 1, 1 << 20);
  options.keep = reader.integer("keep", 8, 1, 1 << 20);
  options.strict = reader.boolean("strict", true);
  reader.finish();
  return options;
}

class BlockTopRule final : public HeavyRule {
 public:
  explicit BlockTopRule(const BlockTopOptions& options) : options_(options) {}

  std::vector<std::unique_ptr<HeavySet>> find(const HeadProblem& head, const Rng&,
                                              int threads) const override {
    std::vector<std::unique_ptr<HeavySet>> sets;
    if (head.num_keys == 0 || head.num_rows() == 0) return sets;
    const std::int64_t block = options_.block, blocks = count_blocks(head.num_keys, block);
    if (options_.keep >= blocks) {
      sets.push_back(all_blocks(head, blocks));
      return sets;
    }
    const BlockChoice choice(head, block, options_.keep, threads);
    if (head.has_band() && options_.strict) return by_row(head, choice.by_row(threads));
    sets.push_back(std::make_unique<RowListSet>(
        head, choice.by_query_block(threads),
        ListLayout{
            .query_block = block, .key_block = block, .block_step = head.group, .head_step = 1}));
    return sets;
  }
  // A key that some row sees counts for all. The published form says so in its name.
  Strict strictness() const override { return Strict::bands; }

 private:
  using Sets = std::vector<std::unique_ptr<HeavySet>>;

  // Few rows read their keys where they lie, many go together with those of the same block.
  Sets by_row(const HeadProblem& head, RowLists lists) const {
    Sets sets;
    const std::int64_t block = options_.block;
    const bool few = head.num_rows() < kFewRows * count_blocks(head.num_keys, block);
    if (few || options_.keep > kManyLayers) {
      sets.push_back(std::make_unique<RowListSet>(
          head, std::move(lists),
          ListLayout{.key_block = block, .block_step = head.group, .head_step = 1}));
      return sets;
    }
    std::int64_t layers = 0;
    for (std::int64_t row = 0; row < head.num_rows(); ++row)
      layers = std::max(layers, std::ssize(lists.row(row)));
    for (std::int64_t layer = 0; layer < layers; ++layer)
      sets.push_back(std::make_unique<BlockLayerSet>(head, lists, layer, block));
    return sets;
  }

  // One list for all rows.
  std::unique_ptr<HeavySet> all_blocks(const HeadProblem& head, std::int64_t blocks) const {
    RowLists lists;
    lists.keys.resize(static_cast<std::size_t>(blocks));
    std::iota(lists.keys.begin(), lists.keys.end(), 0);
    lists.offsets.push_back(blocks);
    return std::make_unique<RowListSet>(head, std::move(lists),
                                        ListLayout{.key_block = options_.block, .block_step = 0});
  }

  BlockTopOptions options_;
};

}  // namespace

std::unique_ptr<HeavyRule> make_block_top_rule(const SpecPart& spec) {
  return std::make_unique<BlockTopRule>(read_options(spec));
}

std::string block_top_path(const SpecPart& spec) {
  return read_options(spec).strict ? spec.name : spec.name + ":published";
}

}  // namespace subquad
