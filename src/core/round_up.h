// The next multiple: panels and strides are whole numbers of vectors.
#pragma once

#include <cstdint>

namespace subquad {

constexpr std::int64_t round_up(std::int64_t value, std::int64_t step) {
  return (value + step - 1) / step * step;
}

}  // namespace subquad
