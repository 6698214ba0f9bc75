// Random subsets of positions: with and without replacement, stratified.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/rng.h"

namespace subquad {

// m positions below n, ascending; they may repeat.
std::vector<std::int32_t> sample_with_replacement(std::int64_t n, std::int64_t m, const Rng& rng);

// How often each of weights.size() positions comes up in m independent draws with chances in
// proportion to the weights (not negative, some positive): the multinomial distribution, without
// the draws. About sqrt(m weight / sum) steps a position.
std::vector<std::int64_t> multinomial_counts(std::span<const double> weights, std::int64_t m,
                                             const Rng& rng, Purpose purpose, std::uint32_t row);

// m distinct positions below n, ascending (Floyd's algorithm); all of them when m >= n. Draws of
// different streams or purposes are independent. Position: int32, or int64 where n is larger.
template <typename Position = std::int32_t>
std::vector<Position> sample_without_replacement(std::int64_t n, std::int64_t m, const Rng& rng,
                                                 std::uint32_t stream = 0,
                                                 Purpose purpose = Purpose::sample);

// `count` <= ids.size() distinct ids in their order: one out of each of `count` equal runs.
std::vector<std::int32_t> stratified_sample(std::span<const std::int32_t> ids, std::int64_t count,
                                            const Rng& rng, Purpose purpose, std::uint32_t row);

}  // namespace subquad
