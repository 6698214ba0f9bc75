#include "far/blocks/block_mean.h"

#include "far/blocks/block_mean_part.h"

namespace subquad {
namespace {

class BlockMeanRule final : public LightRule {
 public:
  explicit BlockMeanRule(std::int64_t block) : block_(block) {}

  LightPart prepare(const HeadProblem& head, const EntrySets&, const Rng&,
                    int threads) const override {
    if (head.num_keys == 0) return {};
    const auto part = std::make_shared<BlockMeanPart>(head, block_, threads);
    return {.row_order = head.has_band() ? RowOrder::positions : RowOrder::any,
            .sampler = part,
            .model = part,
            .budget = part};
  }

 private:
  std::int64_t block_;
};

}  // namespace

std::unique_ptr<LightRule> make_block_mean_rule(const SpecPart& spec) {
  SpecReader reader(spec);
  const std::int64_t block = reader.integer("block", 64, 1, 1 << 20);
  reader.finish();
  return std::make_unique<BlockMeanRule>(block);
}

}  // namespace subquad
