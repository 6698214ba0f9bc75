#include "far/clusters/cluster_entries.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "kernels/softmax.h"

namespace subquad {
namespace {

constexpr float kAbsent = -std::numeric_limits<float>::infinity();
// Rows with fewer panels of entries than this are served one by one.
constexpr std::int64_t kFewPanels = 2;

}  // namespace

ClusterEntries::ClusterEntries(const FarField& far, const Partition& clusters,
                               std::function<std::int64_t(std::int64_t)> key_end)
    : far_(far),
      clusters_(clusters),
      key_end_(std::move(key_end)),
      scratch_(far.size(), far.value_dim()) {}

std::int64_t ClusterEntries::end_of(const RowBlock& rows, std::int64_t row) const {
  return key_end_ ? key_end_(rows.rows()[row]) : std::numeric_limits<std::int64_t>::max();
}

void ClusterEntries::load_rows(const RowBlock& rows, const Range& part, float* m) {
  const std::int64_t count = part.end - part.begin;
  first_row_ = part.begin;
  queries_ = rows.query(part.begin);
  ends_.clear();
  for (std::int64_t r = part.begin; r < part.end; ++r) ends_.push_back(end_of(rows, r));
  if (far_.shape() != nullptr)
    held_.assign(static_cast<std::size_t>(count * scratch_.stride), 0.0f);
  far_.score(queries_, count, scratch_.scores.data(), scratch_.stride, scratch_.shape);
  const Partial sums = scratch_.sums.view(count);
  set_identity(sums);
  kernels::softmax_update(scratch_.scores.data(), scratch_.stride, count, far_.size(),
                          {sums.m, sums.l, sums.o, sums.o_stride, 0});
  std::copy_n(sums.m, count, m);
}

void ClusterEntries::weigh(const MarkedEntries& entries, std::int64_t, float* weights) {
  for (std::int64_t r = entries.rows.begin; r < entries.rows.end; ++r) {
    const std::int64_t at = (r - entries.rows.begin) * entries.stride;
    weigh_row(r - first_row_, entries.keys, entries.marks + at, weights + at);
    if (far_.shape() != nullptr) count_row(r - first_row_, entries.keys, entries.marks + at);
  }
}

void ClusterEntries::weigh_row(std::int64_t i, const IndexList& keys, const float* marks,
                               float* weights) {
  const float* weight = scratch_.scores.data() + i * scratch_.stride;
  const std::int64_t end = ends_[static_cast<std::size_t>(i)];
  for (std::int64_t k = 0; k < keys.count; ++k) {
    const std::int32_t c = clusters_.cluster_of[static_cast<std::size_t>(keys[k])];
    weights[k] = marks[k] == 0.0f && keys[k] < end ? weight[c] : -0.0f;
  }
}

void ClusterEntries::count_row(std::int64_t i, const IndexList& keys, const float* marks) {
  float* held = held_.data() + i * scratch_.stride;
  const std::int64_t end = ends_[static_cast<std::size_t>(i)];
  for (std::int64_t k = 0; k < keys.count; ++k) {
    const std::int32_t c = clusters_.cluster_of[static_cast<std::size_t>(keys[k])];
    held[c] += marks[k] == 0.0f && keys[k] < end ? 1.0f : 0.0f;
  }
}

// A cluster's slope leaves in proportion to its keys that leave.
void ClusterEntries::finish_rows(const Partial& sums) {
  if (far_.shape() == nullptr) return;
  for (std::int64_t r = 0; r < sums.rows; ++r)
    for (std::int64_t c = 0; c < far_.size(); ++c) {
      const auto at = static_cast<std::size_t>(r * scratch_.stride + c);
      const auto count = static_cast<float>(clusters_.members(c).count);
      held_[at] *= scratch_.scores[static_cast<std::int64_t>(at)] / count;
    }
  far_.shape()->add_dipole(queries_, sums.rows, held_.data(), scratch_.stride, nullptr, sums.o,
                           sums.o_stride, scratch_.shape);
}

std::int64_t ClusterEntries::few_entries() const {
  return far_.shape() == nullptr ? kFewPanels * kernels::blocking().panel : 0;
}

void ClusterEntries::weigh_few(const RowBlock& rows, std::int64_t row, const IndexList& keys,
                               float log2_factor, float* marks) {
  const float* query = rows.query(row);
  const std::int64_t end = end_of(rows, row);
  for (std::int64_t k = 0; k < keys.count; ++k) {
    const bool there = marks[k] == 0.0f && keys[k] < end;
    marks[k] = kAbsent;
    if (!there) continue;
    const auto cluster = clusters_.cluster_of[static_cast<std::size_t>(keys[k])];
    const float* mean = far_.means().data() + cluster * far_.head_dim();
    marks[k] = std::inner_product(query, query + far_.head_dim(), mean, log2_factor);
  }
}

}  // namespace subquad
