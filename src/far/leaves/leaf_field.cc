#include "far/leaves/leaf_field.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/gather.h"
#include "kernels/open.h"
#include "kernels/softmax.h"
#include "rows/tile_sizes.h"

namespace subquad {
namespace {

constexpr std::int64_t kRows = 48;   // that share a pass over the pseudo keys
constexpr std::int64_t kBatch = 48;  // that meet an opened leaf together
constexpr std::int64_t kWhole = 24;  // .. all leaves

constexpr float kNothing = -std::numeric_limits<float>::infinity();

kernels::RowSums sums_of(const Partial& partial) {
  return {partial.m, partial.l, partial.o, partial.o_stride, partial.value_dim};
}

// log2 of a row's sum of weights so far.
float log2_sum(const Partial& sums, std::int64_t row) {
  return sums.l[row] > 0 ? sums.m[row] + std::log2(sums.l[row]) : kNothing;
}

}  // namespace

LeafField::LeafField(const HeadProblem& head, const LeafIndex& index, const LeafReach& reach)
    : head_(head),
      index_(index),
      reach_(reach),
      together_(index.is_seamless() ? index.leaves_in(1) : 1),
      stride_(score_stride(index.size())),
      leaf_stride_(score_stride(together_ * index.shape().leaf)),
      scores_(kRows * stride_),
      queries_(kBatch * head.head_dim()),
      leaf_scores_(kBatch * leaf_stride_),
      columns_(static_cast<std::size_t>(stride_)),
      row_ids_(static_cast<std::size_t>(kBatch)),
      gathered_(kBatch, head.value_dim()) {}

void LeafField::add(RowBlock& rows, std::int64_t prefix, std::span<const float> limits,
                    const EntrySets& heavy, ScorePanel& panel) {
  const std::int64_t leaves = index_.leaves_in(prefix), count = rows.rows().count;
  opened_.clear();
  whole_.clear();
  for (std::int64_t begin = 0; begin < count; begin += kRows)
    close_rows(rows, {begin, std::min(begin + kRows, count)}, leaves, limits, heavy, panel);
  sort_by_leaf(leaves);
  for (std::int64_t leaf = 0; leaf < leaves; ++leaf) {
    const std::int64_t end = begin_[static_cast<std::size_t>(leaf) + 1];
    for (std::int64_t at = begin_[static_cast<std::size_t>(leaf)]; at < end; at += kBatch)
      attend_leaves(rows, {leaf, leaf + 1},
                    {sorted_.data() + at, static_cast<std::size_t>(std::min(kBatch, end - at))},
                    heavy, panel);
  }
  attend_whole(rows, leaves, heavy, panel);
}

// Rows that open everything, a chunk at a time.
void LeafField::attend_whole(RowBlock& rows, std::int64_t leaves, const EntrySets& heavy,
                             ScorePanel& panel) {
  for (std::size_t at = 0; at < whole_.size(); at += kWhole)
    for (std::int64_t leaf = 0; leaf < leaves; leaf += together_)
      attend_leaves(
          rows, {leaf, leaf + together_},
          std::span(whole_).subspan(at, std::min<std::size_t>(kWhole, whole_.size() - at)), heavy,
          panel);
}

// Adds the closed leaves to these rows and notes the others.
void LeafField::close_rows(RowBlock& rows, const Range& part, std::int64_t leaves,
                           std::span<const float> limits, const EntrySets& heavy,
                           ScorePanel& panel) {
  const std::int64_t count = part.end - part.begin;
  kernels::gemm({rows.query(part.begin), head_.head_dim(), 1}, index_.mean_keys(), count, leaves,
                head_.head_dim(), scores_.data(), stride_, false);
  for (std::int64_t r = 0; r < count; ++r) {
    const std::int64_t member = rows.rows()[part.begin + r] % head_.group;
    choose_row(rows.partial(), part.begin + r, leaves, limits[static_cast<std::size_t>(member)],
               reach_.of(member), scores_.data() + r * stride_);
  }
  open_held(rows.rows().slice(part.begin, count), part.begin, leaves, heavy, panel.filter());
  const Partial sums = rows.partial().slice(part.begin, count);
  kernels::softmax_update(scores_.data(), stride_, count, leaves, sums_of(sums));
  kernels::gemm({scores_.data(), stride_, 1}, index_.mean_values(), count, head_.value_dim(),
                leaves, sums.o, sums.o_stride, true);
}

// Which leaves the row opens: these have no part in its scores, the others have their size in them.
void LeafField::choose_row(const Partial& sums, std::int64_t row, std::int64_t leaves, float limit,
                           const float* reach, float* scores) {
  if (limit == kNothing) {
    whole_.push_back(static_cast<std::int32_t>(row));
    std::fill_n(scores, leaves, kNothing);
    return;
  }
  const float size = reach_.log2_size();
  const float total = size + kernels::log2_total(scores, leaves, log2_sum(sums, row) - size);
  const std::int64_t opened =
      kernels::open_columns(scores, reach, leaves, limit + total, columns_.data());
  for (std::int64_t i = 0; i < opened; ++i)
    opened_.push_back({columns_[static_cast<std::size_t>(i)], static_cast<std::int32_t>(row)});
  for (std::int64_t c = 0; c < leaves; ++c) scores[c] += size;
}

// Opens the leaves of which heavy sets hold entries.
void LeafField::open_held(const IndexList& rows, std::int64_t first, std::int64_t leaves,
                          const EntrySets& heavy, FilterScratch& scratch) {
  const std::int64_t chunk = index_.shape().chunk;
  for (std::int64_t c = 0; index_.leaves_in(c) < leaves; ++c) {
    IndexList keys = index_.members(index_.leaves_in(c));
    keys.count = chunk;
    bool met = false;
    for (const EntrySet* set : heavy) {
      if (!set->may_meet(rows, keys)) continue;
      if (!met) {
        if (marks_.size() == 0) marks_ = Scratch<float>(kRows * chunk);
        std::fill_n(marks_.data(), rows.count * chunk, 0.0f);
      }
      met = true;
      set->remove(rows, keys, marks_.data(), chunk, scratch);
    }
    if (met) force_open(first, c, rows.count);
  }
}

void LeafField::force_open(std::int64_t first, std::int64_t chunk, std::int64_t rows) {
  const auto [size, keys] = index_.shape();
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t leaf = index_.leaves_in(chunk); leaf < index_.leaves_in(chunk + 1); ++leaf) {
      const float* marks = marks_.data() + r * keys + leaf * size - chunk * keys;
      float& score = scores_[r * stride_ + leaf];
      if (score == kNothing ||
          std::none_of(marks, marks + size, [](float mark) { return mark != 0.0f; }))
        continue;
      score = kNothing;
      opened_.push_back({static_cast<std::int32_t>(leaf), static_cast<std::int32_t>(first + r)});
    }
}

// By leaf, rows in the order they came.
void LeafField::sort_by_leaf(std::int64_t leaves) {
  begin_.assign(static_cast<std::size_t>(leaves) + 2, 0);
  for (const OpenedLeaf& opened : opened_) ++begin_[static_cast<std::size_t>(opened.leaf) + 2];
  for (std::size_t i = 2; i < begin_.size(); ++i) begin_[i] += begin_[i - 1];
  sorted_.resize(opened_.size());
  for (const OpenedLeaf& opened : opened_)
    sorted_[static_cast<std::size_t>(begin_[static_cast<std::size_t>(opened.leaf) + 1]++)] =
        opened.row;
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
  kernels::scatter_rows(from.o, from.o_stride,
                        {members.data(), std::ssize(members), sums.value_dim}, sums.o,
                        sums.o_stride);
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
