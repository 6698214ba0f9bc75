// Random predefined masks, kept as dense tables beside the lists that the library gets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "subquad/given.h"
#include "subquad/problem.h"
#include "support/draw.h"

namespace subquad::testing {

// A mask and its memory. dense: one entry for each table (1 or Hq), row block and key block.
struct OwnedGiven {
  GivenKind kind = GivenKind::rows;
  std::int64_t tables = 1, query_blocks = 0, key_blocks = 0;
  std::int64_t query_block_size = 1, key_block_size = 1;
  std::vector<std::uint8_t> dense;
  std::vector<std::int64_t> offsets;
  std::vector<std::int32_t> keys;
  std::vector<BlockPair> blocks;

  std::uint8_t& entry(std::int64_t table, std::int64_t i, std::int64_t j) {
    return dense[static_cast<std::size_t>((table * query_blocks + i) * key_blocks + j)];
  }
  bool holds(std::int64_t h, std::int64_t i, std::int64_t j) const;
  GivenMask mask() const;
};

// Some blocks of rows are empty, some whole, some a contiguous run, the others random.
void fill_dense(Draw& draw, OwnedGiven& given);

void list_rows(OwnedGiven& given);

// In random order, some pairs twice.
void list_blocks(Draw& draw, OwnedGiven& given);

OwnedGiven random_given(Draw& draw, const Problem& problem, GivenKind kind, bool per_head);

// Every kind of mask for a problem: rows and blocks, shared and one a head.
std::vector<OwnedGiven> random_givens(std::uint64_t seed, const Problem& problem);

std::vector<GivenMask> masks_of(const std::vector<OwnedGiven>& givens);

}  // namespace subquad::testing
