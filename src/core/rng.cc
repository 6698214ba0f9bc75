#include "core/rng.h"

#include <cmath>
#include <numbers>

#include <Random123/philox.h>

namespace subquad {

float Rng::normal(Purpose purpose, std::uint32_t row, std::uint32_t draw) const {
  const auto block = words(purpose, row, draw);
  const double u = (block[0] + 0.5) * 0x1p-32, angle = 2.0 * std::numbers::pi * block[1] * 0x1p-32;
  return static_cast<float>(std::sqrt(-2.0 * std::log(u)) * std::cos(angle));
}

std::array<std::uint32_t, 2> Rng::words(Purpose purpose, std::uint32_t row,
                                        std::uint32_t draw) const {
  const r123::Philox4x32::ctr_type counter{{draw, row, head_, static_cast<std::uint32_t>(purpose)}};
  const r123::Philox4x32::key_type key{
      {static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32)}};
  const r123::Philox4x32::ctr_type block = r123::Philox4x32()(counter, key);
  return {block[0], block[1]};
}

}  // namespace subquad
