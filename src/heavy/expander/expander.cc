#include "heavy/expander/expander.h"

#include "heavy/expander/expander_sketch.h"
#include "parts/row_list_set.h"
#include "rows/visible_keys.h"

namespace subquad {
namespace {

// Without the entries that the problem hides: they take no place in a row's list.
RowLists visible_entries(const HeadProblem& head, const RowLists& lists) {
  if (!head.has_band() && head.problem->mask.kind == MaskKind::none) return lists;
  RowLists kept;
  for (std::int64_t row = 0; row < lists.num_rows(); ++row) {
    for (const std::int32_t key : lists.row(row))
      if (sees(head, row, key)) kept.keys.push_back(key);
    kept.offsets.push_back(kept.num_entries());
  }
  return kept;
}

class ExpanderRule final : public HeavyRule {
 public:
  explicit ExpanderRule(const ExpanderOptions& options) : options_(options) {}

  std::vector<std::unique_ptr<HeavySet>> find(const HeadProblem& head, const Rng& rng,
                                              int threads) const override {
    std::vector<std::unique_ptr<HeavySet>> sets;
    sets.push_back(std::make_unique<RowListSet>(
        head, visible_entries(head, find_heavy_hitters(head, options_, rng, threads)),
        ListLayout{.block_step = head.group, .head_step = 1}));
    return sets;
  }
  Work work(const HeadProblem& head) const override {
    return {search_steps(head, options_), "a smaller tau, width or repetitions, or mode=leverage"};
  }
  // Later queries move the columns' sums.
  Strict strictness() const override { return Strict::no; }

 private:
  ExpanderOptions options_;
};

}  // namespace

std::unique_ptr<HeavyRule> make_expander_rule(const SpecPart& spec) {
  SpecReader reader(spec);
  const ExpanderOptions options = make_expander_options(reader);
  reader.finish();
  return std::make_unique<ExpanderRule>(options);
}

}  // namespace subquad
