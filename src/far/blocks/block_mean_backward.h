// The derivative of the pseudo keys: of the sums over all of a row's blocks, and of the entries
// that are subtracted from them.
//
// With P_ib = 2^(q_i . mu_b) / l_i and H_ib = dO_i . (summed values of b) + offset_i count_b, less
// dO_i . v_k + offset_i for each entry k that left:
//   dq_i = sum_b P_ib H_ib mu_b, dmu_b = sum_i P_ib H_ib q_i, dv_k = sum_i P_ib dO_i (k in b)
// and a mean's gradient goes evenly to the members of its block.
// cost: 2 (D + Dv) multiply-adds for each row and block. Memory: blocks x (D + Dv) in double.
#pragma once

#include <memory>
#include <vector>

#include "far/blocks/block_mean_model.h"
#include "parts/model_backward.h"
#include "subquad/attention.h"

namespace subquad {

class BlockMeanBackward final : public ModelBackward {
 public:
  // What is given must outlive this.
  BlockMeanBackward(const BlockMeanModel& model, const BackwardArguments& arguments);

  std::unique_ptr<ModelBackward::Worker> make_worker() override;
  void finish(int threads) override;

 private:
  class GroupWorker;

  void add_to_members(std::int64_t b) const;

  const BlockMeanModel& model_;
  BackwardArguments arguments_;
  std::vector<double> grad_means_;  // size() x D, by base-2 logits
  std::vector<double> grad_sums_;   // size() x Dv
};

}  // namespace subquad
