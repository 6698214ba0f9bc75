#include "far/leaves/leaf_field.h"

#include <algorithm>

#include "kernels/gather.h"
#include "kernels/softmax.h"
#include "rows/tile_sizes.h"

namespace subquad {
namespace {

constexpr std::int64_t kBatch = 48;  // rows that meet an opened leaf together
constexpr std::int64_t kWhole = 24;  // .. all leaves

kernels::RowSums sums_of(const Partial& partial) {
  return {partial.m, partial.l, partial.o, partial.o_stride, partial.value_dim};
}

}  // namespace

LeafField::LeafField(const HeadProblem& head, const LeafIndex& index, const LeafReach& reach)
    : head_(head),
      index_(index),
      opening_(head, index, reach),
      together_(index.is_seamless() ? index.leaves_in(1) : 1),
      leaf_stride_(score_stride(together_ * index.shape().leaf)),
      queries_(kBatch * head.head_dim()),
      leaf_scores_(kBatch * leaf_stride_),
      row_ids_(static_cast<std::size_t>(kBatch)),
      gathered_(kBatch, head.value_dim()) {}

void LeafField::add(RowBlock& rows, std::int64_t prefix, std::span<const float> limits,
                    const EntrySets& heavy, ScorePanel& panel,
                    std::span<const std::uint8_t> apart) {
  const std::int64_t leaves = index_.leaves_in(prefix), count = rows.rows().count;
  log2_sums_.clear();
  for (std::int64_t i = 0; i < count; ++i) {
    const bool alone = !apart.empty() && apart[static_cast<std::size_t>(rows.rows()[i])] != 0;
    log2_sums_.push_back(alone ? kApart : log2_sum(rows.partial(), i));
  }
  opening_.start(leaves, limits, heavy);
  for (std::int64_t begin = 0; begin < count; begin += LeafOpening::kRows)
    close_rows(rows, {begin, std::min(begin + LeafOpening::kRows, count)}, panel);
  opening_.sort_by_leaf();
  for (std::int64_t leaf = 0; leaf < leaves; ++leaf) {
    const std::span<const std::int32_t> members = opening_.rows_of(leaf);
    for (std::size_t at = 0; at < members.size(); at += kBatch)
      attend_leaves(rows, {leaf, leaf + 1},
                    members.subspan(at, std::min<std::size_t>(kBatch, members.size() - at)), heavy,
                    panel);
  }
  attend_whole(rows, leaves, heavy, panel);
}

// Rows that open everything, a chunk at a time.
void LeafField::attend_whole(RowBlock& rows, std::int64_t leaves, const EntrySets& heavy,
                             ScorePanel& panel) {
  const std::span<const std::int32_t> whole = opening_.whole();
  for (std::size_t at = 0; at < whole.size(); at += kWhole)
    for (std::int64_t leaf = 0; leaf < leaves; leaf += together_)
      attend_leaves(rows, {leaf, leaf + together_},
                    whole.subspan(at, std::min<std::size_t>(kWhole, whole.size() - at)), heavy,
                    panel);
}

// Adds the closed leaves to these rows.
void LeafField::close_rows(RowBlock& rows, const Range& part, ScorePanel& panel) {
  const std::int64_t count = part.end - part.begin, leaves = opening_.leaves();
  opening_.open({rows.rows().slice(part.begin, count), rows.query(part.begin), head_.head_dim(),
                 log2_sums_.data() + part.begin},
                part.begin, panel.filter());
  const Partial sums = rows.partial().slice(part.begin, count);
  kernels::softmax_update(opening_.scores(), opening_.stride(), count, leaves, sums_of(sums));
  kernels::gemm({opening_.scores(), opening_.stride(), 1}, index_.mean_values(), count,
                head_.value_dim(), leaves, sums.o, sums.o_stride, true);
}

// The rows' queries and sums, side by side.
void LeafField::gather(const RowBlock& rows, std::span<const std::int32_t> members,
                       const Partial& sums) {
  const std::int64_t count = std::ssize(members), dim = head_.head_dim();
  const Partial to = gathered_.view(count);
  kernels::gather_rows(rows.query(0), dim, {members.data(), count, dim}, queries_.data(), dim);
  kernels::gather_rows(sums.o, sums.o_stride, {members.data(), count, sums.value_dim}, to.o,
                       to.o_stride);
  for (std::size_t i = 0; i < members.size(); ++i) {
    to.m[i] = sums.m[members[i]];
    to.l[i] = sums.l[members[i]];
    row_ids_[i] = static_cast<std::int32_t>(rows.rows()[members[i]]);
  }
}

void LeafField::put_back(std::span<const std::int32_t> members, const Partial& sums) {
  const Partial from = gathered_.view(std::ssize(members));
  kernels::put_rows(from.o, from.o_stride, {members.data(), std::ssize(members), sums.value_dim},
                    sums.o, sums.o_stride);
  for (std::size_t i = 0; i < members.size(); ++i) {
    sums.m[members[i]] = from.m[i];
    sums.l[members[i]] = from.l[i];
  }
}

// Some rows of the block meet the keys of some leaves.
void LeafField::attend_leaves(RowBlock& rows, const Range& leaves,
                              std::span<const std::int32_t> members, const EntrySets& heavy,
                              ScorePanel& panel) {
  const std::int64_t count = std::ssize(members);
  const Partial sums = rows.partial(), gathered = gathered_.view(count);
  IndexList keys = index_.members(leaves.begin);
  keys.count *= leaves.end - leaves.begin;
  gather(rows, members, sums);
  kernels::gemm({queries_.data(), head_.head_dim(), 1}, index_.keys(leaves.begin), count,
                keys.count, head_.head_dim(), leaf_scores_.data(), leaf_stride_, false);
  const IndexList listed{row_ids_.data(), 0, count, false};
  for (const EntrySet* set : heavy)
    if (set->may_meet(listed, keys))
      set->remove(listed, keys, leaf_scores_.data(), leaf_stride_, panel.filter());
  kernels::softmax_update(leaf_scores_.data(), leaf_stride_, count, keys.count, sums_of(gathered));
  kernels::gemm({leaf_scores_.data(), leaf_stride_, 1}, index_.values(leaves.begin), count,
                head_.value_dim(), keys.count, gathered.o, gathered.o_stride, true);
  put_back(members, sums);
  panel.count_entries(count * keys.count);
}

}  // namespace subquad
