// The near field of the multipole part: for each group of rows, the keys of the clusters opened for
// it.
//
// source: ours, as treecodes open cells (Barnes and Hut 1986), for groups of similar queries.
// cost: opened keys a row, packed once a group.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "parts/heavy.h"
#include "index/key_clusters.h"

namespace subquad {

class OpenedSet final : public HeavySet {
 public:
  // groups: of the rows; opened[g]: clusters of `clusters` opened for group g. Both partitions are
  // shared with the light part.
  OpenedSet(std::shared_ptr<const Partition> clusters, std::shared_ptr<const Partition> groups,
            std::vector<std::vector<std::int32_t>> opened);

  RowOrder row_order() const override { return RowOrder::own; }
  std::span<const IndexList> row_groups() const override { return groups_; }
  void add_runs(const IndexList& rows, std::int64_t group, RunList& runs) const override;
  void remove(const IndexList& rows, const IndexList& keys, float* scores, std::int64_t stride,
              FilterScratch& scratch) const override;

  const std::vector<std::int32_t>& opened(std::int64_t group) const {
    return opened_[static_cast<std::size_t>(group)];
  }
  bool holds(std::int64_t row, std::int64_t key) const {
    return opened_for(row)[static_cast<std::size_t>(
               clusters_->cluster_of[static_cast<std::size_t>(key)])] != 0;
  }

 private:
  const std::vector<std::uint8_t>& opened_for(std::int64_t row) const {
    return is_opened_[static_cast<std::size_t>(
        partition_->cluster_of[static_cast<std::size_t>(row)])];
  }

  std::shared_ptr<const Partition> clusters_, partition_;
  std::vector<std::vector<std::int32_t>> opened_, keys_;
  std::vector<std::vector<std::uint8_t>> is_opened_;  // of each group: by cluster
  std::vector<IndexList> groups_;
};

}  // namespace subquad
