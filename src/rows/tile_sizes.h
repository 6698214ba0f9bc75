// How many rows and keys a thread works on at a time: from the shapes alone, so that what is read
// again stays in the second-level cache.
#pragma once

#include <cstdint>

#include "core/index_list.h"

namespace subquad {

// Forward: rows of a block, also of a long one, and keys of a tile.
std::int64_t row_block_size(std::int64_t head_dim, std::int64_t value_dim);
std::int64_t long_block_size(std::int64_t head_dim, std::int64_t value_dim);
std::int64_t key_tile_size(std::int64_t head_dim, std::int64_t value_dim);

// Backward: the largest tile of keys, and the rows that meet it at a time.
std::int64_t max_backward_keys(std::int64_t head_dim, std::int64_t value_dim);
inline constexpr std::int64_t kBackwardRows = 96;

inline std::int64_t count_blocks(std::int64_t length, std::int64_t size) {
  return (length + size - 1) / size;
}

// Block `index` of a list cut into blocks of `size`.
inline IndexList list_block(const IndexList& list, std::int64_t index, std::int64_t size) {
  const std::int64_t begin = index * size, left = list.count - begin;
  return list.slice(begin, size < left ? size : left);
}

}  // namespace subquad
