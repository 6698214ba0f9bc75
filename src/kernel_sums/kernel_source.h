// Points of a kernel problem as attention's queries and keys: relative to a center, in units that
// make the logits q . k - |k|^2 / 2, and less |q|^2 / 2 the logarithm of a Gaussian kernel.
//
// A center near the queries keeps the bits where the kernel is not small: a query at a distance r
// (in bandwidths) from it has a relative error of about r^2 2^-23.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "core/index_list.h"
#include "rows/key_source.h"
#include "rows/partial.h"

namespace subquad {

// Keys (rows of D) and what each adds (rows of C). With `spread` t, key j stands for a cloud of
// keys of variance t[j] sigma^2 in every direction: (1 + t)^(-D / 2) exp(-|q - k|^2 / (2 sigma^2 (1
// + t))).
struct KernelSource {
  const float* points;
  const float* values;
  const float* spread = nullptr;
  const float* bias = nullptr;  // log2 of a weight of each key; kernels are then above 1
};

// Sizes, and the scales of differences by channel: as KernelHead's, which must outlive it.
struct KernelFrame {
  std::int64_t dim, channels;
  const float* scales;
  bool with_spread;  // whether sources may have one; one more channel then

  std::int64_t width() const { return dim + (with_spread ? 1 : 0); }
  // Writes a query, `width` numbers; returns |q|^2 / 2, its largest logit.
  float place_query(const float* query, const float* center, float* out) const;
  // Writes a key of a source; returns its bias.
  float place_key(const KernelSource& source, std::int64_t j, const float* center,
                  float* out) const;
};

// A source as seen from a center. What is passed must outlive it.
class CenteredKeys final : public KeySource {
 public:
  CenteredKeys(const KernelFrame& frame, const KernelSource& source, const float* center)
      : frame_(frame), source_(source), center_(center) {}
  void load(const IndexList& keys, float* points, float* values, float* bias) const override;

 private:
  const KernelFrame& frame_;
  KernelSource source_;
  const float* center_;
};

// out[c] = sums of row r as they are, for its half square: not divided, scaled back by 2^m.
template <typename Number>
void read_sums(const Partial& sums, std::int64_t r, float half_square, Number* out) {
  const double factor = std::exp2(double{sums.m[r]} - double{half_square});
  for (std::int64_t c = 0; c < sums.value_dim; ++c)
    out[c] = static_cast<Number>(factor * double{sums.o[r * sums.o_stride + c]});
}

// Coordinate by coordinate, of the listed rows.
std::vector<float> median_point(const float* points, const IndexList& rows, std::int64_t dim);

}  // namespace subquad
