#include "unit/kernels_support.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace subquad::testing {

Scratch<float> canary_floats(std::int64_t count) {
  Scratch<float> floats(count);
  std::fill_n(floats.data(), count, canary);
  return floats;
}

StoredRows::StoredRows(Draw& draw, DType type, std::int64_t rows, std::int64_t width,
                       std::int64_t stride)
    : type_(type), rows_(rows), width_(width), stride_(stride) {
  const std::int64_t elements = rows == 0 ? 0 : (rows - 1) * stride + width;
  bytes_.resize(static_cast<std::size_t>(elements * size_of(type)));
  for (std::int64_t i = 0; i < elements; ++i) set(i, draw.normal());
}

double StoredRows::value(std::int64_t row, std::int64_t column) const {
  const std::byte* at = bytes_.data() + (row * stride_ + column) * size_of(type_);
  if (type_ == DType::f32) return static_cast<double>(read<float>(at));
  return decode_half(read<std::uint16_t>(at), type_);
}

void StoredRows::set(std::int64_t element, double value) {
  std::byte* at = bytes_.data() + element * size_of(type_);
  const auto single = static_cast<float>(value);
  const std::uint16_t half = type_ == DType::f32 ? std::uint16_t{0} : encode_half(value, type_);
  const void* from = type_ == DType::f32 ? static_cast<const void*>(&single) : &half;
  std::memcpy(at, from, static_cast<std::size_t>(size_of(type_)));
}

std::vector<std::int32_t> random_ids(Draw& draw, std::int64_t rows, std::int64_t count) {
  std::vector<std::int32_t> ids(static_cast<std::size_t>(count));
  for (auto& id : ids) id = static_cast<std::int32_t>(draw.integer(0, rows - 1));
  return ids;
}

}  // namespace subquad::testing
