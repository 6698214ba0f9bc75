#include "heavy/lsh_tables/lsh_tables.h"

#include <optional>
#include <utility>

#include "heavy/lsh_tables/heavy_search.h"
#include "heavy/lsh_tables/heavy_recall.h"
#include "parts/row_list_set.h"

namespace subquad {
namespace {

// Rows with a list of their own, and how many keys the lists should hold.
class LshTablesSet final : public HeavySet {
 public:
  LshTablesSet(const HeadProblem& head, RowLists lists, const LshTablesOptions& options,
               const Rng& rng)
      : head_(head),
        lists_(std::move(lists)),
        set_(head, lists_.offsets, lists_.keys, {.block_step = head.group, .head_step = 1}),
        options_(options),
        rng_(rng) {}

  void add_runs(const IndexList& rows, std::int64_t group, RunList& runs) const override {
    set_.add_runs(rows, group, runs);
  }
  bool may_meet(const IndexList& rows, const IndexList& keys) const override {
    return set_.may_meet(rows, keys);
  }
  void remove(const IndexList& rows, const IndexList& keys, float* scores, std::int64_t stride,
              FilterScratch& scratch) const override {
    set_.remove(rows, keys, scores, stride, scratch);
  }
  SearchRecall recall(int threads) const override {
    return measure_heavy_recall(head_, lists_, options_, rng_, threads);
  }

 private:
  const HeadProblem& head_;
  RowLists lists_;
  RowListSet set_;
  LshTablesOptions options_;
  Rng rng_;
};

class LshTablesRule final : public HeavyRule {
 public:
  explicit LshTablesRule(const LshTablesOptions& options) : options_(options) {}

  std::vector<std::unique_ptr<HeavySet>> find(const HeadProblem& head, const Rng& rng,
                                              int threads) const override {
    std::vector<std::unique_ptr<HeavySet>> sets;
    if (head.num_keys > 0 && head.num_rows() > 0)
      sets.push_back(std::make_unique<LshTablesSet>(head, find_heavy(head, options_, rng, threads),
                                                    options_, rng));
    return sets;
  }
  // Tables have a key that some row sees for all.
  Strict strictness() const override { return Strict::bands; }

 private:
  LshTablesOptions options_;
};

LshTablesOptions read_options(const SpecPart& spec) {
  SpecReader reader(spec);
  LshTablesOptions options;
  options.recall = reader.number("recall", options.recall, 0.01, 1);
  options.alpha = reader.number("alpha", options.alpha, 0, 1e4);
  options.recall_rows = reader.integer("recall_rows", options.recall_rows, 0, 1 << 20);
  options.strict = reader.boolean("strict", options.strict);
  reader.finish();
  return options;
}

}  // namespace

std::unique_ptr<HeavyRule> make_lsh_tables(const LshTablesOptions& options) {
  return std::make_unique<LshTablesRule>(options);
}

std::unique_ptr<HeavyRule> make_lsh_tables_rule(const SpecPart& spec) {
  return make_lsh_tables(read_options(spec));
}

std::string lsh_tables_path(const SpecPart& spec) {
  return spec.name + (read_options(spec).strict ? "" : ":published");
}

}  // namespace subquad
