#include "heavy/sort_lsh.h"

#include <algorithm>

#include "kernels/filter.h"

namespace subquad {
namespace {

// One round: block b of the sorted rows meets block b of the sorted keys.
class BlockSet final : public HeavySet {
 public:
  BlockSet(const HeadProblem& head, const HashBuckets& buckets, std::int64_t block)
      : head_(head),
        blocks_((head.num_keys + block - 1) / block),
        row_order_(sort_by_bucket(buckets.rows)),
        key_order_(sort_by_bucket(buckets.keys)),
        row_block_(block_labels(row_order_)),
        key_block_(block_labels(key_order_)) {
    const std::int64_t largest = row_block_size(head.head_dim(), head.value_dim());
    for (std::int64_t b = 0; b < blocks_; ++b) {
      const Range rows = block_range(row_order_, b);
      for (std::int64_t begin = rows.begin; begin < rows.end; begin += largest) {
        groups_.push_back({row_order_.data() + begin, 0, std::min(largest, rows.end - begin)});
        block_of_group_.push_back(b);
      }
    }
  }

  std::span<const IndexList> row_groups() const override { return groups_; }

  void add_to(RowBlock& rows, std::int64_t group, const EntrySets& taken,
              TileScratch& scratch) const override {
    const Range keys = block_range(key_order_, block_of_group_[static_cast<std::size_t>(group)]);
    attend_keys(head_, rows, {key_order_.data() + keys.begin, 0, keys.end - keys.begin}, taken,
                scratch);
  }

  void remove(const IndexList& rows, const IndexList& keys, float* scores, std::int64_t stride,
              FilterScratch& scratch) const override {
    const std::int32_t* labels = labels_of(keys, scratch);
    for (std::int64_t r = 0; r < rows.count; ++r)
      kernels::mask_equal(scores + r * stride, labels, keys.count, row_block_[rows[r]]);
  }

 private:
  // Ranks of block b: the blocks differ by at most one item, so none is ragged.
  Range block_range(const Scratch<std::int32_t>& order, std::int64_t b) const {
    const std::int64_t count = order.size();
    return {count * b / blocks_, count * (b + 1) / blocks_};
  }

  Scratch<std::int32_t> block_labels(const Scratch<std::int32_t>& order) const {
    Scratch<std::int32_t> labels(order.size());
    for (std::int64_t b = 0; b < blocks_; ++b) {
      const Range range = block_range(order, b);
      for (std::int64_t rank = range.begin; rank < range.end; ++rank)
        labels[order[rank]] = static_cast<std::int32_t>(b);
    }
    return labels;
  }

  const std::int32_t* labels_of(const IndexList& keys, FilterScratch& scratch) const {
    if (keys.contiguous()) return key_block_.data() + keys.first;
    scratch.labels.resize(static_cast<std::size_t>(keys.count));
    for (std::int64_t c = 0; c < keys.count; ++c)
      scratch.labels[static_cast<std::size_t>(c)] = key_block_[keys[c]];
    return scratch.labels.data();
  }

  const HeadProblem& head_;
  std::int64_t blocks_;
  Scratch<std::int32_t> row_order_, key_order_;
  Scratch<std::int32_t> row_block_, key_block_;  // block of each row and key
  std::vector<IndexList> groups_;
  std::vector<std::int64_t> block_of_group_;
};

class SortLshRule final : public HeavyRule {
 public:
  SortLshRule(std::int64_t block, std::int64_t bits, std::int64_t rounds, bool center)
      : block_(block), bits_(bits), rounds_(rounds), center_(center) {}

  std::vector<std::unique_ptr<HeavySet>> find(const HeadProblem& head, const Rng& rng,
                                              int threads) const override {
    std::vector<std::unique_ptr<HeavySet>> sets;
    if (head.num_keys == 0) return sets;
    for (std::int64_t round = 0; round < rounds_; ++round)
      sets.push_back(std::make_unique<BlockSet>(
          head, hash_head(head, rng, round, bits_, center_, threads), block_));
    return sets;
  }

 private:
  std::int64_t block_, bits_, rounds_;
  bool center_;
};

}  // namespace

std::unique_ptr<HeavyRule> make_sort_lsh_rule(const SpecPart& spec) {
  SpecReader reader(spec);
  const std::int64_t block = reader.integer("block", 256, 1, 1 << 20);
  const std::int64_t bits = reader.integer("bits", 8, 1, 24);
  const std::int64_t rounds = reader.integer("rounds", 1, 1, 64);
  const bool center = reader.boolean("center", true);
  reader.finish();
  return std::make_unique<SortLshRule>(block, bits, rounds, center);
}

}  // namespace subquad
