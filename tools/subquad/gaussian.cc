#include "gaussian.h"

#include "kernels/half.h"

namespace subquad::cli {

Buffer gaussian_buffer(const Shape4& shape, DType dtype, std::uint64_t seed, std::uint32_t stream) {
  Buffer buffer(shape, dtype);
  GaussianStream draws(seed, stream);
  const std::int64_t count = shape[0] * shape[1] * shape[2] * shape[3];
  auto* floats = static_cast<float*>(buffer.data());
  auto* halves = static_cast<std::uint16_t*>(buffer.data());
  for (std::int64_t i = 0; i < count; ++i) {
    const float value = draws.next();
    if (dtype == DType::f32) floats[i] = value;
    if (dtype == DType::bf16) halves[i] = f32_to_bf16(value);
    if (dtype == DType::f16) halves[i] = f32_to_f16(value);
  }
  return buffer;
}

}  // namespace subquad::cli
