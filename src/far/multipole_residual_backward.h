// The derivative of what the sample of the residual leaves of the far field (residual_sample.h).
// The sample's own weights are a run like any other, and have their derivative from the executor.
//
// source: ours. A block of rows has the coefficients rest = prior - weight (sampled values, 1):
// gradients by them go to the prior and to the sampled values. Sampled entries that heavy sets
// hold have joined again, `weight` times their share.
// cost: R Dv and m Dv a block; the entries' D + Dv.
#pragma once

#include <cstdint>
#include <vector>

#include "far/multipole_model.h"
#include "far/residual_sample.h"
#include "subquad/attention.h"

namespace subquad {

// One thread's.
class ResidualBackward {
 public:
  // P_ic = 2^(q_i . mu_c) / l_i, what the derivative of the loss by it adds up to, and that by the
  // row's sums (values first), of the rows of a block.
  struct Block {
    IndexList rows;
    const float* weights;
    float* slopes;
    float* slope_shares;  // how much of the clusters' slopes the rows hold; nullptr: order 0
    std::int64_t stride;
    const float* grads;
    std::int64_t grad_stride;
  };

  explicit ResidualBackward(const MultipoleModel& model) : model_(model) {}

  // Draws the block's sample. False: it holds all keys, nothing is left of the far field.
  bool begin(std::int64_t first_row, const FarSums& far);
  const FarShares& rest() const { return rest_; }
  // grad_rest, by rest().rows, joins the gradients by the prior: R rows of Dv + 1, all `stride`
  // apart.
  void add_rest(const float* grad_rest, std::int64_t stride, float* by_prior);
  // The sampled entries that heavy sets hold.
  void add_back(const Block& block);
  // Hands the gradients of the sampled values over.
  void flush(const BackwardArguments& arguments);

 private:
  struct ValueSums {
    std::vector<std::int32_t> keys;
    std::vector<float> sums;  // by key, Dv each
  };
  void add_back_row(const Block& block, std::int64_t row, const std::vector<float>& marks);

  const MultipoleModel& model_;
  ResidualSample::Drawn drawn_;
  FarShares rest_;
  std::vector<float> values_;  // of the drawn keys
  std::vector<ValueSums> sums_;
};

}  // namespace subquad
