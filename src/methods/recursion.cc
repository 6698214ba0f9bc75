#include "methods/recursion.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/threads.h"
#include "heavy/sort_lsh/block_set.h"
#include "heavy/sort_lsh/chosen_block_set.h"
#include "methods/causal_tree.h"
#include "index/hash_head.h"
#include "light/sampled/sampled_keys.h"
#include "core/sampling.h"
#include "rows/placed_rows.h"
#include "rows/visible_keys.h"

namespace subquad {
namespace {

// The nodes of a list ordered by rows that hold some of rows [begin, end).
std::span<const CausalNode> nodes_of(std::span<const CausalNode> nodes, const IndexList& rows) {
  const std::int64_t begin = rows.first, end = rows.first + rows.count;
  const auto first = std::partition_point(nodes.begin(), nodes.end(),
                                          [&](const CausalNode& n) { return n.rows.end <= begin; });
  const auto last = std::partition_point(first, nodes.end(),
                                         [&](const CausalNode& n) { return n.rows.begin < end; });
  return {first, last};
}

// Positions in the list of those rows that the node holds.
Range rows_in(const CausalNode& node, const IndexList& rows) {
  return {std::max<std::int64_t>(node.rows.begin - rows.first, 0),
          std::min(node.rows.end - rows.first, rows.count)};
}

// The exact triangles on the diagonal.
class LeafSet final : public HeavySet {
 public:
  explicit LeafSet(std::vector<CausalNode> leaves) : leaves_(std::move(leaves)) {}

  RowOrder row_order() const override { return RowOrder::positions; }

  void add_runs(const IndexList& rows, std::int64_t, RunList& runs) const override {
    for (const CausalNode& leaf : nodes_of(leaves_, rows))
      runs.add({.rows = rows_in(leaf, rows), .keys = index_range(leaf.keys.begin, leaf.keys.end)});
  }

  bool may_meet(const IndexList& rows, const IndexList& keys) const override {
    if (!rows.sorted() || !keys.sorted() || rows.count == 0) return true;
    const Range first = keys_of(rows[0]), last = keys_of(rows[rows.count - 1]);
    return !columns_in(keys, {first.begin, last.end}).empty();
  }

  void remove(const IndexList& rows, const IndexList& keys, float* scores, std::int64_t stride,
              FilterScratch&) const override {
    for (std::int64_t r = 0; r < rows.count; ++r)
      mask_keys_inside(keys, keys_of(rows[r]), scores + r * stride);
  }

 private:
  Range keys_of(std::int64_t row) const {
    const auto leaf = nodes_of(leaves_, index_range(row, row + 1));
    return leaf.empty() ? Range{} : leaf.front().keys;
  }

  std::vector<CausalNode> leaves_;
};

// The keys of a node that its rows may choose blocks of: those that all of them see, less than the
// node has under a window; all where they are one block, which takes no choice.
Range common_keys(const HeadProblem& head, const CausalNode& node, std::int64_t block) {
  if (node.keys.end - node.keys.begin <= block) return node.keys;
  const Range first = head.visible(node.rows.begin), last = head.visible(node.rows.end - 1);
  const std::int64_t begin = std::max({node.keys.begin, first.begin, last.begin});
  return {begin, std::max(begin, std::min({node.keys.end, first.end, last.end}))};
}

// The items of a list that lie in the range, in the order of their codes.
std::vector<std::int32_t> sorted_part(const IndexList& items, const Scratch<std::uint32_t>& codes,
                                      const Range& range) {
  const Range part = columns_in(items, range);
  const auto codes_there = codes.span().subspan(static_cast<std::size_t>(part.begin),
                                                static_cast<std::size_t>(part.end - part.begin));
  std::vector<std::int32_t> sorted;
  const Scratch<std::int32_t> order = sort_by_bucket(codes_there, part.begin);
  for (const std::int32_t i : order.span()) sorted.push_back(static_cast<std::int32_t>(items[i]));
  return sorted;
}

// One set a level, the nodes of the level its rectangles; the triangles first.
class TreeRule final : public HeavyRule {
 public:
  explicit TreeRule(const RecursionOptions& options) : options_(options) {}

  std::vector<std::unique_ptr<HeavySet>> find(const HeadProblem& head, const Rng& rng,
                                              int threads) const override {
    const CausalTree tree(head, options_.base);
    std::vector<std::unique_ptr<HeavySet>> sets;
    sets.push_back(std::make_unique<LeafSet>(tree.leaves));
    if (tree.levels.empty()) return sets;
    const VisibleKeys keys(head);
    for (auto& set : options_.strict ? chosen_blocks(head, tree, keys, rng, threads)
                                     : sorted_blocks(head, tree, keys, rng, threads))
      sets.push_back(std::move(set));
    return sets;
  }
  // A key that some row sees counts for all.
  Strict strictness() const override { return Strict::bands; }

 private:
  using Sets = std::vector<std::unique_ptr<HeavySet>>;

  // As published: hashed once, rows and keys of each node sorted.
  Sets sorted_blocks(const HeadProblem& head, const CausalTree& tree, const VisibleKeys& keys,
                     const Rng& rng, int threads) const {
    const PlacedRows rows(head);
    const HashBuckets buckets =
        hash_scope(head, rng, 0, options_.hash, {rows.all(), keys.all(), keys.all()}, threads);
    Sets sets(tree.levels.size());
    parallel_for(threads, std::ssize(sets), [&](std::int64_t level) {
      auto set = std::make_unique<BlockSet>(head, options_.block);
      for (const CausalNode& node : tree.levels[static_cast<std::size_t>(level)])
        set->add(sorted_part(rows.all(), buckets.rows, node.rows),
                 sorted_part(keys.all(), buckets.keys, node.keys));
      sets[static_cast<std::size_t>(level)] = std::move(set);
    });
    return sets;
  }

