#pragma once

#include <cstddef>
#include <cstdint>

namespace subquad::llama {

// How weights are stored: plain, or in blocks of 32 or 256 entries with their scales (GGUF's
// names).
enum class WeightType { f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q4_k, q5_k, q6_k };

// A matrix of weights as stored: rows one after another, a row a whole number of blocks. Data of a
// plain type are aligned to its entries, blocks to nothing.
struct WeightMatrix {
  WeightType type = WeightType::f32;
  const std::byte* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
};

// Entries of one block; 1 for plain types.
std::int64_t block_entries(WeightType type);
// Bytes of one block.
std::int64_t block_bytes(WeightType type);
// Bytes of one row; cols must be a multiple of block_entries.
std::int64_t row_bytes(const WeightMatrix& matrix);
// Widens row `row` to f32: out has matrix.cols entries.
void widen_row(const WeightMatrix& matrix, std::int64_t row, float* out);
// Whether every entry is finite; of blocks it reads the scales only.
bool all_finite(const WeightMatrix& matrix);

}  // namespace subquad::llama
