#include "methods/recursion.h"

#include <algorithm>
#include <utility>

#include "core/threads.h"
#include "heavy/sort_lsh/block_set.h"
#include "methods/causal_tree.h"
#include "index/hash_head.h"
#include "light/sampled/sampled_keys.h"
#include "core/sampling.h"

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

std::span<const std::uint32_t> part_of(const Scratch<std::uint32_t>& codes, const Range& range) {
  return codes.span().subspan(static_cast<std::size_t>(range.begin),
                              static_cast<std::size_t>(range.end - range.begin));
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
    const HashBuckets buckets = hash_head(head, rng, 0, options_.hash, threads);
    sets.resize(1 + tree.levels.size());
    parallel_for(threads, static_cast<std::int64_t>(tree.levels.size()), [&](std::int64_t level) {
      auto set = std::make_unique<BlockSet>(head, options_.block);
      for (const CausalNode& node : tree.levels[static_cast<std::size_t>(level)])
        set->add(sort_by_bucket(part_of(buckets.rows, node.rows), node.rows.begin).span(),
                 sort_by_bucket(part_of(buckets.keys, node.keys), node.keys.begin).span());
      sets[static_cast<std::size_t>(level) + 1] = std::move(set);
    });
    return sets;
  }

 private:
  RecursionOptions options_;
};

// A sample for each node, shared by the node's rows.
class TreeSamples final : public Sampler {
 public:
  TreeSamples(const HeadProblem& head, const RecursionOptions& options, const Rng& rng, int threads)
      : head_(head), tree_(head, options.base) {
    std::uint32_t stream = 0;
    for (const auto& nodes : tree_.levels) {
      std::vector<std::unique_ptr<SampledKeys>> packed(nodes.size());
      parallel_for(threads, static_cast<std::int64_t>(nodes.size()), [&](std::int64_t i) {
        const auto at = static_cast<std::size_t>(i);
        packed[at] = draw(head, nodes[at].keys, options.num_samples, rng,
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
        KeyRun run = samples_[level][static_cast<std::size_t>(&node - all.data())]->run(0);
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

  static std::unique_ptr<SampledKeys> draw(const HeadProblem& head, const Range& keys,
                                           std::int64_t num_samples, const Rng& rng,
                                           std::uint32_t stream) {
    const std::int64_t n = keys.end - keys.begin, m = std::min(num_samples, n);
    std::vector<std::int32_t> sample = sample_without_replacement(n, m, rng, stream);
    for (std::int32_t& key : sample) key += static_cast<std::int32_t>(keys.begin);
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
  reader.finish();
  return options;
}

std::shared_ptr<const HeavyRule> make_recursion_blocks(const RecursionOptions& options) {
  return std::make_shared<TreeRule>(options);
}

std::shared_ptr<const LightRule> make_recursion_samples(const RecursionOptions& options) {
  return std::make_shared<TreeSamplesRule>(options);
}

}  // namespace subquad
