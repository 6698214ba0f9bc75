// Rows that each meet one block of keys: rows with the same block go together, and share its packed
// keys.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "parts/heavy.h"
#include "parts/row_lists.h"

namespace subquad {

class BlockLayerSet final : public HeavySet {
 public:
  // Row r meets block lists.row(r)[layer] of `block` keys, none if its list is shorter.
  BlockLayerSet(const HeadProblem& head, const RowLists& lists, std::int64_t layer,
                std::int64_t block);
  BlockLayerSet(const BlockLayerSet&) = delete;
  BlockLayerSet& operator=(const BlockLayerSet&) = delete;

  RowOrder row_order() const override { return RowOrder::own; }
  std::span<const IndexList> row_groups() const override { return groups_; }
  bool groups_all_rows() const override { return false; }
  void add_runs(const IndexList& rows, std::int64_t group, RunList& runs) const override;
  bool may_meet(const IndexList& rows, const IndexList& keys) const override;
  void remove(const IndexList& rows, const IndexList& keys, float* scores, std::int64_t stride,
              FilterScratch& scratch) const override;

 private:
  void group_rows(std::int64_t blocks);
  Range keys_of(std::int32_t block) const;

  const HeadProblem& head_;
  std::int64_t block_;
  std::vector<std::int32_t> block_of_;  // of each row, -1: none
  std::vector<std::int32_t> row_ids_;   // what the groups point to
  std::vector<IndexList> groups_;
};

}  // namespace subquad
