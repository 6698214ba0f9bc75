// The derivative of the multipole part: of its clusters' means and sums (orders 1 and 2: and of
// their slopes and spreads), of the entries that are subtracted from them, and through the fit
// of its coefficients.
//
// source: ours (docs/theory/far_field.md, section 11). The choices (clusters, groups, probes,
// opened clusters; the directions kept of slopes and spreads) are constants of the derivative;
// means, sums, moments, features and targets of the fit are not. use when: gradients of a head that
// multipole has served. cost: 4 R (D + Dv) multiply-adds a row; for the fit p n (3 D + 3 Dv) with
// the probes' sums, taken again, and 6 p R Dv for each prefix. Scratch: 2 R (264 + D + Dv) floats a
// thread, p (2 R + 3 Dv) for each prefix. Orders 1 and 2 add cluster_shape_backward.h's.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "far/clusters/cluster_shape_backward.h"
#include "parts/model_backward.h"
#include "far/fit/multipole_fit_backward.h"
#include "far/multipole_model.h"
#include "far/multipole_residual_backward.h"
#include "subquad/attention.h"

namespace subquad {

class MultipoleBackward final : public ModelBackward {
 public:
  // What the model and the arguments point to must outlive this.
  MultipoleBackward(MultipoleModel model, MultipoleProbes probes,
                    const BackwardArguments& arguments, int threads);

  std::unique_ptr<ModelBackward::Worker> make_worker() override;
  void finish(int threads) override;

 private:
  class GroupWorker;
  // Sums over rows of one prefix' coefficients.
  struct CoefficientSums {
    std::int64_t prefix;  // 0: those of the opened clusters' prior alone
    Scratch<float> sums;  // R x (Dv + 1), rows a stride apart
  };

  void set_coefficients();
  void add_sums(const CoefficientSums& sums, std::int64_t stride);
  void add_to_keys(std::int64_t cluster) const;
  void add_to_values(std::int64_t cluster) const;

  MultipoleModel model_;
  BackwardArguments arguments_;
  std::unique_ptr<ClusterShapeBackward> shape_;         // nullptr: order 0
  std::unique_ptr<MultipoleFitBackward> fit_;           // nullptr: no probes
  std::vector<std::vector<float>> coefficients_;        // of each prefix, R x (Dv + 1)
  std::vector<double> grad_means_;                      // R x D, lacks a factor ln 2
  std::vector<std::vector<double>> grad_coefficients_;  // of each prefix
  std::vector<double> grad_opened_;                     // of the opened clusters' prior
};

}  // namespace subquad
