// A tree of boxes over the points of a kernel problem.
//
// source: the k-d tree of dual-tree kernel sums (Gray and Moore 2000), halved at the median of the
// widest side, leaves of equal size but where points are far apart.
// cost: n log2(n / leaf) steps of selection; n D doubles and 2 D doubles a box.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "core/memory.h"

namespace subquad {

struct BoxNode {
  std::int64_t begin = 0, end = 0;  // its points, in the tree's order
  std::int64_t right = 0;           // its second half; the first one is the next node. 0: a leaf

  std::int64_t count() const { return end - begin; }
  bool is_leaf() const { return right == 0; }
};

inline constexpr double kAnyWidth = std::numeric_limits<double>::infinity();

class BoxTree {
 public:
  // Rows of scales.size() floats, at least one. Coordinates are kept in bandwidths: `scales` are
  // KernelHead's. All leaves have `leaf` points but the last, and fewer where a side would be
  // longer than `widest` bandwidths.
  BoxTree(const float* points, std::int64_t count, const std::vector<float>& scales,
          std::int64_t leaf, double widest);

  std::int64_t dim() const { return dim_; }
  std::int64_t count() const { return static_cast<std::int64_t>(ids_.size()); }
  std::span<const BoxNode> nodes() const { return nodes_; }
  const BoxNode& node(std::int64_t i) const { return nodes_[static_cast<std::size_t>(i)]; }
  std::vector<std::int64_t> leaves() const;
  // In the tree's order: which point it is, and its coordinates.
  std::int32_t id(std::int64_t place) const { return ids_[static_cast<std::size_t>(place)]; }
  const double* point(std::int64_t place) const { return points_.data() + place * dim_; }
  const double* low(std::int64_t node) const { return sides_.data() + 2 * node * dim_; }
  const double* high(std::int64_t node) const { return low(node) + dim_; }

 private:
  std::int64_t build(std::int64_t begin, std::int64_t end);
  std::int64_t widest_side(std::int64_t node) const;
  std::int64_t middle_of(std::int64_t begin, std::int64_t end) const;

  std::int64_t dim_, leaf_;
  double widest_;
  std::vector<std::int32_t> ids_;
  std::vector<BoxNode> nodes_;
  std::vector<double> sides_;
  Scratch<double> points_, given_;
};

// A box of queries, in bandwidths.
struct QueryBox {
  const double* low;
  const double* high;
  std::int64_t count;
};

// Least squared distance of a query and a point of the node.
double squared_gap(const QueryBox& queries, const BoxTree& tree, std::int64_t node);

// Squared distances from which on kernels are below 2^-126, which counts as zero.
inline constexpr double kZeroGap = 180;

}  // namespace subquad
