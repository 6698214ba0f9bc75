#include "kernels/tiles/tile_exp2.h"

#include <cmath>

namespace subquad::kernels {
namespace {

// c at the middle of an entry's units, in units of 1/512.
std::uint8_t correction_at(int entry) {
  const double middle = entry * kUnitsAnEntry + 0.5 * (kUnitsAnEntry - 1);
  const double fraction = (middle - double{kExp2Rounding}) / 512;
  return static_cast<std::uint8_t>(std::lround(512 * (1 + fraction - std::exp2(fraction))));
}

}  // namespace

const std::array<std::uint8_t, kExp2Entries>& exp2_corrections() {
  static const auto table = [] {
    std::array<std::uint8_t, kExp2Entries> entries{};
    for (int i = 0; i < kExp2Entries; ++i) entries[static_cast<std::size_t>(i)] = correction_at(i);
    return entries;
  }();
  return table;
}

}  // namespace subquad::kernels
