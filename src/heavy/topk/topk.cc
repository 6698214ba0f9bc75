#include "heavy/topk/topk.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "rows/attend_tile.h"
#include "heavy/topk/cluster_candidates.h"
#include "heavy/topk/kept_list_set.h"
#include "heavy/topk/lsh_candidates.h"
#include "heavy/topk/marked_set.h"
#include "heavy/topk/topk_select.h"

namespace subquad {
namespace {

// Up to one key in so many, lists are smaller and faster than bits (docs/guide/topk.md).
constexpr std::int64_t kListShare = 16;

// Every key: no row sees more than k.
class AllKeysSet final : public HeavySet {
 public:
  explicit AllKeysSet(const HeadProblem& head) : head_(head) {}

  void add_runs(const IndexList& rows, std::int64_t, RunList& runs) const override {
    runs.add({.rows = {0, rows.count}, .keys = index_range(0, head_.num_keys)});
  }
  void remove(const IndexList& rows, const IndexList& keys, float* scores, std::int64_t stride,
              FilterScratch&) const override {
    for (std::int64_t r = 0; r < rows.count; ++r)
      std::fill_n(scores + r * stride, keys.count, -std::numeric_limits<float>::infinity());
  }

 private:
  const HeadProblem& head_;
};

std::unique_ptr<HeavySet> find_all(const HeadProblem& head, std::int64_t k, int threads) {
  std::vector<KeyTile> tiles;
  if (head.num_rows() > kMaxStreamedRows) tiles = pack_keys(head, threads);
  if (k <= head.num_keys / kListShare)
    return std::make_unique<KeptListSet>(head, select_lists(head, k, tiles, threads));
  KeptBits kept = select_bits(head, k, tiles, threads);
  return std::make_unique<MarkedSet>(head, std::move(kept), std::move(tiles));
}

// Through which keys each row looks for its k best.
struct TopkSearch {
  std::int64_t k;
  std::optional<LshOptions> lsh;
  std::optional<ClusterOptions> clusters;  // with neither: all keys
  std::int64_t recall_rows = 0;
};

class TopkRule final : public HeavyRule {
 public:
  explicit TopkRule(const TopkSearch& search) : search_(search) {}

  std::vector<std::unique_ptr<HeavySet>> find(const HeadProblem& head, const Rng& rng,
                                              int threads) const override {
    std::vector<std::unique_ptr<HeavySet>> sets;
    if (head.num_keys > 0 && head.num_rows() > 0) sets.push_back(find_set(head, rng, threads));
    return sets;
  }
  // An index has a key that some row sees for all.
  Strict strictness() const override {
    return search_.lsh || search_.clusters ? Strict::bands : Strict::always;
  }

 private:
  std::unique_ptr<HeavySet> find_set(const HeadProblem& head, const Rng& rng, int threads) const {
    const std::int64_t k = search_.k;
    if (k >= head.num_keys) return std::make_unique<AllKeysSet>(head);
    if (!search_.lsh && !search_.clusters) return find_all(head, k, threads);
    KeptLists kept = search_.lsh ? search_lsh(head, k, *search_.lsh, rng, threads)
                                 : search_clusters(head, k, *search_.clusters, rng, threads);
    return std::make_unique<KeptListSet>(head, std::move(kept),
                                         RecallSample{k, search_.recall_rows, rng});
  }

  TopkSearch search_;
};

LshOptions read_lsh(SpecReader& reader) {
  LshOptions lsh;
  lsh.tables = reader.integer("tables", lsh.tables, 1, 256);
  lsh.bits = reader.integer("bits", lsh.bits, 0, 24);
  lsh.probes = reader.integer("probes", lsh.probes, 0, 24);
  lsh.center = reader.boolean("center", lsh.center);
  lsh.norm = reader.boolean("norm", lsh.norm);
  lsh.strict = reader.boolean("strict", lsh.strict);
  return lsh;
}

ClusterOptions read_clusters(SpecReader& reader) {
  ClusterOptions options;
  options.clusters = reader.integer("clusters", options.clusters, 0, 1 << 16);
  options.probes = reader.integer("probes", options.probes, 0, 1 << 16);
  options.clustering = static_cast<Clustering>(reader.choice(
      "cluster", static_cast<std::size_t>(options.clustering), {"tree", "kmeans", "lsh"}));
  options.strict = reader.boolean("strict", options.strict);
  return options;
}

TopkSearch read_search(const SpecPart& spec) {
  SpecReader reader(spec);
  TopkSearch search{reader.integer("k", 100, 1, std::int64_t{1} << 30), {}, {}};
  const std::size_t candidates = reader.choice("candidates", 0, {"all", "lsh", "clusters"});
  const bool all = reader.describing();
  if (candidates == 1 || all) search.lsh = read_lsh(reader);
  if (candidates == 2 || all) search.clusters = read_clusters(reader);
  if (candidates > 0 || all) search.recall_rows = reader.integer("recall_rows", 64, 0, 1 << 20);
  reader.finish();
  return search;
}

}  // namespace

std::unique_ptr<HeavyRule> make_topk_rule(const SpecPart& spec) {
  return std::make_unique<TopkRule>(read_search(spec));
}

std::string topk_path(const SpecPart& spec) {
  const TopkSearch search = read_search(spec);
  if (!search.lsh && !search.clusters) return spec.name;
  const bool strict = search.lsh ? search.lsh->strict : search.clusters->strict;
  return spec.name + (search.lsh ? ":lsh" : ":clusters") + (strict ? "" : ":published");
}

}  // namespace subquad
