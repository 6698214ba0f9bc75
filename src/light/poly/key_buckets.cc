#include "light/poly/key_buckets.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/memory.h"
#include "kernels/pack.h"
#include "rows/head_rows.h"

namespace subquad {
namespace {

constexpr double kLeastShare = 1e-3;  // of the largest norm: smaller ones are all alike

// Holds the keys outside a bucket, for HeldEntries alone.
class OtherKeys final : public EntrySet {
 public:
  explicit OtherKeys(std::vector<std::uint8_t> keys) : keys_(std::move(keys)) {}
  void remove(const IndexList&, const IndexList&, float*, std::int64_t,
              FilterScratch&) const override {}
  WholeEntries whole() const override { return {{}, keys_}; }

 private:
  std::vector<std::uint8_t> keys_;
};

double key_norm(const HeadProblem& head, std::int64_t key, float* row) {
  kernels::load_rows(select_rows(head.keys(), index_range(key, key + 1)), 1.0f, row,
                     head.head_dim(), head.head_dim());
  double sum = 0;
  for (std::int64_t c = 0; c < head.head_dim(); ++c) sum += double{row[c]} * double{row[c]};
  return std::sqrt(sum);
}

// The bucket of each held key, in their order.
std::vector<std::int64_t> places(const HeadProblem& head, const IndexList& keys,
                                 std::int64_t buckets) {
  Scratch<float> row(head.head_dim());
  std::vector<double> norms;
  double largest = 0;
  for (std::int64_t i = 0; i < keys.count; ++i) {
    norms.push_back(key_norm(head, keys[i], row.data()));
    if (std::isfinite(norms.back())) largest = std::max(largest, norms.back());
  }
  double least = largest;
  for (const double norm : norms) least = std::min(least, std::max(norm, kLeastShare * largest));
  const double step = std::log(largest / least) / static_cast<double>(buckets);
  std::vector<std::int64_t> places;
  for (const double norm : norms) {
    const double place = step > 0 && norm < largest ? std::log(largest / norm) / step : 0;
    places.push_back(static_cast<std::int64_t>(std::min(place, static_cast<double>(buckets - 1))));
  }
  return places;
}

// |scale| max |q| max |k| over the entries that are held.
double largest_bound(const HeadProblem& head, const HeldEntries& held) {
  const std::int64_t dim = head.head_dim();
  Scratch<float> row(dim);
  double key = 0, query = 0;
  for (std::int64_t i = 0; i < held.keys().count; ++i)
    key = std::max(key, key_norm(head, held.keys()[i], row.data()));
  for (std::int64_t i = 0; i < head.num_rows(); ++i) {
    if (!held.holds_row(i)) continue;
    load_head_rows(head, head.problem->query, index_range(i, i + 1), 1.0f, row.data(), dim);
    double sum = 0;
    for (std::int64_t c = 0; c < dim; ++c) sum += double{row[c]} * double{row[c]};
    query = std::max(query, std::sqrt(sum));
  }
  return std::fabs(double{resolved_scale(*head.problem)}) * key * query;
}

// The smallest degree that keeps all rows' errors, at most the one given.
PolyOptions with_own_degree(PolyOptions options, double bound) {
  if (options.error <= 0 || bound > kMostBound || bound <= 0) return options;
  const std::int64_t degree = degree_for(options.fit, options.error, bound);
  options.degree = std::clamp<std::int64_t>(degree, 1, options.degree);
  return options;
}

}  // namespace

std::vector<KeyBucket> make_buckets(const HeadProblem& head, const EntrySets& heavy,
                                    const PolyOptions& options, int threads) {
  std::vector<KeyBucket> buckets;
  const HeldEntries held(head, heavy, options.chunk);
  const IndexList keys = held.keys();
  const std::vector<std::int64_t> at =
      options.buckets > 1 ? places(head, keys, options.buckets) : std::vector<std::int64_t>{};
  for (std::int64_t b = 0; options.buckets > 1 && b < options.buckets; ++b) {
    std::vector<std::uint8_t> others(static_cast<std::size_t>(head.num_keys), 1);
    for (std::int64_t i = 0; i < keys.count; ++i)
      if (at[static_cast<std::size_t>(i)] == b) others[static_cast<std::size_t>(keys[i])] = 0;
    if (std::find(others.begin(), others.end(), std::uint8_t{0}) == others.end()) continue;
    auto set = std::make_unique<OtherKeys>(std::move(others));
    EntrySets sets = heavy;
    sets.push_back(set.get());
    const PolyOptions own =
        with_own_degree(options, largest_bound(head, HeldEntries(head, sets, options.chunk)));
    auto model = std::make_unique<PolyModel>(head, sets, own, threads);
    buckets.push_back({std::move(set), std::move(model)});
  }
  if (buckets.empty())
    buckets.push_back({nullptr, std::make_unique<PolyModel>(head, heavy, options, threads)});
  return buckets;
}

}  // namespace subquad
