// The Gaussian kernel matrix of one set of points as an operator: products with blocks of columns.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "subquad/attention.h"
#include "subquad/export.h"
#include "subquad/kernel_sums.h"
#include "subquad/tensor.h"

namespace subquad {

// K_ij = exp(-|p_i - p_j|^2 / (2 bandwidth^2)), n x n, symmetric, positive semidefinite, 1 on the
// diagonal: its trace is n. Products are kernel_sums() of a spec. Those of an approximate spec are
// near K X, not of one symmetric matrix exactly; far(..) fits each call to its X anew. The same
// seed and the same X give the same bits for any number of threads. Any number of threads may call
// a const member at once. Memory: the points once more as f32.
class SUBQUAD_API KernelOperator {
 public:
  // points: (1, 1, n, D), finite, n from 1, D from 1 to 512; copied. bandwidth: positive, in the
  // units of the points. spec: as kernel_sums() has it. Throws Error that names the argument.
  KernelOperator(const TensorView& points, double bandwidth, std::string_view spec,
                 const Options& options = {});
  ~KernelOperator();
  KernelOperator(KernelOperator&& other) noexcept;
  KernelOperator& operator=(KernelOperator&& other) noexcept;

  std::int64_t size() const;  // n
  // out = K x for x (1, 1, n, C), C from 1 to 512, all columns in one pass. Exact: 2 n^2 (D + C)
  // flops.
  KernelReport apply(const TensorView& x, const MutableTensorView& out) const;
  // The same by "exact", whatever the spec: the yardstick.
  KernelReport apply_exactly(const TensorView& x, const MutableTensorView& out) const;
  // out_i = sum_j exp(-|q_i - p_j|^2 / (2 bandwidth^2)) x_j at other points: queries (1, 1, m, D),
  // out (1, 1, m, C). What a solution of solve_kernel() predicts there.
  KernelReport apply_at(const TensorView& queries, const TensorView& x,
                        const MutableTensorView& out) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace subquad
