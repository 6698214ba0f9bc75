#include "light/linear/linear.h"

#include "light/linear/linear_part.h"
#include "subquad/error.h"

namespace subquad {
namespace {

void check_masks(const Problem& problem) {
  if (problem.mask.kind != MaskKind::none)
    throw_invalid(
        "mask: linear sums all keys and cannot see an element mask; use exact, a sampled part "
        "(uniform, prefix), or the causal option");
  if (problem.window.left >= 0 || problem.window.right >= 0)
    throw_invalid("window: linear takes no sliding window; use exact, or window(..) alone");
}

class LinearRule final : public LightRule {
 public:
  explicit LinearRule(FeatureMap map) : map_(map) {}

  LightPart prepare(const HeadProblem& head, const EntrySets& heavy, const Rng&,
                    int threads) const override {
    check_masks(*head.problem);
    if (head.num_keys == 0 || head.num_rows() == 0) return {};
    const LinearModel model = linear_model(map_, resolved_scale(*head.problem), head.head_dim());
    const bool any = head.problem->causal == Causal::none;
    return {.row_order = any ? RowOrder::any : RowOrder::positions,
            .model = std::make_shared<LinearPart>(head, model, heavy.empty(), threads)};
  }

 private:
  FeatureMap map_;
};

}  // namespace

std::unique_ptr<LightRule> make_linear_rule(const SpecPart& spec) {
  SpecReader reader(spec);
  const std::size_t map = reader.choice("map", 0, {"none", "elu", "relu"});
  reader.finish();
  return std::make_unique<LinearRule>(static_cast<FeatureMap>(map));
}

}  // namespace subquad
