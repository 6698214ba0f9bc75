// Counter-based random numbers: Philox-4x32-10 (Random123), keyed by (seed, purpose, head, row,
// draw). Any number can be had in any order: results do not depend on threads or on the batch.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

#include <Random123/philox.h>

namespace subquad {

// Keeps the draws of different uses apart.
enum class Purpose : std::uint32_t {
  hyperplane,
  sample,
  expander,
  value_row,
  cluster,
  certificate,
  probe,
  residual,
  layer_seed,
  recall_row
};

class Rng {
 public:
  Rng(std::uint64_t seed, std::int64_t head)
      : seed_(seed), head_(static_cast<std::uint32_t>(head)) {}

  // 64 random bits.
  std::uint64_t bits(Purpose purpose, std::uint32_t row, std::uint32_t draw) const {
    const auto block = words(purpose, row, draw);
    return (std::uint64_t{block[0]} << 32) | block[1];
  }
  // A whole number in [0, bound): multiply and shift, bias below bound * 2^-64.
  std::int64_t below(std::int64_t bound, Purpose purpose, std::uint32_t row,
                     std::uint32_t draw) const {
    const auto product = static_cast<unsigned __int128>(bits(purpose, row, draw)) *
                         static_cast<unsigned __int128>(bound);
    return static_cast<std::int64_t>(product >> 64);
  }
  // Standard normal (Box-Muller).
  float normal(Purpose purpose, std::uint32_t row, std::uint32_t draw) const {
    const auto block = words(purpose, row, draw);
    const double u = (block[0] + 0.5) * 0x1p-32,
                 angle = 2.0 * std::numbers::pi * block[1] * 0x1p-32;
    return static_cast<float>(std::sqrt(-2.0 * std::log(u)) * std::cos(angle));
  }

 private:
  r123::Philox4x32::ctr_type words(Purpose purpose, std::uint32_t row, std::uint32_t draw) const {
    const r123::Philox4x32::ctr_type counter{
        {draw, row, head_, static_cast<std::uint32_t>(purpose)}};
    const r123::Philox4x32::key_type key{
        {static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32)}};
    return r123::Philox4x32()(counter, key);
  }

  std::uint64_t seed_;
  std::uint32_t head_;
};

}  // namespace subquad
