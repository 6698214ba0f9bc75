#include "kernel_sums/boxes/box_keys.h"

#include <algorithm>
#include <cmath>

#include "core/threads.h"

namespace subquad {
namespace {

// Bandwidths: coordinates from the center of a leaf are floats.
constexpr double kWidest = 8;
// Distance from a box, in bandwidths, that its series is to serve.
constexpr double kServed = 4;
// Doubles of moments for each key of the box.
constexpr std::int64_t kMomentsPerKey = 4;

}  // namespace

BoxKeys::BoxKeys(const KernelHead& head, std::int64_t leaf, const SeriesError* error, int threads)
    : tree_(head.keys.data(), head.num_keys, head.scales, leaf, kWidest),
      channels_(head.channels),
      centers_(tree_.nodes().size() * head.scales.size()),
      radii_(tree_.nodes().size()),
      masses_(tree_.nodes().size() * static_cast<std::size_t>(channels_)),
      shares_(tree_.nodes().size()),
      degrees_(tree_.nodes().size()),
      places_(tree_.nodes().size()),
      points_(head.num_keys * head.dim),
      values_(head.num_keys * channels_) {
  const auto nodes = std::ssize(tree_.nodes());
  place_keys(head);
  parallel_for(threads, nodes, [&](std::int64_t node) {
    measure(node);
    if (error != nullptr) choose_degree(node, *error);
  });
  share_masses();
  std::int64_t size = 0;
  for (std::int64_t node = 0; node < nodes; ++node) {
    places_[static_cast<std::size_t>(node)] = size;
    if (degree(node) > 0) size += channels_ * kernels::series_terms(tree_.dim(), degree(node));
  }
  moments_ = Scratch<double>(size);
  parallel_for(threads, nodes, [&](std::int64_t node) { gather_moments(node); });
}

void BoxKeys::place_keys(const KernelHead& head) {
  for (std::int64_t i = 0; i < tree_.count(); ++i)
    std::copy_n(head.values.data() + tree_.id(i) * channels_, channels_,
                values_.data() + i * channels_);
}

void BoxKeys::measure(std::int64_t node) {
  const BoxNode& box = tree_.node(node);
  const std::int64_t dim = tree_.dim();
  double* middle = centers_.data() + node * dim;
  for (std::int64_t c = 0; c < dim; ++c)
    middle[c] = tree_.low(node)[c] + (tree_.high(node)[c] - tree_.low(node)[c]) / 2;
  double* mass = masses_.data() + node * channels_;
  double largest = 0;
  for (std::int64_t i = box.begin; i < box.end; ++i) {
    double square = 0;
    for (std::int64_t c = 0; c < dim; ++c) {
      const double offset = tree_.point(i)[c] - middle[c];
      square += offset * offset;
      if (box.is_leaf()) points_[i * dim + c] = static_cast<float>(offset / kDirectUnit);
    }
    largest = std::max(largest, square);
    for (std::int64_t c = 0; c < channels_; ++c)
      mass[c] += std::abs(double{values_[i * channels_ + c]});
  }
  radii_[static_cast<std::size_t>(node)] = std::sqrt(largest);
}

void BoxKeys::share_masses() {
  for (std::int64_t node = 0; node < std::ssize(tree_.nodes()); ++node)
    for (std::int64_t c = 0; c < channels_; ++c)
      if (mass(0)[c] > 0)
        shares_[static_cast<std::size_t>(node)] =
            std::max(shares_[static_cast<std::size_t>(node)], mass(node)[c] / mass(0)[c]);
}

void BoxKeys::choose_degree(std::int64_t node, const SeriesError& error) {
  const double size = radius(node);
  const std::int64_t degree = error.level_for(0).degree_for(size * (kServed + size));
  if (degree == 0) return;
  const std::int64_t terms = kernels::series_terms(tree_.dim(), degree);
  if (terms * channels_ <= kMomentsPerKey * tree_.node(node).count())
    degrees_[static_cast<std::size_t>(node)] = degree;
}

void BoxKeys::gather_moments(std::int64_t node) {
  if (degree(node) == 0) return;
  const kernels::Series shape = series(node);
  double* moments = moments_.data() + places_[static_cast<std::size_t>(node)];
  std::fill_n(moments, channels_ * kernels::series_terms(shape.dim, shape.degree), 0.0);
  double offset[kernels::kSeriesDims];
  for (std::int64_t i = tree_.node(node).begin; i < tree_.node(node).end; ++i) {
    for (std::int64_t c = 0; c < shape.dim; ++c) offset[c] = tree_.point(i)[c] - center(node)[c];
    kernels::add_moments(offset, values_.data() + i * channels_, shape, moments);
  }
}

}  // namespace subquad
