// The keys of a head in boxes, with what a box says of them all: its center, its masses, and the
// moments of a series where it holds enough keys in little space.
#pragma once

#include <cstdint>
#include <vector>

#include "kernel_sums/boxes/box_tree.h"
#include "kernel_sums/boxes/series_error.h"
#include "kernel_sums/kernel_head.h"
#include "kernels/gauss.h"
#include "kernels/gauss_series.h"

namespace subquad {

class BoxKeys {
 public:
  // At least one key, of finite values; leaves of `leaf` keys. Moments for series within the error,
  // none without one: n terms flops for each level of boxes that have them.
  BoxKeys(const KernelHead& head, std::int64_t leaf, const SeriesError* error, int threads);

  const BoxTree& tree() const { return tree_; }
  std::int64_t channels() const { return channels_; }
  const double* center(std::int64_t node) const { return centers_.data() + node * tree_.dim(); }
  // Largest distance of its keys from the center, in bandwidths.
  double radius(std::int64_t node) const { return radii_[static_cast<std::size_t>(node)]; }
  // sum |x_k| of its keys, by channel.
  const double* mass(std::int64_t node) const { return masses_.data() + node * channels_; }
  // Its largest share of a channel's sum of |x|.
  double share(std::int64_t node) const { return shares_[static_cast<std::size_t>(node)]; }
  // Degree of its moments; 0: it has none.
  std::int64_t degree(std::int64_t node) const { return degrees_[static_cast<std::size_t>(node)]; }
  kernels::Series series(std::int64_t node) const {
    return {moments_.data() + places_[static_cast<std::size_t>(node)], tree_.dim(), degree(node),
            channels_};
  }
  // Of a leaf: coordinates from its center, in units of kDirectUnit bandwidths.
  kernels::GaussKeys keys(std::int64_t node) const {
    const BoxNode& box = tree_.node(node);
    return {points_.data() + box.begin * tree_.dim(), values_.data() + box.begin * channels_,
            box.count(), tree_.dim(), channels_};
  }

 private:
  void place_keys(const KernelHead& head);
  void measure(std::int64_t node);
  void share_masses();
  void choose_degree(std::int64_t node, const SeriesError& error);
  void gather_moments(std::int64_t node);

  BoxTree tree_;
  std::int64_t channels_;
  std::vector<double> centers_, radii_, masses_, shares_;
  std::vector<std::int64_t> degrees_, places_;
  Scratch<double> moments_;
  Scratch<float> points_, values_;
};

// exp(-|x|^2 / 2) = 2^-|x / kDirectUnit|^2.
inline constexpr double kDirectUnit = 1.17741002251547469101;  // sqrt(2 ln 2)

}  // namespace subquad
