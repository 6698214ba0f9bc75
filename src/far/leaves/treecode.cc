#include "far/leaves/treecode.h"

#include <fmt/format.h>

#include "far/leaves/treecode_part.h"
#include "subquad/error.h"

namespace subquad {
namespace {

class TreecodeRule final : public LightRule {
 public:
  explicit TreecodeRule(const TreecodeOptions& options) : options_(options) {}

  LightPart prepare(const HeadProblem& head, const EntrySets& heavy, const Rng& rng,
                    int threads) const override {
    const auto part = std::make_shared<Treecode>(head, options_, heavy, rng, threads);
    return {RowOrder::positions, part, part, part, part->shared_errors()};
  }
  double shared_error() const override { return options_.target.error * options_.target.margin; }

 private:
  TreecodeOptions options_;
};

void check(const SpecPart& spec, const LeafShape& shape) {
  if (shape.leaf % 8 != 0)
    throw_invalid(
        fmt::format("spec part '{}': leaf = {} is not a multiple of 8", to_text(spec), shape.leaf));
  if (shape.chunk % shape.leaf != 0)
    throw_invalid(fmt::format("spec part '{}': chunk = {} is not a multiple of leaf = {}",
                              to_text(spec), shape.chunk, shape.leaf));
}

}  // namespace

std::unique_ptr<LightRule> make_treecode(const TreecodeOptions& options) {
  return std::make_unique<TreecodeRule>(options);
}

std::unique_ptr<LightRule> make_treecode_rule(const SpecPart& spec) {
  SpecReader reader(spec);
  TreecodeOptions o;
  o.target.error = reader.number("error", 0.03, 1e-4, 1);
  o.shape.leaf = reader.integer("leaf", 32, 8, 256);
  o.shape.chunk = reader.integer("chunk", 512, 64, 1 << 16);
  o.window = reader.integer("window", 128, 0, 1 << 20);
  o.probe_every = reader.integer("probe_every", 96, 1, 1 << 16);
  o.target.margin = reader.number("margin", 0.8, 0.01, 10);
  o.target.most = reader.number("most", 0.9, 0, 100);
  o.target.always = reader.boolean("always", false);
  reader.finish();
  check(spec, o.shape);
  return make_treecode(o);
}

}  // namespace subquad
