#include "heavy/topk/kth_score.h"

#include <bit>
#include <limits>

#include "kernels/select.h"

namespace subquad {
namespace {

constexpr int kValueSteps = 24;

// Floats in their order: neighbours differ by one, both zeros are 0.
std::int64_t rank_of(float value) {
  const auto bits = std::bit_cast<std::int32_t>(value);
  return bits >= 0 ? bits : std::int64_t{std::numeric_limits<std::int32_t>::min()} - bits;
}

float value_at(std::int64_t rank) {
  const std::int64_t bits =
      rank >= 0 ? rank : std::int64_t{std::numeric_limits<std::int32_t>::min()} - rank;
  return std::bit_cast<float>(static_cast<std::int32_t>(bits));
}

// Half way between two values: by their size while that helps, then by their rank, which ends.
float middle(float low, float high, int step) {
  const float half = 0.5F * low + 0.5F * high;
  if (step < kValueSteps && low < half && half < high) return half;
  return value_at(rank_of(low) + (rank_of(high) - rank_of(low)) / 2);
}

}  // namespace

KthScore find_kth(const float* scores, std::int64_t count, std::int64_t k) {
  auto [low, high] = kernels::score_range(scores, count);
  std::int64_t above = kernels::count_at_least(scores, count, high);
  if (above >= k) return {high, k};
  // count(>= low) >= k > count(>= high) = above
  for (int step = 0; rank_of(high) - rank_of(low) > 1; ++step) {
    const float at = middle(low, high, step);
    const std::int64_t reached = kernels::count_at_least(scores, count, at);
    if (reached == k) return {at, k};
    if (reached > k) {
      low = at;
    } else {
      high = at;
      above = reached;
    }
  }
  return {low, k - above};
}

}  // namespace subquad
