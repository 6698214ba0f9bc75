#include "heavy/rivals/antidiagonal_scores.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/round_up.h"
#include "kernels/gemm.h"
#include "kernels/pack.h"
#include "kernels/softmax.h"
#include "rows/placed_rows.h"
#include "rows/visible_keys.h"

namespace subquad {
namespace {

constexpr float kMasked = -std::numeric_limits<float>::infinity();

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

}  // namespace

AntidiagonalScores::AntidiagonalScores(const HeadProblem& head, std::int64_t block,
                                       std::int64_t stride)
    : head_(head),
      block_(block),
      stride_(stride),
      groups_(ceil_div(head.num_keys, stride)),
      placed_(static_cast<std::size_t>(head.num_rows()), 0),
      used_group_(static_cast<std::size_t>(groups_), 0) {
  const PlacedRows rows(head);
  for (std::int64_t i = 0; i < rows.all().count; ++i)
    placed_[static_cast<std::size_t>(rows.all()[i])] = 1;
  pack_keys();
}

void AntidiagonalScores::pack_keys() {
  const std::int64_t dim = head_.head_dim(), depth = stride_ * dim;
  Scratch<float> keys(groups_ * depth);
  std::fill_n(keys.data(), keys.size(), 0.0f);
  const VisibleKeys visible(head_);
  for (std::int64_t i = 0; i < visible.count(); ++i) {
    const std::int64_t key = visible.all()[i];
    kernels::load_rows(head_.keys().slice(key, 1), 1.0f, keys.data() + key * dim, dim, dim);
    used_group_[static_cast<std::size_t>(key / stride_)] = 1;
  }
  kernels::RowSource source;
  source.base = keys.data();
  source.stride = source.width = depth;
  source.count = groups_;
  packed_ = Scratch<float>(round_up(groups_, kernels::blocking().panel) * depth);
  panel_stride_ = kernels::pack_transposed(source, packed_.data());
}

bool AntidiagonalScores::is_placed(std::int64_t position, std::int64_t g) const {
  return placed_[static_cast<std::size_t>(position * head_.group + g)] != 0;
}

bool AntidiagonalScores::has_rows(const Range& positions, std::int64_t g) const {
  for (std::int64_t p = positions.begin; p < positions.end; ++p)
    if (is_placed(p, g)) return true;
  return false;
}

// Groups of `stride` queries, each in reverse order, in units that make a product the mean of the
// base-2 logits along an antidiagonal.
void AntidiagonalScores::load_queries(const ScoreScope& scope, std::int64_t g, float* out) const {
  const std::int64_t dim = head_.head_dim();
  const TensorView& query = head_.problem->query;
  const float factor = head_.scale_log2 / static_cast<float>(stride_);
  for (std::int64_t p = scope.queries.begin; p < scope.queries.end; ++p) {
    if (!is_placed(p, g)) continue;
    const std::int64_t at = p - scope.queries.begin, group = at / stride_;
    float* place = out + ((group + 1) * stride_ - 1 - at % stride_) * dim;
    kernels::RowSource row;
    row.base = head_.row_in(query, p * head_.group + g);
    row.dtype = query.dtype;
    row.width = dim;
    row.count = 1;
    kernels::load_rows(row, factor, place, dim, dim);
  }
}

// The groups of keys that lie in a range, or that reach into it.
Range AntidiagonalScores::groups_of(const Range& keys, bool whole) const {
  if (keys.empty()) return {};
  const bool to_the_end = keys.end == head_.num_keys;  // the last group may be short
  if (!whole || to_the_end)
    return {whole ? ceil_div(keys.begin, stride_) : keys.begin / stride_,
            ceil_div(keys.end, stride_)};
  return {ceil_div(keys.begin, stride_), keys.end / stride_};
}

Range AntidiagonalScores::seen_groups(const ScoreScope& scope, const Range& positions) const {
  if (scope.whole) return groups_of(scope.keys, true);
  return groups_of(
      head_.visible(positions.begin * head_.group, (positions.end - 1) * head_.group + 1), false);
}

BlockShares AntidiagonalScores::shares(const ScoreScope& scope, std::int64_t g) const {
  const auto blocks = static_cast<std::size_t>(ceil_div(head_.num_keys, block_));
  BlockShares shares{std::vector<double>(blocks, 0), std::vector<std::uint8_t>(blocks, 0)};
  const std::int64_t panel = kernels::blocking().panel, depth = stride_ * head_.head_dim();
  const Range all = groups_of(scope.keys, scope.whole);
  const std::int64_t rows = ceil_div(scope.queries.end - scope.queries.begin, stride_);
  if (all.empty() || rows <= 0) return shares;
  const std::int64_t first = all.begin / panel * panel, columns = all.end - first;
  const std::int64_t width = round_up(columns, panel);
  Scratch<float> queries(rows * depth), scores(rows * width);
  std::fill_n(queries.data(), queries.size(), 0.0f);
  load_queries(scope, g, queries.data());
  kernels::gemm({queries.data(), depth, 1},
                {packed_.data() + first / panel * panel_stride_, panel_stride_, panel}, rows,
                columns, depth, scores.data(), width, false);
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int64_t begin = scope.queries.begin + r * stride_;
    const Range positions{begin, std::min(begin + stride_, scope.queries.end)};
    if (has_rows(positions, g))
      add_row(scores.data() + r * width, first, seen_groups(scope, positions), shares);
  }
  return shares;
}

// The softmax of a group of queries, block by block; `scores` begins at group `first` of the keys.
void AntidiagonalScores::add_row(float* scores, std::int64_t first, Range groups,
                                 BlockShares& shares) const {
  const auto block_of = [&](std::int64_t group) {
    return static_cast<std::size_t>(group * stride_ / block_);
  };
  std::fill(scores, scores + std::max<std::int64_t>(groups.begin - first, 0), kMasked);
  float top = kMasked;
  for (std::int64_t group = groups.begin; group < groups.end; ++group) {
    float& score = scores[group - first];
    if (used_group_[static_cast<std::size_t>(group)] == 0) {
      score = kMasked;
    } else if (!std::isfinite(score)) {
      shares.wild[block_of(group)] = 1;
      score = kMasked;
    }
    top = std::max(top, score);
  }
  if (top == kMasked) return;
  kernels::exp2_rows(scores, 0, 1, groups.end - first, &top);
  double sum = 0;
  for (std::int64_t group = groups.begin; group < groups.end; ++group) sum += scores[group - first];
  for (std::int64_t group = groups.begin; group < groups.end; ++group)
    shares.share[block_of(group)] += scores[group - first] / sum;
  shares.empty = false;
}

}  // namespace subquad
