// The derivative of the linear part: of the sums over all keys, and of the entries that
// are subtracted from them.
//
// With G_ij = (dO_i . v_j + offset_i) / l_i, l_i the row's final sum of weights:
//   dphi(q_i) = sum_j G_ij phi(k_j),  dphi(k_j) = sum_i G_ij phi_q(q_i),  dv_j = sum_i p_ij dO_i /
//   l_i
// The first comes from the prefix sums of the forward, the others from R = sum of phi_q(q_i)
// (dO_i, offset_i)^T / l_i over the rows that see the key; the rows behind a block of keys join
// once all rows have been through.
// cost: 3 D (Dv + 1) multiply-adds a row and 2 a key; entries near the diagonal and subtracted
// ones 2 (D + Dv) + D each. Memory: as the forward's sums, once more.
#pragma once

#include <memory>
#include <vector>

#include "parts/model_backward.h"
#include "light/linear/linear_features.h"
#include "light/linear/linear_sums.h"
#include "subquad/attention.h"

namespace subquad {

class LinearBackward final : public ModelBackward {
 public:
  // What the arguments point to must outlive this. alone: no heavy sets; rows are then divided by
  // their sum as it stands, which is computed again: lse does not tell its sign.
  LinearBackward(const HeadProblem& head, const LinearModel& model, const LinearSums& sums,
                 bool alone, const BackwardArguments& arguments);

  std::unique_ptr<ModelBackward::Worker> make_worker() override;
  void finish(int threads) override;

 private:
  class GroupWorker;
  // Keys whose rows behind are those of slots [slot, ..).
  struct Piece {
    Range keys;
    std::int64_t slot;
  };

  bool causal() const { return head_.problem->causal != Causal::none; }
  float* slot(std::int64_t i) { return slots_.data() + i * slot_size_; }
  void join_rows_sum(std::int64_t first_row, const float* rows_sum);
  void add_up_slots(int threads);
  std::vector<Piece> pieces() const;

  const HeadProblem& head_;
  LinearModel model_;
  const LinearSums& sums_;
  bool alone_;
  BackwardArguments arguments_;
  std::int64_t joined_ = 0;
  std::int64_t slot_size_;
  // R of some rows each, as many as there are states. Causal: slot b has block b; else batches of
  // rows in turn, so that few f32 sums are long.
  Scratch<float> slots_;
};

}  // namespace subquad