  // Strict: each node hashes about its own mean, and each of its rows chooses a block by itself.
  Sets chosen_blocks(const HeadProblem& head, const CausalTree& tree, const VisibleKeys& keys,
                     const Rng& rng, int threads) const {
    Sets sets(tree.levels.size());
    parallel_for(threads, std::ssize(sets), [&](std::int64_t level) {
      auto set = std::make_unique<ChosenBlockSet>(head);
      for (const CausalNode& node : tree.levels[static_cast<std::size_t>(level)])
        set->add(node.rows, keys.inside(common_keys(head, node, options_.block)), options_.block,
                 {level, options_.hash}, rng, 1);
      sets[static_cast<std::size_t>(level)] = std::move(set);
    });
    return sets;
  }

  RecursionOptions options_;
};

// A sample for each node, shared by the node's rows.
class TreeSamples final : public Sampler {
 public:
  TreeSamples(const HeadProblem& head, const RecursionOptions& options, const Rng& rng, int threads)
      : head_(head), tree_(head, options.base) {
    const VisibleKeys keys(head);
    std::uint32_t stream = 0;
    for (const auto& nodes : tree_.levels) {
      std::vector<std::unique_ptr<SampledKeys>> packed(nodes.size());
      parallel_for(threads, static_cast<std::int64_t>(nodes.size()), [&](std::int64_t i) {
        const auto at = static_cast<std::size_t>(i);
        packed[at] = draw(head, keys.inside(nodes[at].keys), options.num_samples, rng,
                          stream + static_cast<std::uint32_t>(i));
      });
      stream += static_cast<std::uint32_t>(nodes.size());
      samples_.push_back(std::move(packed));
    }
  }

  void add_runs(const IndexList& rows, RunList& runs) const override {
    for (std::size_t level = 0; level < tree_.levels.size(); ++level) {
      const std::span<const CausalNode> all = tree_.levels[level];
      for (const CausalNode& node : nodes_of(all, rows)) {
        const auto& sample = samples_[level][static_cast<std::size_t>(&node - all.data())];
        if (sample == nullptr) continue;  // padding alone
        KeyRun run = sample->run(0);
        run.rows = rows_seeing(node, rows);
        if (!run.rows.empty()) runs.add(run);
      }
    }
  }

 private:
  // The rows of the node that see some of its keys: a window hides them all from its last rows,
  // which the sample then says nothing about.
  Range rows_seeing(const CausalNode& node, const IndexList& rows) const {
    Range part = rows_in(node, rows);
    while (!part.empty() && head_.visible(rows[part.end - 1]).begin >= node.keys.end) --part.end;
    return part;
  }

  static std::unique_ptr<SampledKeys> draw(const HeadProblem& head, const IndexList& keys,
                                           std::int64_t num_samples, const Rng& rng,
                                           std::uint32_t stream) {
    const std::int64_t n = keys.count, m = std::min(num_samples, n);
    if (n == 0) return nullptr;
    std::vector<std::int32_t> sample = sample_without_replacement(n, m, rng, stream);
    for (std::int32_t& key : sample) key = static_cast<std::int32_t>(keys[key]);
    const double weight = static_cast<double>(n) / static_cast<double>(m);
    return std::make_unique<SampledKeys>(head, std::move(sample), weight, 1.0 - 1.0 / weight);
  }

  const HeadProblem& head_;
  CausalTree tree_;
  std::vector<std::vector<std::unique_ptr<SampledKeys>>> samples_;  // level, node
};

class TreeSamplesRule final : public LightRule {
 public:
  explicit TreeSamplesRule(const RecursionOptions& options) : options_(options) {}

  LightPart prepare(const HeadProblem& head, const EntrySets&, const Rng& rng,
                    int threads) const override {
    return {.row_order = RowOrder::positions,
            .sampler = std::make_shared<TreeSamples>(head, options_, rng, threads)};
  }

 private:
  RecursionOptions options_;
};

}  // namespace

RecursionOptions read_recursion_options(const SpecPart& spec) {
  SpecReader reader(spec);
  RecursionOptions options;
  options.block = reader.integer("block", options.block, 1, 1 << 20);
  options.num_samples = reader.integer("m", options.num_samples, 1, 1 << 20);
  options.base = reader.integer("base", options.base, 16, 1 << 20);
  options.hash.bits = reader.integer("bits", options.hash.bits, 1, 24);
  options.hash.center = reader.boolean("center", options.hash.center);
  options.hash.norm = reader.boolean("norm", options.hash.norm);
  options.strict = reader.boolean("strict", options.strict);
  reader.finish();
  return options;
}

std::string recursion_path(const SpecPart& spec) {
  return read_recursion_options(spec).strict ? spec.name : spec.name + ":published";
}

std::shared_ptr<const HeavyRule> make_recursion_blocks(const RecursionOptions& options) {
  return std::make_shared<TreeRule>(options);
}

std::shared_ptr<const LightRule> make_recursion_samples(const RecursionOptions& options) {
  return std::make_shared<TreeSamplesRule>(options);
}

}  // namespace subquad
