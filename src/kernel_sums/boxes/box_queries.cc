#include "kernel_sums/boxes/box_queries.h"

#include <algorithm>

namespace subquad {

using kernels::kGaussQueries;

BoxQueries::BoxQueries(const BoxTree& queries, const BoxKeys& keys)
    : queries_(queries),
      keys_(keys),
      places_(queries.dim() * kGaussQueries),
      offsets_(queries.dim() * kGaussQueries),
      near_(queries.dim() * kGaussQueries),
      part_(keys.channels() * kGaussQueries),
      sums_(keys.channels() * kGaussQueries) {}

void BoxQueries::load(std::int64_t leaf) {
  leaf_ = queries_.node(leaf);
  std::ranges::fill(sums_.span(), 0.0);
  for (std::int64_t i = 0; i < kGaussQueries; ++i) {
    const double* point = queries_.point(std::min(leaf_.begin + i, leaf_.end - 1));
    for (std::int64_t c = 0; c < queries_.dim(); ++c) places_[c * kGaussQueries + i] = point[c];
  }
}

void BoxQueries::look_from(const double* center) {
  for (std::int64_t c = 0; c < queries_.dim(); ++c)
    for (std::int64_t i = 0; i < kGaussQueries; ++i)
      offsets_[c * kGaussQueries + i] = places_[c * kGaussQueries + i] - center[c];
}

void BoxQueries::meet_keys(std::int64_t node) {
  look_from(keys_.center(node));
  for (std::int64_t i = 0; i < near_.size(); ++i)
    near_[i] = static_cast<float>(offsets_[i] * (1 / kDirectUnit));
  std::ranges::fill(part_.span(), 0.0f);
  kernels::gauss_direct(near_.data(), leaf_.count(), keys_.keys(node), part_.data());
  for (std::int64_t i = 0; i < part_.size(); ++i) sums_[i] += double{part_[i]};
}

void BoxQueries::add_series(std::int64_t node, std::int64_t degree) {
  look_from(keys_.center(node));
  kernels::gauss_series(offsets_.data(), leaf_.count(), keys_.series(node), degree, sums_.data());
}

void BoxQueries::store(float* out) const {
  for (std::int64_t i = 0; i < leaf_.count(); ++i) {
    float* row = out + queries_.id(leaf_.begin + i) * keys_.channels();
    for (std::int64_t c = 0; c < keys_.channels(); ++c)
      row[c] = static_cast<float>(sums_[c * kGaussQueries + i]);
  }
}

}  // namespace subquad
