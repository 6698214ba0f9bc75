#include "light/sampled/prefix.h"

#include <cmath>
#include <numeric>

#include "rows/visible_keys.h"

namespace subquad {
namespace {

class PrefixSampler final : public Sampler {
 public:
  PrefixSampler(const HeadProblem& head, std::int64_t num_samples, const Rng& rng)
      : head_(head), keys_(head), num_samples_(num_samples), rng_(rng) {}

  void add_runs(const IndexList& rows, RunList& runs) const override {
    const IndexList seen = head_.has_band()
                               ? keys_.inside(head_.visible(rows.first, rows.first + rows.count))
                               : keys_.all();
    const std::int64_t length = seen.count;
    if (length <= num_samples_) {
      runs.add({.rows = {0, rows.count}, .keys = seen});
      return;
    }
    const double weight = static_cast<double>(length) / static_cast<double>(num_samples_);
    std::vector<std::int32_t>& ids = runs.new_ids();
    draw(seen, rows[0], ids);
    std::vector<float>& bias = runs.new_bias();
    bias.assign(ids.size(), static_cast<float>(std::log2(weight)));
    runs.add({.rows = {0, rows.count},
              .keys = {ids.data(), 0, num_samples_, true},
              .bias = bias.data(),
              .sample = {num_samples_, correction(length)}});
  }

 private:
  // Of the variance, against draws with replacement: one less the chance that two draws from a
  // stratum agree, averaged over the strata. Whole keys have 1 / weight of a stratum; the two parts
  // u and 1 - u of a key that a boundary cuts agree less often, by 2 u (1 - u) / weight^2, and u is
  // uniform on the multiples of gcd(m, length) / m.
  double correction(std::int64_t length) const {
    const double weight = static_cast<double>(length) / static_cast<double>(num_samples_);
    const double steps = static_cast<double>(num_samples_ / std::gcd(num_samples_, length));
    const double cut = (1.0 - 1.0 / (steps * steps)) / 3.0;
    return 1.0 - 1.0 / weight + cut / (weight * weight);
  }

  // One key from each of m equal strata, which need not begin at whole keys: key j is drawn
  // m / length times on average. Ascending.
  void draw(const IndexList& seen, std::int64_t first_row, std::vector<std::int32_t>& ids) const {
    const auto length = static_cast<unsigned __int128>(seen.count);
    for (std::int64_t s = 0; s < num_samples_; ++s) {
      const auto offset = rng_.bits(Purpose::sample, static_cast<std::uint32_t>(first_row),
                                    static_cast<std::uint32_t>(s));
      // floor((s + offset / 2^64) length / m)
      const unsigned __int128 place = (static_cast<unsigned __int128>(s) << 64 | offset) /
                                      static_cast<unsigned __int128>(num_samples_);
      ids.push_back(
          static_cast<std::int32_t>(seen[static_cast<std::int64_t>((place * length) >> 64)]));
    }
  }

  const HeadProblem& head_;
  VisibleKeys keys_;
  std::int64_t num_samples_;
  Rng rng_;
};

class PrefixRule final : public LightRule {
 public:
  explicit PrefixRule(std::int64_t num_samples) : num_samples_(num_samples) {}

  LightPart prepare(const HeadProblem& head, const EntrySets&, const Rng& rng, int) const override {
    if (head.num_keys == 0) return {};
    // Without a band all rows see all keys: any group of rows may share a sample.
    return {.row_order = head.has_band() ? RowOrder::positions : RowOrder::any,
            .sampler = std::make_shared<PrefixSampler>(head, num_samples_, rng)};
  }

 private:
  std::int64_t num_samples_;
};

}  // namespace

std::unique_ptr<LightRule> make_prefix_rule(const SpecPart& spec) {
  SpecReader reader(spec);
  const std::int64_t num_samples = reader.integer("m", 256, 1, 1 << 20);
  reader.finish();
  return make_prefix(num_samples);
}

std::unique_ptr<LightRule> make_prefix(std::int64_t num_samples) {
  return std::make_unique<PrefixRule>(num_samples);
}

}  // namespace subquad
