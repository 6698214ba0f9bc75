// The fit of a far field's coefficients to probe rows: what attention, causal attention and kernel
// sums share of it.
//
// source: ours (docs/theory/far_field.md, section 4): ridge regression of what the clusters miss at
// the probes on the clusters' weights there, each times its count. The ridge is the one whose
// error is least, an error for which each probe is left out of the fit in turn (ridge_fit.h).
// cost: p R^2 + R^3 / 3 and p R^2 flops a ridge, 2 c R (p + R) a solve; p R floats.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "far/fit/ridge_fit.h"

namespace subquad {

class ProbeFit {
 public:
  // features: p x R, row-major; their scale is the caller's.
  ProbeFit(std::vector<float> features, std::int64_t probes, int threads);

  // Fits with that ridge, relative to the mean squared feature, and keeps it where error_of() of
  // this fit is less than with the ridge before it; the first that can be fitted is kept whatever
  // its error. Whether it was kept.
  bool try_ridge(double ridge, const std::function<double()>& error_of);

  bool ok() const { return fit_ != nullptr; }  // false: no ridge gave a fit
  double ridge() const { return ridge_; }      // the one kept

  // With a fit: coefficients, R x columns, for targets p x columns.
  std::vector<float> solve(const std::vector<float>& targets, std::int64_t columns) const;
  // Features times coefficients: p rows, padded_values(columns) apart.
  std::vector<float> fitted(const std::vector<float>& coefficients, std::int64_t columns) const;
  const float* features(std::int64_t probe) const { return features_.data() + probe * width_; }
  // A probe's residual divided by this is its residual under the fit without it.
  double free(std::int64_t probe) const;

  std::int64_t probes() const { return probes_; }
  std::int64_t width() const { return width_; }  // R

 private:
  std::vector<float> features_;
  std::int64_t probes_, width_;
  int threads_;
  std::unique_ptr<RidgeFit> fit_;
  std::vector<float> leverages_;
  double ridge_ = 0, error_ = 0;
};

}  // namespace subquad
