// What the far field's clusters hold for single entries.
//
// source: ours. Cluster c gives each of its keys the same share of its weight, w_c(q) (v_k, 1), and
// of its slope.
// cost: R D multiply-adds a row and a gather for each entry; few entries (order 0): D each.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "far/clusters/far_field.h"
#include "index/key_clusters.h"
#include "parts/implied_entries.h"

namespace subquad {

class ClusterEntries final : public ImpliedEntries {
 public:
  // What is given must outlive this. key_end(row of the head): the row's far field holds the keys
  // below it; empty: all keys.
  ClusterEntries(const FarField& far, const Partition& clusters,
                 std::function<std::int64_t(std::int64_t)> key_end = {});

  std::int64_t most_rows() const override { return FarField::kRows; }
  void load_rows(const RowBlock& rows, const Range& part, float* m) override;
  void load_keys(const IndexList& /*keys*/) override {}
  void weigh(const MarkedEntries& entries, std::int64_t first, float* weights) override;
  void finish_rows(const Partial& sums) override;

  std::int64_t few_entries() const override;
  void weigh_few(const RowBlock& rows, std::int64_t row, const IndexList& keys, float log2_factor,
                 float* marks) override;

 private:
  std::int64_t end_of(const RowBlock& rows, std::int64_t row) const;
  void weigh_row(std::int64_t i, const IndexList& keys, const float* marks, float* weights);
  void count_row(std::int64_t i, const IndexList& keys, const float* marks);

  const FarField& far_;
  const Partition& clusters_;
  std::function<std::int64_t(std::int64_t)> key_end_;
  FarScratch scratch_;              // the clusters' weights at the rows, relative to their largest
  std::vector<std::int64_t> ends_;  // of the rows' keys
  std::vector<float> held_;         // orders 1 and 2: entries weighed, by row and cluster
  const float* queries_ = nullptr;
  std::int64_t first_row_ = 0;
};

}  // namespace subquad
