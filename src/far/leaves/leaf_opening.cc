#include "far/leaves/leaf_opening.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/open.h"

namespace subquad {
namespace {

constexpr float kNothing = -std::numeric_limits<float>::infinity();

}  // namespace

float log2_sum(const Partial& sums, std::int64_t row) {
  return sums.l[row] > 0 ? sums.m[row] + std::log2(sums.l[row]) : kNothing;
}

LeafOpening::LeafOpening(const HeadProblem& head, const LeafIndex& index, const LeafReach& reach)
    : head_(head),
      index_(index),
      reach_(reach),
      stride_(score_stride(index.size())),
      scores_(kRows * stride_),
      reaches_(kRows * stride_),
      squares_(kRows * head.head_dim()),
      columns_(static_cast<std::size_t>(stride_)) {}

void LeafOpening::start(std::int64_t leaves, std::span<const float> limits,
                        const EntrySets& heavy) {
  leaves_ = leaves;
  limits_ = limits;
  heavy_ = &heavy;
  opened_.clear();
  whole_.clear();
}

void LeafOpening::open(const OpeningRows& rows, std::int64_t first, FilterScratch& scratch) {
  const std::int64_t count = rows.rows.count;
  kernels::gemm({rows.queries, rows.query_stride, 1}, index_.mean_keys(), count, leaves_,
                head_.head_dim(), scores_.data(), stride_, false);
  reach_.measure({rows.queries, rows.query_stride, count}, leaves_, squares_.data(),
                 reaches_.data(), stride_);
  for (std::int64_t r = 0; r < count; ++r) {
    const std::int64_t member = rows.rows[r] % head_.group;
    choose_row(static_cast<std::int32_t>(first + r), limits_[static_cast<std::size_t>(member)],
               rows.log2_sums[r], reaches_.data() + r * stride_, scores_.data() + r * stride_);
  }
  open_held(rows.rows, first, scratch);
}

// Which leaves the row opens: these have no part in its scores, the others have their size in them.
void LeafOpening::choose_row(std::int32_t row, float limit, float log2_sum, const float* reach,
                             float* scores) {
  if (limit == kNothing || log2_sum == kApart) {
    if (log2_sum != kApart) whole_.push_back(row);
    std::fill_n(scores, leaves_, kNothing);
    return;
  }
  const float size = reach_.log2_size();
  const float total = size + kernels::log2_total(scores, leaves_, log2_sum - size);
  const std::int64_t opened =
      kernels::open_columns(scores, reach, leaves_, limit + total, columns_.data());
  for (std::int64_t i = 0; i < opened; ++i)
    opened_.push_back({columns_[static_cast<std::size_t>(i)], row});
  for (std::int64_t c = 0; c < leaves_; ++c) scores[c] += size;
}

// Opens the leaves of which heavy sets hold entries.
void LeafOpening::open_held(const IndexList& rows, std::int64_t first, FilterScratch& scratch) {
  const std::int64_t chunk = index_.shape().chunk;
  for (std::int64_t c = 0; index_.leaves_in(c) < leaves_; ++c) {
    IndexList keys = index_.members(index_.leaves_in(c));
    keys.count = chunk;
    bool met = false;
    for (const EntrySet* set : *heavy_) {
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

void LeafOpening::force_open(std::int64_t first, std::int64_t chunk, std::int64_t rows) {
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
void LeafOpening::sort_by_leaf() {
  begin_.assign(static_cast<std::size_t>(leaves_) + 2, 0);
  for (const OpenedLeaf& opened : opened_) ++begin_[static_cast<std::size_t>(opened.leaf) + 2];
  for (std::size_t i = 2; i < begin_.size(); ++i) begin_[i] += begin_[i - 1];
  sorted_.resize(opened_.size());
  for (const OpenedLeaf& opened : opened_)
    sorted_[static_cast<std::size_t>(begin_[static_cast<std::size_t>(opened.leaf) + 1]++)] =
        opened.row;
}

}  // namespace subquad
