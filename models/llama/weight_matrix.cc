#include "llama/weight_matrix.h"

#include <cstring>

#include "kernels/pack.h"
#include "llama/widen.h"

namespace subquad::llama {
namespace {

struct Block {
  std::int64_t entries, bytes;
};

Block block_of(WeightType type) {
  switch (type) {
    case WeightType::f32:
      return {1, 4};
    case WeightType::f16:
    case WeightType::bf16:
      return {1, 2};
    case WeightType::q8_0:
      return {32, 34};
    case WeightType::q4_0:
      return {32, 18};
    case WeightType::q4_1:
      return {32, 20};
    case WeightType::q5_0:
      return {32, 22};
    case WeightType::q5_1:
      return {32, 24};
    case WeightType::q4_k:
      return {256, 144};
    case WeightType::q5_k:
      return {256, 176};
    case WeightType::q6_k:
      return {256, 210};
  }
  return {1, 4};
}

// The matrix, of a plain type, for the kernels.
kernels::RowSource plain_rows(const WeightMatrix& matrix) {
  const DType type = matrix.type == WeightType::f32   ? DType::f32
                     : matrix.type == WeightType::f16 ? DType::f16
                                                      : DType::bf16;
  return {matrix.data, type, matrix.cols, matrix.cols, nullptr, 0, matrix.rows};
}

bool is_finite_half(const std::byte* data) {
  std::uint16_t bits;
  std::memcpy(&bits, data, sizeof(bits));
  return (bits & 0x7C00u) != 0x7C00u;
}

// Where in a block its scale is, and whether a minimum follows it.
struct ScalePlace {
  std::int64_t scale;
  bool minimum;
};

ScalePlace scale_place(WeightType type) {
  if (type == WeightType::q6_k) return {208, false};
  const bool minimum = type == WeightType::q4_1 || type == WeightType::q5_1 ||
                       type == WeightType::q4_k || type == WeightType::q5_k;
  return {0, minimum};
}

}  // namespace

std::int64_t block_entries(WeightType type) { return block_of(type).entries; }

std::int64_t block_bytes(WeightType type) { return block_of(type).bytes; }

std::int64_t row_bytes(const WeightMatrix& matrix) {
  const Block block = block_of(matrix.type);
  return matrix.cols / block.entries * block.bytes;
}

void widen_row(const WeightMatrix& matrix, std::int64_t row, float* out) {
  const std::byte* data = matrix.data + row * row_bytes(matrix);
  if (matrix.type == WeightType::f32)
    std::memcpy(out, data, static_cast<std::size_t>(matrix.cols) * sizeof(float));
  else if (block_entries(matrix.type) == 1)
    kernels::load_rows(plain_rows(matrix).slice(row, 1), 1, out, matrix.cols, matrix.cols);
  else
    widen_blocks(matrix.type, data, matrix.cols / block_entries(matrix.type), out);
}

bool all_finite(const WeightMatrix& matrix) {
  if (block_entries(matrix.type) == 1) return kernels::all_finite(plain_rows(matrix));
  const ScalePlace place = scale_place(matrix.type);
  const std::int64_t bytes = block_bytes(matrix.type);
  const std::byte* end = matrix.data + matrix.rows * row_bytes(matrix);
  for (const std::byte* block = matrix.data; block < end; block += bytes) {
    const std::byte* scale = block + place.scale;
    if (!is_finite_half(scale) || (place.minimum && !is_finite_half(scale + 2))) return false;
  }
  return true;
}

}  // namespace subquad::llama
