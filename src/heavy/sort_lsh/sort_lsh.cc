#include "heavy/sort_lsh/sort_lsh.h"

#include <algorithm>
#include <vector>

#include "heavy/sort_lsh/block_set.h"
#include "heavy/sort_lsh/chosen_block_set.h"
#include "index/hash_head.h"
#include "rows/placed_rows.h"
#include "rows/row_pieces.h"
#include "rows/tile_sizes.h"
#include "rows/visible_keys.h"

namespace subquad {
namespace {

SortLshOptions read_options(const SpecPart& spec) {
  SpecReader reader(spec);
  SortLshOptions options;
  options.block = reader.integer("block", options.block, 1, 1 << 20);
  options.hash.bits = reader.integer("bits", options.hash.bits, 1, 24);
  options.rounds = reader.integer("rounds", options.rounds, 1, 64);
  options.hash.center = reader.boolean("center", options.hash.center);
  options.hash.norm = reader.boolean("norm", options.hash.norm);
  options.neighbors = reader.integer("neighbors", options.neighbors, 0, 64);
  options.strict = reader.boolean("strict", options.strict);
  reader.finish();
  return options;
}

// The items of a list in the order of their buckets.
std::vector<std::int32_t> sorted_items(const Scratch<std::uint32_t>& buckets,
                                       const IndexList& items) {
  std::vector<std::int32_t> sorted;
  const Scratch<std::int32_t> order = sort_by_bucket(buckets.span(), 0);
  for (const std::int32_t i : order.span()) sorted.push_back(static_cast<std::int32_t>(items[i]));
  return sorted;
}

class SortLshRule final : public HeavyRule {
 public:
  explicit SortLshRule(const SortLshOptions& options) : options_(options) {}

  std::vector<std::unique_ptr<HeavySet>> find(const HeadProblem& head, const Rng& rng,
                                              int threads) const override {
    const VisibleKeys keys(head);
    const bool by_piece = options_.strict && head.has_band();
    const std::int64_t rounds = holds_all(head, keys) ? 1 : options_.rounds;
    std::vector<std::unique_ptr<HeavySet>> sets;
    for (std::int64_t round = 0; keys.count() > 0 && round < rounds; ++round)
      sets.push_back(by_piece ? choose_blocks(head, keys, rng, round, threads)
                              : sort_all(head, keys, rng, round, threads));
    return sets;
  }
  // Runs of few keys cost what their calls cost; each entry is looked up in all earlier rounds.
  Work work(const HeadProblem& head) const override {
    constexpr double kCall = 5000, kLookup = 1000;
    const auto rows = static_cast<double>(head.num_rows()),
               keys = static_cast<double>(head.num_keys);
    const auto rounds = static_cast<double>(options_.rounds);
    const auto block = static_cast<double>(options_.block);
    const double met = 1 + 2 * static_cast<double>(options_.neighbors);
    const double entries = rows * std::min(keys, block * met);
    const double runs = std::min(met, keys / block + 1) * (rows / std::min(block, 64.0) + 1);
    const auto width = static_cast<double>(head.head_dim() + head.value_dim());
    return {rounds * (entries * width + runs * kCall + rounds / 2 * (entries + runs * kLookup)),
            "larger blocks, or fewer rounds or neighbors"};
  }
  // A key that some row sees counts for all.
  Strict strictness() const override { return Strict::bands; }

 private:
  // Whether a round holds every entry, so that others would find nothing.
  bool holds_all(const HeadProblem& head, const VisibleKeys& keys) const {
    const std::int64_t longer = std::max(head.num_rows(), keys.count());
    return options_.neighbors >= count_blocks(longer, options_.block) - 1;
  }

  // As published: rows and keys sorted, blocks on the diagonal.
  std::unique_ptr<HeavySet> sort_all(const HeadProblem& head, const VisibleKeys& keys,
                                     const Rng& rng, std::int64_t round, int threads) const {
    const PlacedRows rows(head);
    const HashBuckets buckets =
        hash_scope(head, rng, round, options_.hash, {rows.all(), keys.all(), keys.all()}, threads);
    auto set = std::make_unique<BlockSet>(head, options_.block, options_.neighbors);
    set->add(sorted_items(buckets.rows, rows.all()), sorted_items(buckets.keys, keys.all()));
    set->add_rest();
    return set;
  }

  // Strict under a causal mask or a window. A row of a sorted block sees half of it on average:
  // blocks that it sees whole are half as large.
  std::unique_ptr<HeavySet> choose_blocks(const HeadProblem& head, const VisibleKeys& keys,
                                          const Rng& rng, std::int64_t round, int threads) const {
    const std::int64_t block = (options_.block + 1) / 2;
    auto set = std::make_unique<ChosenBlockSet>(head, options_.neighbors);
    for (const RowPiece& piece : cut_rows(head, options_.block * (1 + 2 * options_.neighbors)))
      if (!piece.leaf)
        set->add(piece.rows, keys.inside(piece.common), block, {round, options_.hash}, rng,
                 threads);
      else if (round == 0)
        set->add_leaf(piece.rows);
    return set;
  }

  SortLshOptions options_;
};

}  // namespace

std::unique_ptr<HeavyRule> make_sort_lsh_rule(const SpecPart& spec) {
  return make_sort_lsh(read_options(spec));
}

std::unique_ptr<HeavyRule> make_sort_lsh(const SortLshOptions& options) {
  return std::make_unique<SortLshRule>(options);
}

std::string sort_lsh_path(const SpecPart& spec) {
  return read_options(spec).strict ? spec.name : spec.name + ":published";
}

}  // namespace subquad
