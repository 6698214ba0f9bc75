// Which random words the sketches take: row i (or node i) of purpose `expander`, and a draw number
// that no two uses share.
#pragma once

#include <cstdint>

#include "core/rng.h"

namespace subquad {

class ExpanderDraws {
 public:
  enum Use : std::uint32_t { order, sign, node, top_bucket, names, graph };

  ExpanderDraws(const Rng& rng, std::int64_t repetition)
      : rng_(rng), repetition_(static_cast<std::uint32_t>(repetition)) {}

  // step < 256: level or chunk.
  std::uint64_t bits(Use use, std::int64_t step, std::int64_t i) const {
    return rng_.bits(Purpose::expander, static_cast<std::uint32_t>(i), draw(use, step));
  }
  std::int64_t below(std::int64_t bound, Use use, std::int64_t step, std::int64_t i) const {
    return rng_.below(bound, Purpose::expander, static_cast<std::uint32_t>(i), draw(use, step));
  }

 private:
  std::uint32_t draw(Use use, std::int64_t step) const {
    return (repetition_ << 16) | (std::uint32_t{use} << 8) | static_cast<std::uint32_t>(step);
  }

  Rng rng_;
  std::uint32_t repetition_;
};

}  // namespace subquad
