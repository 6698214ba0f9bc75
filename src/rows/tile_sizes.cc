#include "rows/tile_sizes.h"

#include <algorithm>

#include "rows/row_block.h"

namespace subquad {
namespace {

constexpr std::int64_t kTileBytes = 1 << 18;   // keys and values of a tile
constexpr std::int64_t kBlockBytes = 1 << 19;  // queries and sums of a long row block
// Multiples of the register block and the panel width of every instruction set.
constexpr std::int64_t kMaxKeys = 384, kMaxWideKeys = 288, kWideChannels = 160;

}  // namespace

std::int64_t long_block_size(std::int64_t head_dim, std::int64_t value_dim) {
  const std::int64_t rows = kBlockBytes / (4 * (head_dim + padded_values(value_dim)));
  return std::clamp<std::int64_t>(rows / 12 * 12, 24, 1008);
}

std::int64_t row_block_size(std::int64_t head_dim, std::int64_t value_dim) {
  return std::min<std::int64_t>(long_block_size(head_dim, value_dim), 264);
}

std::int64_t key_tile_size(std::int64_t head_dim, std::int64_t value_dim) {
  const std::int64_t keys = kTileBytes / (4 * (head_dim + padded_values(value_dim)));
  return std::clamp<std::int64_t>(keys / 64 * 64, 64, 512);
}

std::int64_t max_backward_keys(std::int64_t head_dim, std::int64_t value_dim) {
  return head_dim + value_dim <= kWideChannels ? kMaxKeys : kMaxWideKeys;
}

}  // namespace subquad
