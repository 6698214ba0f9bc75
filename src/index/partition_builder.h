// Builds a Partition cluster by cluster.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "index/cluster_tree.h"
#include "index/key_clusters.h"
#include "subquad/error.h"

namespace subquad {

class PartitionBuilder {
 public:
  // `ids` (ascending) as one more cluster, unless it is empty.
  void add(std::span<const std::int32_t> ids) {
    if (ids.empty()) return;
    partition_.ids.insert(partition_.ids.end(), ids.begin(), ids.end());
    partition_.begin.push_back(static_cast<std::int64_t>(partition_.ids.size()));
  }
  // Cut into `count` runs of sizes that differ by at most 1.
  void add_runs(std::span<const std::int32_t> ids, std::int64_t count) {
    const auto size = static_cast<std::int64_t>(ids.size());
    for (std::int64_t c = 0; c < count; ++c) {
      const auto begin = static_cast<std::size_t>(run_begin(size, c, count));
      add(ids.subspan(begin, static_cast<std::size_t>(run_begin(size, c + 1, count)) - begin));
    }
  }
  // After the last cluster.
  Partition finish() {
    partition_.cluster_of.resize(partition_.ids.size());
    for (std::int64_t c = 0; c < partition_.size(); ++c) {
      const IndexList members = partition_.members(c);
      for (std::int64_t i = 0; i < members.count; ++i)
        partition_.cluster_of[static_cast<std::size_t>(members[i])] = static_cast<std::int32_t>(c);
    }
    return std::move(partition_);
  }

 private:
  Partition partition_{{}, {0}, {}};
};

// Lists of the ids of each group, in the order of the ids.
inline std::vector<std::vector<std::int32_t>> lists_of(std::span<const std::int32_t> ids,
                                                       std::span<const std::int32_t> group,
                                                       std::int64_t count) {
  std::vector<std::vector<std::int32_t>> lists(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < ids.size(); ++i)
    lists[static_cast<std::size_t>(group[i])].push_back(ids[i]);
  return lists;
}

inline void check_points(const char* name, std::int64_t n, std::int64_t dim) {
  if (n < 0 || n > INT32_MAX)
    throw_invalid(std::string(name) + ": n must be from 0 to 2^31 - 1, is " + std::to_string(n));
  if (dim < 1)
    throw_invalid(std::string(name) + ": dim must be at least 1, is " + std::to_string(dim));
}

}  // namespace subquad
