#include "heavy/sort_lsh/sort_lsh.h"

#include "heavy/sort_lsh/block_set.h"
#include "index/hash_head.h"

namespace subquad {
namespace {

class SortLshRule final : public HeavyRule {
 public:
  SortLshRule(std::int64_t block, std::int64_t rounds, std::int64_t neighbors,
              const HashOptions& hash)
      : block_(block), rounds_(rounds), neighbors_(neighbors), hash_(hash) {}

  std::vector<std::unique_ptr<HeavySet>> find(const HeadProblem& head, const Rng& rng,
                                              int threads) const override {
    std::vector<std::unique_ptr<HeavySet>> sets;
    if (head.num_keys == 0) return sets;
    for (std::int64_t round = 0; round < rounds_; ++round) {
      const HashBuckets buckets = hash_head(head, rng, round, hash_, threads);
      auto set = std::make_unique<BlockSet>(head, block_, neighbors_);
      set->add(sort_by_bucket(buckets.rows.span(), 0).span(),
               sort_by_bucket(buckets.keys.span(), 0).span());
      sets.push_back(std::move(set));
    }
    return sets;
  }

 private:
  std::int64_t block_, rounds_, neighbors_;
  HashOptions hash_;
};

}  // namespace

std::unique_ptr<HeavyRule> make_sort_lsh_rule(const SpecPart& spec) {
  SpecReader reader(spec);
  const std::int64_t block = reader.integer("block", 256, 1, 1 << 20);
  HashOptions hash;
  hash.bits = reader.integer("bits", hash.bits, 1, 24);
  const std::int64_t rounds = reader.integer("rounds", 1, 1, 64);
  hash.center = reader.boolean("center", hash.center);
  hash.norm = reader.boolean("norm", hash.norm);
  const std::int64_t neighbors = reader.integer("neighbors", 0, 0, 64);
  reader.finish();
  return std::make_unique<SortLshRule>(block, rounds, neighbors, hash);
}

}  // namespace subquad
