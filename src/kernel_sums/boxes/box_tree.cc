#include "kernel_sums/boxes/box_tree.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

namespace subquad {

BoxTree::BoxTree(const float* points, std::int64_t count, const std::vector<float>& scales,
                 std::int64_t leaf, double widest)
    : dim_(std::ssize(scales)),
      leaf_(leaf),
      widest_(widest),
      ids_(static_cast<std::size_t>(count)),
      points_(count * dim_),
      given_(count * dim_) {
  const double unit = 1 / std::sqrt(std::numbers::log2e);
  for (std::int64_t i = 0; i < count; ++i)
    for (std::int64_t c = 0; c < dim_; ++c)
      given_[i * dim_ + c] =
          double{points[i * dim_ + c]} * (unit * double{scales[static_cast<std::size_t>(c)]});
  std::iota(ids_.begin(), ids_.end(), 0);
  build(0, count);
  for (std::int64_t i = 0; i < count; ++i)
    std::copy_n(given_.data() + id(i) * dim_, dim_, points_.data() + i * dim_);
  given_ = {};
}

std::int64_t BoxTree::widest_side(std::int64_t node) const {
  std::int64_t widest = 0;
  for (std::int64_t c = 1; c < dim_; ++c)
    if (high(node)[c] - low(node)[c] > high(node)[widest] - low(node)[widest]) widest = c;
  return widest;
}

// Of full leaves half, the odd one to the first.
std::int64_t BoxTree::middle_of(std::int64_t begin, std::int64_t end) const {
  const std::int64_t count = end - begin, leaves = (count + leaf_ - 1) / leaf_;
  return begin + (count > leaf_ ? (leaves + 1) / 2 * leaf_ : count / 2);
}

std::int64_t BoxTree::build(std::int64_t begin, std::int64_t end) {
  const auto self = std::ssize(nodes_);
  nodes_.push_back({begin, end, 0});
  const double* first = given_.data() + id(begin) * dim_;
  sides_.insert(sides_.end(), first, first + dim_);
  sides_.insert(sides_.end(), first, first + dim_);
  double* low = sides_.data() + 2 * self * dim_;
  for (std::int64_t i = begin; i < end; ++i)
    for (std::int64_t c = 0; c < dim_; ++c) {
      const double x = given_[id(i) * dim_ + c];
      low[c] = std::min(low[c], x);
      low[dim_ + c] = std::max(low[dim_ + c], x);
    }
  const std::int64_t side = widest_side(self);
  const bool wide = low[dim_ + side] - low[side] > widest_;
  if (end - begin <= (wide ? 1 : leaf_)) return self;
  const std::int64_t middle = middle_of(begin, end);
  const auto at = [&](std::int64_t i) { return ids_.begin() + static_cast<std::ptrdiff_t>(i); };
  std::nth_element(at(begin), at(middle), at(end), [&](std::int32_t a, std::int32_t b) {
    const double x = given_[a * dim_ + side], y = given_[b * dim_ + side];
    return x < y || (x == y && a < b);
  });
  build(begin, middle);
  nodes_[static_cast<std::size_t>(self)].right = build(middle, end);
  return self;
}

double squared_gap(const QueryBox& queries, const BoxTree& tree, std::int64_t node) {
  const double *low = tree.low(node), *high = tree.high(node);
  double sum = 0;
  for (std::int64_t c = 0; c < tree.dim(); ++c) {
    const double gap = std::max({0.0, low[c] - queries.high[c], queries.low[c] - high[c]});
    sum += gap * gap;
  }
  return sum;
}

std::vector<std::int64_t> BoxTree::leaves() const {
  std::vector<std::int64_t> all;
  for (std::int64_t i = 0; i < std::ssize(nodes_); ++i)
    if (node(i).is_leaf()) all.push_back(i);
  return all;
}

}  // namespace subquad
