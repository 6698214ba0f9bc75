#include "kernel_sums/kmv/kmv_sums.h"

#include <algorithm>
#include <string>

#include "kernel_sums/exact_sums.h"
#include "kernel_sums/kmv/practical_sums.h"
#include "kernel_sums/kmv/theorem_sums.h"

namespace subquad {
namespace {

// Sums of what the draws make of values must fit.
constexpr float kLargestX = 0x1p64f;

bool has_one_scale(const KernelHead& head) {
  return std::all_of(head.scales.begin(), head.scales.end(),
                     [&](float scale) { return scale == head.scales.front(); });
}

void copy_scaled(const KernelHead& head, const Scratch<float>& from, Scratch<float>& to) {
  const float unit = head.scales.front();
  to = Scratch<float>(from.size());
  for (std::int64_t i = 0; i < from.size(); ++i)
    to[i] = from[i] * (head.scales[static_cast<std::size_t>(i % head.dim)] / unit);
}

// What the sums read of a head, its channels in units in which they have one bandwidth: hash tables
// know no other.
KernelHead with_one_scale(const KernelHead& head) {
  KernelHead scaled;
  scaled.dim = head.dim;
  scaled.channels = head.channels;
  scaled.scales.assign(head.scales.size(), head.scales.front());
  scaled.num_queries = head.num_queries;
  scaled.num_keys = head.num_keys;
  copy_scaled(head, head.queries, scaled.queries);
  copy_scaled(head, head.keys, scaled.keys);
  scaled.values = Scratch<float>(head.values.size());
  std::copy_n(head.values.data(), head.values.size(), scaled.values.data());
  scaled.largest_value = head.largest_value;
  return scaled;
}

}  // namespace

KmvOptions read_kmv_options(const SpecPart& part) {
  SpecReader reader(part);
  KmvOptions options;
  options.eps = reader.number("eps", options.eps, 1e-4, 10);
  options.delta = reader.number("delta", options.delta, 1e-4, 0.5);
  options.theorem = reader.choice("mode", 0, {"practical", "theorem"}) == 1;
  options.always = reader.boolean("always", options.always);
  reader.finish();
  return options;
}

KernelRecord kmv_sums(const KernelHead& head, const KmvOptions& options, float* out, const Rng& rng,
                      int threads) {
  if (!head.finite_values || head.largest_value > kLargestX) {
    const std::int64_t entries = exact_sums(head, out, rng, threads);
    return {"kmv:exact(values)", entries, entries, 0};
  }
  if (head.num_keys == 0 || head.num_queries == 0 || head.largest_value == 0) {
    std::fill_n(out, head.num_queries * head.channels, 0.0f);
    return {"kmv", 0, 0, 0};
  }
  if (!has_one_scale(head)) return kmv_sums(with_one_scale(head), options, out, rng, threads);
  if (options.theorem) return theorem_sums(head, options.eps, out, rng, threads);
  return practical_sums(head, options, out, rng, threads);
}

}  // namespace subquad
