// Counter-based random numbers: Philox-4x32-10 (Random123), keyed by (seed, purpose, head, row,
// draw). Any number can be had in any order: results do not depend on threads or on the batch.
#pragma once

#include <array>
#include <cstdint>

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
  recall_row,
  token,
  euclidean_hash,
  density,
  start_block,
  picture_noise
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
  float normal(Purpose purpose, std::uint32_t row, std::uint32_t draw) const;

 private:
  // The generator's four words for this place; the first two are in use.
  std::array<std::uint32_t, 2> words(Purpose purpose, std::uint32_t row, std::uint32_t draw) const;

  std::uint64_t seed_;
  std::uint32_t head_;
};

}  // namespace subquad
