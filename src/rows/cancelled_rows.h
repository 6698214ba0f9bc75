// Rows whose sums cancel: a large negative sum of weights, and what must have been its opposite.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "rows/partial.h"

namespace subquad {

class CancelledRows {
 public:
  // The rows' sums before something joins them.
  explicit CancelledRows(const Partial& before)
      : m_(before.m, before.m + before.rows), l_(before.l, before.l + before.rows) {}

  // A sum of weights that is less than `least` of the negative one it was becomes 0: nothing but
  // rounding is left of it, and the row is computed again exactly.
  void reject(const Partial& now, float least) const {
    for (std::int64_t i = 0; i < now.rows; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const float before = l_[at] * std::exp2(m_[at] - now.m[i]);
      if (before < 0 && now.l[i] < -least * before) now.l[i] = 0;
    }
  }

 private:
  std::vector<float> m_, l_;
};

}  // namespace subquad
