#include "light/sampled/row_norm.h"

#include <cmath>
#include <utility>

#include "light/sampled/row_norm_sample.h"
#include "light/sampled/uniform.h"

namespace subquad {
namespace {

class RowNormSampler final : public Sampler {
 public:
  RowNormSampler(SampledValues values, SampledKeys keys)
      : values_(std::move(values)), keys_(std::move(keys)) {}

  void add_runs(const IndexList& rows, RunList& runs) const override {
    values_.add_runs(rows.count, false, runs);
    KeyRun weights = keys_.run(rows.count);
    weights.sums = Sums::weights;
    runs.add(weights);
  }

 private:
  SampledValues values_;
  SampledKeys keys_;
};

class RowNormRule final : public LightRule {
 public:
  RowNormRule(std::int64_t value_samples, std::int64_t weight_samples, bool replace)
      : value_samples_(value_samples), weight_samples_(weight_samples), replace_(replace) {}

  LightPart prepare(const HeadProblem& head, const EntrySets&, const Rng& rng,
                    int threads) const override {
    if (head.num_keys == 0) return {};
    return {.sampler = std::make_shared<RowNormSampler>(
                SampledValues(head, value_samples_, replace_, rng, threads),
                sample_uniformly(head, weight_samples_, replace_, rng))};
  }

 private:
  std::int64_t value_samples_, weight_samples_;
  bool replace_;
};

}  // namespace

SampledValues::SampledValues(const HeadProblem& head, std::int64_t num_samples, bool replace,
                             const Rng& rng, int threads) {
  const std::vector<double> norms = squared_row_norms(head.values(), threads);
  const RowNormSample sample = sample_by_row_norm(norms, num_samples, replace, rng);
  const auto count = static_cast<std::int64_t>(sample.keys.size());
  const auto add_part = [&](std::int64_t begin, std::int64_t end, const SampleDraw& draw) {
    if (begin == end) return;
    std::vector<std::int32_t> keys(sample.keys.begin() + begin, sample.keys.begin() + end);
    std::vector<float> bias;
    for (std::int64_t i = begin; i < end; ++i)
      bias.push_back(static_cast<float>(std::log2(sample.weights[static_cast<std::size_t>(i)])));
    parts_.emplace_back(head, std::move(keys), std::move(bias), draw);
  };
  add_part(0, sample.certain, {});
  add_part(sample.certain, count, {count - sample.certain, sample.correction});
}

void SampledValues::add_runs(std::int64_t count, bool with_heavy, RunList& runs) const {
  for (const SampledKeys& part : parts_) {
    KeyRun run = part.run(count);
    run.sums = Sums::values;
    run.with_heavy = with_heavy;
    runs.add(run);
  }
}

std::unique_ptr<LightRule> make_row_norm_rule(const SpecPart& spec) {
  SpecReader reader(spec);
  const std::int64_t values = reader.integer("m", 256, 1, std::int64_t{1} << 30);
  const std::int64_t weights = reader.integer("d", 256, 1, std::int64_t{1} << 30);
  const bool replace = reader.boolean("replace", false);
  reader.finish();
  return std::make_unique<RowNormRule>(values, weights, replace);
}

}  // namespace subquad
