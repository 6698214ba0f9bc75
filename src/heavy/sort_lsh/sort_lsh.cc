#include "heavy/sort_lsh/sort_lsh.h"

#include "heavy/sort_lsh/block_set.h"

namespace subquad {
namespace {

class SortLshRule final : public HeavyRule {
 public:
  explicit SortLshRule(const SortLshOptions& options) : options_(options) {}

  std::vector<std::unique_ptr<HeavySet>> find(const HeadProblem& head, const Rng& rng,
                                              int threads) const override {
    std::vector<std::unique_ptr<HeavySet>> sets;
    if (head.num_keys == 0) return sets;
    for (std::int64_t round = 0; round < options_.rounds; ++round) {
      const HashBuckets buckets = hash_head(head, rng, round, options_.hash, threads);
      auto set = std::make_unique<BlockSet>(head, options_.block, options_.neighbors);
      set->add(sort_by_bucket(buckets.rows.span(), 0).span(),
               sort_by_bucket(buckets.keys.span(), 0).span());
      sets.push_back(std::move(set));
    }
    return sets;
  }

 private:
  SortLshOptions options_;
};

}  // namespace

std::unique_ptr<HeavyRule> make_sort_lsh_rule(const SpecPart& spec) {
  SpecReader reader(spec);
  SortLshOptions o;
  o.block = reader.integer("block", o.block, 1, 1 << 20);
  o.hash.bits = reader.integer("bits", o.hash.bits, 1, 24);
  o.rounds = reader.integer("rounds", o.rounds, 1, 64);
  o.hash.center = reader.boolean("center", o.hash.center);
  o.hash.norm = reader.boolean("norm", o.hash.norm);
  o.neighbors = reader.integer("neighbors", o.neighbors, 0, 64);
  reader.finish();
  return make_sort_lsh(o);
}

std::unique_ptr<HeavyRule> make_sort_lsh(const SortLshOptions& options) {
  return std::make_unique<SortLshRule>(options);
}

}  // namespace subquad
