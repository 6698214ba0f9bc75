#include "core/sampling.h"

#include <algorithm>
#include <numeric>
#include <unordered_set>

namespace subquad {

std::vector<std::int32_t> sample_with_replacement(std::int64_t n, std::int64_t m, const Rng& rng) {
  std::vector<std::int32_t> sample(static_cast<std::size_t>(m));
  for (std::size_t i = 0; i < sample.size(); ++i)
    sample[i] =
        static_cast<std::int32_t>(rng.below(n, Purpose::sample, 0, static_cast<std::uint32_t>(i)));
  std::sort(sample.begin(), sample.end());
  return sample;
}

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

std::vector<std::int32_t> stratified_sample(std::span<const std::int32_t> ids, std::int64_t count,
                                            const Rng& rng, Purpose purpose, std::uint32_t row) {
  const auto size = static_cast<std::int64_t>(ids.size());
  std::vector<std::int32_t> sample(static_cast<std::size_t>(count));
  for (std::int64_t s = 0; s < count; ++s) {
    const std::int64_t begin = size * s / count, end = size * (s + 1) / count;
    const std::int64_t pick =
        begin + rng.below(end - begin, purpose, row, static_cast<std::uint32_t>(s));
    sample[static_cast<std::size_t>(s)] = ids[static_cast<std::size_t>(pick)];
  }
  return sample;
}

}  // namespace subquad
