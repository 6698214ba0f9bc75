// The k-th largest of some scores, without moving them.
#pragma once

#include <cstdint>

namespace subquad {

// The k largest are those above the threshold, and the first `ties` of those equal to it.
struct KthScore {
  float threshold = 0;
  std::int64_t ties = 0;
};

// 1 <= k <= count; no score is NaN. Exact: bisects the scores' range until the counts agree, at
// most 60 passes over them (about 12 for scores of one scale).
KthScore find_kth(const float* scores, std::int64_t count, std::int64_t k);

}  // namespace subquad
