// Finding the largest scores of a row: splitting, counting, and bits for what was found.
#pragma once

#include <cstdint>

namespace subquad::kernels {

// Arrays of bits: bit p is bit p % 32 of word p / 32. One word more than the bits need must exist.

// Elements that split_scores may write behind the last one it kept.
constexpr std::int64_t kSplitPadding = 8;

struct SplitResult {
  std::int64_t above = 0;    // scores that are not <= high: NaN too
  std::int64_t between = 0;  // low <= score <= high
};

// Sets bit first + c for scores above, and appends (score, first + c) of those between to the
// two lists, which need room for them and kSplitPadding more. bits: nullptr, or zero so far.
SplitResult split_scores(const float* scores, std::int64_t count, float low, float high,
                         std::int32_t first, std::uint32_t* bits, float* kept_scores,
                         std::int32_t* kept_ids);

// How many scores are >= threshold.
std::int64_t count_at_least(const float* scores, std::int64_t count, float threshold);

// Smallest and largest of `count` > 0 scores, none of them NaN.
struct ScoreRange {
  float low, high;
};
ScoreRange score_range(const float* scores, std::int64_t count);

// NaN becomes +inf.
void raise_nan(float* scores, std::int64_t count);

// scores[c] = -inf where bit first + c is set (is not set).
void mask_marked(float* scores, const std::uint32_t* bits, std::int64_t first, std::int64_t count);
void mask_unmarked(float* scores, const std::uint32_t* bits, std::int64_t first,
                   std::int64_t count);

}  // namespace subquad::kernels
