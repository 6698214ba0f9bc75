// Blocks of rows that meet blocks of keys: rectangles of the score matrix, each with its rows and
// keys in an order of their own.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/memory.h"
#include "heavy/sort_lsh/block_ring.h"
#include "parts/heavy.h"

namespace subquad {

class BlockSet final : public HeavySet {
 public:
  // Row block b meets key blocks b - neighbors .. b + neighbors of its rectangle, round the end.
  BlockSet(const HeadProblem& head, std::int64_t block, std::int64_t neighbors = 0);

  // Adds a rectangle: its rows and keys, in order, are cut into ceil(keys / block) blocks that
  // differ by at most one item, so that none is ragged. Rectangles must share no row.
  void add(std::span<const std::int32_t> rows, std::span<const std::int32_t> keys);
  // Puts the rows of no rectangle into groups that meet no key: the groups then hold every row.
  void add_rest();

  RowOrder row_order() const override { return RowOrder::own; }
  std::span<const IndexList> row_groups() const override { return groups_; }
  bool groups_all_rows() const override { return used_rows_ == rows_.size(); }
  void add_runs(const IndexList& rows, std::int64_t group, RunList& runs) const override;
  bool may_meet(const IndexList& rows, const IndexList& keys) const override;
  void remove(const IndexList& rows, const IndexList& keys, float* scores, std::int64_t stride,
              FilterScratch& scratch) const override;

 private:
  IndexList place(std::span<const std::int32_t> ids, std::int32_t block, Scratch<std::int32_t>& out,
                  std::int64_t& used, Scratch<std::int32_t>& labels) const;
  void add_groups(const IndexList& rows, std::int32_t block);
  void add_block(std::int32_t block, std::span<const std::int32_t> rows,
                 std::span<const std::int32_t> keys);
  // The blocks of the rectangle of a block.
  const BlockRing& ring_of(std::int32_t block) const;
  const std::int32_t* labels_of(const IndexList& keys, FilterScratch& scratch) const;

  std::int64_t block_, neighbors_, largest_group_;
  bool by_position_;
  Scratch<std::int32_t> rows_, keys_;  // ids, block after block
  std::int64_t used_rows_ = 0, used_keys_ = 0;
  Scratch<std::int32_t> row_block_, key_block_;  // block of each row and key, or -1 and -2
  std::vector<IndexList> key_blocks_, groups_;
  std::vector<std::int32_t> block_of_group_, rectangle_of_block_;
  std::vector<BlockRing> rectangles_;
};

}  // namespace subquad
