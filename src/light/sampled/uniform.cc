#include "light/sampled/uniform.h"

#include <algorithm>
#include <utility>

#include "core/sampling.h"

namespace subquad {
namespace {

class UniformSampler final : public Sampler {
 public:
  explicit UniformSampler(SampledKeys sample) : sample_(std::move(sample)) {}

  void add_runs(const IndexList& rows, RunList& runs) const override {
    runs.add(sample_.run(rows.count));
  }

 private:
  SampledKeys sample_;
};

class UniformRule final : public LightRule {
 public:
  UniformRule(std::int64_t num_samples, bool replace)
      : num_samples_(num_samples), replace_(replace) {}

  LightPart prepare(const HeadProblem& head, const EntrySets&, const Rng& rng, int) const override {
    if (head.num_keys == 0) return {};
    return {.sampler = std::make_shared<UniformSampler>(
                sample_uniformly(head, num_samples_, replace_, rng))};
  }

 private:
  std::int64_t num_samples_;
  bool replace_;
};

}  // namespace

SampledKeys sample_uniformly(const HeadProblem& head, std::int64_t num_samples, bool replace,
                             const Rng& rng) {
  const std::int64_t n = head.num_keys, m = replace ? num_samples : std::min(num_samples, n);
  const double weight = static_cast<double>(n) / static_cast<double>(m);
  // Without replacement the variance shrinks by the share of keys not drawn.
  const double correction = replace ? 1.0 : 1.0 - 1.0 / weight;
  return {head,
          replace ? sample_with_replacement(n, m, rng) : sample_without_replacement(n, m, rng),
          weight, correction};
}

std::unique_ptr<LightRule> make_uniform_rule(const SpecPart& spec) {
  SpecReader reader(spec);
  const std::int64_t num_samples = reader.integer("m", 256, 1, std::int64_t{1} << 30);
  const bool replace = reader.boolean("replace", false);
  reader.finish();
  return make_uniform(num_samples, replace);
}

std::unique_ptr<LightRule> make_uniform(std::int64_t num_samples, bool replace) {
  return std::make_unique<UniformRule>(num_samples, replace);
}

}  // namespace subquad
