// Rows, alone or in blocks of positions, that each meet a list of keys or of key blocks.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "parts/heavy.h"
#include "parts/row_lists.h"

namespace subquad {

// Block b of positions of query head g of the group has list first + b * block_step + g *
// head_step. head_step 0: the group's heads share their lists.
struct ListLayout {
  std::int64_t query_block = 1;  // positions that share a list
  std::int64_t key_block = 1;    // keys that an element of a list stands for
  std::int64_t first = 0, block_step = 1, head_step = 0;
};

// Rows with a list of their own go in any order and read their keys where they lie; neighbours
// that share a list (a group of heads) read it together. Blocks of positions go in order of
// position, packed; where the heads of a group have blocks of their own, head after head.
class RowListSet final : public HeavySet {
 public:
  RowListSet(const HeadProblem& head, RowLists lists, const ListLayout& layout);
  // Ascending lists in memory that outlives the set.
  RowListSet(const HeadProblem& head, std::span<const std::int64_t> offsets,
             std::span<const std::int32_t> keys, const ListLayout& layout);
  RowListSet(const RowListSet&) = delete;
  RowListSet& operator=(const RowListSet&) = delete;

  RowOrder row_order() const override;
  std::span<const IndexList> row_groups() const override { return groups_; }
  void add_runs(const IndexList& rows, std::int64_t group, RunList& runs) const override;
  bool may_meet(const IndexList& rows, const IndexList& keys) const override;
  void remove(const IndexList& rows, const IndexList& keys, float* scores, std::int64_t stride,
              FilterScratch& scratch) const override;

 private:
  using List = std::span<const std::int32_t>;

  std::int64_t list_of(std::int64_t row) const;
  List elements(std::int64_t list) const;
  // The keys [begin, end) that elements first to last of a list span.
  Range span_of(std::int32_t first, std::int32_t last) const;
  IndexList keys_of(List list, RunList& runs) const;
  void find_columns(List list, const IndexList& keys, std::vector<std::int32_t>& columns) const;
  void find_in_range(List list, const IndexList& keys, std::vector<std::int32_t>& columns) const;
  void group_by_head();

  const HeadProblem& head_;
  ListLayout layout_;
  RowLists owned_;
  std::span<const std::int64_t> offsets_;
  std::span<const std::int32_t> keys_;
  std::vector<std::int32_t> row_ids_;  // with RowOrder::own: what the groups point to
  std::vector<IndexList> groups_;
};

}  // namespace subquad
