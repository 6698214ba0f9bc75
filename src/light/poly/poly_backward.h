// The derivative of a polynomial model: of the sums over all held keys, and of the entries that are
// subtracted from them.
//
// With g_i = (dO_i, offset_i) / l_i:
//   dphi(q_i) = S g_i, S the sums of the forward; dphi(k_j) = R (v_j, 1), dv_j = R^T phi(k_j),
//   R = sum_i phi(q_i) g_i^T over the rows that hold the key, times the monomials' weights;
// and from derivatives by the monomials those by the channels, in the order of their making. The
// coefficients are constants (row_polynomials.h).
// cost: r (Dv + 1) multiply-adds twice a row and twice a key; memory: Dv + 1 floats a row, and the
// forward's sums once more.
#pragma once

#include <memory>
#include <vector>

#include "light/poly/feature_sums.h"
#include "light/poly/poly_model.h"
#include "parts/model_backward.h"
#include "rows/backward_sums.h"
#include "subquad/attention.h"

namespace subquad {

class PolyBackward final : public ModelBackward {
 public:
  // What is given must outlive this.
  PolyBackward(const PolyModel& model, const BackwardArguments& arguments);

  std::unique_ptr<ModelBackward::Worker> make_worker() override;
  void finish(int threads) override;

 private:
  class GroupWorker;
  class KeyWorker;
  struct KeyPiece {
    IndexList keys;
    std::int64_t slot;  // of R
  };

  float* row_grads(std::int64_t row) { return row_grads_.data() + row * grad_stride_; }
  void sum_rows(int threads);
  std::vector<KeyPiece> key_pieces() const;
  SumTerms row_terms();

  const PolyModel& model_;
  BackwardArguments arguments_;
  WantedGradients wanted_;
  std::int64_t grad_stride_;
  Scratch<float> row_grads_;  // g_i of all rows
  FeatureSums rows_sums_;     // R
  std::int64_t last_piece_ = 0;
};

}  // namespace subquad
