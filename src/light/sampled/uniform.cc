#include "light/sampled/uniform.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "core/sampling.h"
#include "rows/visible_keys.h"

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
    const VisibleKeys keys(head);
    if (keys.count() == 0) return {};
    return {.sampler = std::make_shared<UniformSampler>(
                sample_uniformly(head, keys.all(), num_samples_, replace_, rng))};
  }

 private:
  std::int64_t num_samples_;
  bool replace_;
};

// Keys that were drawn counts[j] times in m draws of weight n / m.
SampledKeys counted_sample(const HeadProblem& head, const IndexList& keys,
                           const std::vector<std::int64_t>& counts, std::int64_t m) {
  const double weight = static_cast<double>(keys.count) / static_cast<double>(m);
  std::vector<std::int32_t> drawn;
  std::vector<float> bias, times;
  for (std::int64_t j = 0; j < keys.count; ++j) {
    const auto count = static_cast<double>(counts[static_cast<std::size_t>(j)]);
    if (count == 0) continue;
    drawn.push_back(static_cast<std::int32_t>(keys[j]));
    bias.push_back(static_cast<float>(std::log2(weight * count)));
    times.push_back(static_cast<float>(count));
  }
  return {head, std::move(drawn), std::move(bias), {m, 1.0}, std::move(times)};
}

}  // namespace

std::vector<std::int64_t> uniform_counts(std::int64_t n, std::int64_t m, const Rng& rng) {
  constexpr std::uint32_t kCounts = 0xFFFFFFFFu;  // a stream of its own
  return multinomial_counts(std::vector<double>(static_cast<std::size_t>(n), 1.0), m, rng,
                            Purpose::sample, kCounts);
}

SampledKeys sample_uniformly(const HeadProblem& head, const IndexList& keys,
                             std::int64_t num_samples, bool replace, const Rng& rng) {
  const std::int64_t n = keys.count;
  if (replace && num_samples > n)
    return counted_sample(head, keys, uniform_counts(n, num_samples, rng), num_samples);
  const std::int64_t m = replace ? num_samples : std::min(num_samples, n);
  const double weight = static_cast<double>(n) / static_cast<double>(m);
  // Without replacement the variance shrinks by the share of keys not drawn.
  const double correction = replace ? 1.0 : 1.0 - 1.0 / weight;
  return {head,
          keys_at(keys, replace ? sample_with_replacement(n, m, rng)
                                : sample_without_replacement(n, m, rng)),
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
