// Predefined masks as the heavy part of a method: score entries that the caller names.
#pragma once

#include <cstdint>
#include <span>

namespace subquad {

// rows: each query position lists its keys (compressed sparse rows).
// blocks: pairs of a block of query positions and a block of key positions that meets it whole.
enum class GivenKind : std::uint8_t { rows, blocks };

struct BlockPair {
  std::int32_t query_block = 0;  // query positions [query_block * R, (query_block + 1) * R)
  std::int32_t key_block = 0;    // key positions [key_block * K, (key_block + 1) * K)
};

// The entries that the spec part given(i) evaluates exactly: Options::given[i]. Entries that the
// problem itself hides (causal, window, mask) stay hidden. All elements of a batch share it. Owns
// nothing: the caller keeps the memory alive during the call. Not with packed sequences.
struct GivenMask {
  GivenKind kind = GivenKind::rows;

  // rows: query position i meets keys[offsets[i]] .. keys[offsets[i + 1] - 1], key positions in
  //   strictly ascending order. Lq + 1 offsets: shared by all query heads. Hq * Lq + 1: one list
  //   after the other, heads outermost (head h, position i is list h * Lq + i).
  // blocks: empty: shared by all query heads. Hq + 1: head h has blocks[offsets[h]] ..
  //   blocks[offsets[h + 1] - 1].
  std::span<const std::int64_t> offsets;
  std::span<const std::int32_t> keys;  // rows only

  // blocks only. Pairs in any order; one that is listed twice counts once. The last block of
  // either side may be cut short by the end of the sequence.
  std::int64_t query_block_size = 0;  // R
  std::int64_t key_block_size = 0;    // K
  std::span<const BlockPair> blocks;
};

}  // namespace subquad
