// The derivative of the far field's correction by the probe rows: the adjoint of the ridge fit, and
// of the probes' exact sums.
//
// source: ours (docs/theory/far_field.md, the fit); adjoint of the fit in ridge_fit.h. With F_ic
// = n_c w_c(q_i) / L_i, T_i = missed_i / L_i and the correction n_c C: dC gives dT and dF; the
// derivative by log L_i is -(<dF_i, F_i> + <dT_i, T_i>), so L does not cancel.
// cost: constructor as the forward's fit, p R^2 + R^3 / 3; add_gradients 6 p R Dv flops a prefix
// and 2 p n (3 D + 2 Dv). p (2 R + 3 Dv) floats for each prefix.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "far/clusters/cluster_shape_backward.h"
#include "far/multipole_model.h"
#include "far/fit/ridge_fit.h"
#include "subquad/attention.h"

namespace subquad {

// Row-major, rows padded to whole vectors.
struct PaddedMatrix {
  PaddedMatrix(std::int64_t rows, std::int64_t columns);
  float* row(std::int64_t i) { return data.data() + i * stride; }
  const float* row(std::int64_t i) const { return data.data() + i * stride; }

  std::int64_t rows, columns, stride;
  Scratch<float> data;
};

class MultipoleFitBackward {
 public:
  // `model` must outlive this. Throws Error if the fit cannot be made again.
  MultipoleFitBackward(const MultipoleModel& model, MultipoleProbes probes, int threads);

  // Adds the correction of each prefix to its coefficients, R x (Dv + 1).
  void add_correction(std::vector<std::vector<float>>& coefficients) const;

  // What the gradients of the correction give: to the probes' queries, to keys and values, and to
  // the means of the clusters (R x D, less a factor ln 2). shape: gains those by the clusters'
  // slopes and spreads; nullptr: order 0.
  void add_gradients(const std::vector<std::vector<double>>& grad_coefficients,
                     const BackwardArguments& arguments, std::vector<double>& grad_means,
                     ClusterShapeBackward* shape, int threads) const;

 private:
  void weigh_clusters();
  void sum_targets();
  PaddedMatrix scaled(const std::vector<std::vector<double>>& grad_coefficients) const;
  double product(const PaddedMatrix& solved) const;
  PaddedMatrix grad_features(const PaddedMatrix& solved, const PaddedMatrix& grad_targets,
                             int threads) const;

  const MultipoleModel& model_;
  MultipoleProbes probes_;
  std::int64_t count_, size_, columns_;  // p, R, prefixes (Dv + 1)
  PaddedMatrix weights_;                 // w_c(q_i) / L_i
  Scratch<float> features_;              // F, p x R
  PaddedMatrix targets_;                 // T, p x columns
  std::unique_ptr<RidgeFit> fit_;
  PaddedMatrix solution_;  // C, R x columns
};

}  // namespace subquad
