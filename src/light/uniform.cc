#include "light/uniform.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_set>
#include <utility>

namespace subquad {
namespace {

std::vector<std::int32_t> sample_with_replacement(std::int64_t n, std::int64_t m, const Rng& rng) {
  std::vector<std::int32_t> sample(static_cast<std::size_t>(m));
  for (std::size_t i = 0; i < sample.size(); ++i)
    sample[i] =
        static_cast<std::int32_t>(rng.below(n, Purpose::sample, 0, static_cast<std::uint32_t>(i)));
  std::sort(sample.begin(), sample.end());
  return sample;
}

class UniformPart final : public LightPart {
 public:
  explicit UniformPart(SampledKeys sample) : sample_(std::move(sample)) {}

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

  std::unique_ptr<LightPart> prepare(const HeadProblem& head, const Rng& rng, int) const override {
    if (head.num_keys == 0) return nullptr;
    return std::make_unique<UniformPart>(sample_uniformly(head, num_samples_, replace_, rng));
  }

 private:
  std::int64_t num_samples_;
  bool replace_;
};

}  // namespace

template <typename Position>
std::vector<Position> sample_without_replacement(std::int64_t n, std::int64_t m, const Rng& rng,
                                                 std::uint32_t stream, Purpose purpose) {
  std::vector<Position> sample;
  if (m >= n) {
    sample.resize(static_cast<std::size_t>(n));
    std::iota(sample.begin(), sample.end(), Position{0});
    return sample;
  }
  std::unordered_set<std::int64_t> chosen;
  for (std::int64_t last = n - m; last < n; ++last) {
    const auto draw = static_cast<std::uint32_t>(last - (n - m));
    const std::int64_t pick = rng.below(last + 1, purpose, stream, draw);
    chosen.insert(chosen.contains(pick) ? last : pick);
  }
  for (const std::int64_t position : chosen) sample.push_back(static_cast<Position>(position));
  std::sort(sample.begin(), sample.end());
  return sample;
}

template std::vector<std::int32_t> sample_without_replacement(std::int64_t, std::int64_t,
                                                              const Rng&, std::uint32_t, Purpose);
template std::vector<std::int64_t> sample_without_replacement(std::int64_t, std::int64_t,
                                                              const Rng&, std::uint32_t, Purpose);

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
  return std::make_unique<UniformRule>(num_samples, replace);
}

}  // namespace subquad
