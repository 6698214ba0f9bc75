#include "far/clusters/opened_set.h"

#include <limits>
#include <utility>

namespace subquad {

OpenedSet::OpenedSet(std::shared_ptr<const Partition> clusters,
                     std::shared_ptr<const Partition> groups,
                     std::vector<std::vector<std::int32_t>> opened)
    : clusters_(std::move(clusters)),
      partition_(std::move(groups)),
      opened_(std::move(opened)),
      groups_(partition_->all_members()) {
  for (const auto& chosen : opened_) {
    keys_.push_back(clusters_->members_of(chosen));
    is_opened_.emplace_back(static_cast<std::size_t>(clusters_->size()));
    for (const std::int32_t c : chosen) is_opened_.back()[static_cast<std::size_t>(c)] = 1;
  }
}

void OpenedSet::add_runs(const IndexList& rows, std::int64_t group, RunList& runs) const {
  const auto& keys = keys_[static_cast<std::size_t>(group)];
  if (keys.empty()) return;
  KeyRun run;
  run.rows = {0, rows.count};
  run.keys = {keys.data(), 0, static_cast<std::int64_t>(keys.size()), false};
  runs.add(run);
}

void OpenedSet::remove(const IndexList& rows, const IndexList& keys, float* scores,
                       std::int64_t stride, FilterScratch&) const {
  for (std::int64_t r = 0; r < rows.count; ++r) {
    const std::vector<std::uint8_t>& opened = opened_for(rows[r]);
    for (std::int64_t k = 0; k < keys.count; ++k) {
      const auto cluster = clusters_->cluster_of[static_cast<std::size_t>(keys[k])];
      if (opened[static_cast<std::size_t>(cluster)] != 0)
        scores[r * stride + k] = -std::numeric_limits<float>::infinity();
    }
  }
}

}  // namespace subquad
