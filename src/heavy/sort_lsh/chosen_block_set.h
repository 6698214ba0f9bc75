// Rows that each choose a block of the keys of their piece: what sortLSH becomes where rows must
// not feel the rows and keys after them (row_pieces.h).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "heavy/sort_lsh/block_ring.h"
#include "index/hash_head.h"
#include "parts/heavy.h"

namespace subquad {

// The hash that brings rows and keys together.
struct BlockHash {
  std::int64_t round;
  HashOptions options;
};

class ChosenBlockSet final : public HeavySet {
 public:
  // Rows that chose block b meet blocks b - neighbors .. b + neighbors of their piece, round the
  // end.
  explicit ChosenBlockSet(const HeadProblem& head, std::int64_t neighbors = 0);

  // Sorts `keys`, all of which every row of `rows` sees, by bucket and cuts them into equal blocks
  // of at most `block`. A row chooses the block where the keys of its own bucket are, one of them
  // at random if these fill several. Calls must share no row.
  void add(const Range& rows, const IndexList& keys, std::int64_t block, const BlockHash& hash,
           const Rng& rng, int threads);
  // Rows that meet every key that they see.
  void add_leaf(const Range& rows);

  RowOrder row_order() const override { return RowOrder::own; }
  std::span<const IndexList> row_groups() const override { return groups_; }
  bool groups_all_rows() const override { return grouped_rows_ == head_.num_rows(); }
  void add_runs(const IndexList& rows, std::int64_t group, RunList& runs) const override;
  bool may_meet(const IndexList& rows, const IndexList& keys) const override;
  void remove(const IndexList& rows, const IndexList& keys, float* scores, std::int64_t stride,
              FilterScratch& scratch) const override;

 private:
  struct Piece {
    std::vector<std::int32_t> ids;      // keys, block after block, ascending inside each
    std::vector<std::int32_t> labels;   // block of key first_key + i, -1 for none
    std::vector<IndexList> blocks;      // of ids
    std::vector<std::int32_t> row_ids;  // that the groups point to
    std::int64_t first_key = 0;
  };

  void cut_blocks(Piece& piece, std::span<const std::int32_t> sorted, std::int64_t blocks) const;
  void group_rows(Piece& piece, const Range& rows, std::int32_t index);
  void add_group(const IndexList& rows, std::int32_t piece, std::int32_t block);
  BlockRing ring(const Piece& piece) const;
  static Range label_columns(const Piece& piece, const IndexList& keys, FilterScratch& scratch);

  const HeadProblem& head_;
  std::int64_t neighbors_, largest_group_, grouped_rows_ = 0;
  std::vector<std::unique_ptr<Piece>> pieces_;
  std::vector<std::int32_t> row_piece_, row_block_;  // of each row: -1 none, -2 all keys (a leaf)
  std::vector<IndexList> groups_;
  std::vector<std::int32_t> piece_of_group_, block_of_group_;
};

}  // namespace subquad
