// What the calls of kernel_sums.h share: checks, and rows of their outputs.
#pragma once

#include <cstdint>
#include <vector>

#include "core/region.h"
#include "kernel_sums/kernel_head.h"
#include "subquad/kernel_sums.h"

namespace subquad {

// Throw Error (invalid_argument) that names the argument.
void check_kernel_problem(const KernelProblem& p);
void check_kernel_out(const KernelProblem& p, const MutableTensorView& out);
void check_kernel_options(const Options& options);
// Errors in the points of a later head come before anything is written.
void check_kernel_heads(const KernelProblem& p);

Shape4 kernel_out_shape(const KernelProblem& p);
std::vector<Region> kernel_inputs(const KernelProblem& p);

// The rows of one head of an output.
class OutRows {
 public:
  OutRows(const MutableTensorView& view, std::int64_t batch, std::int64_t head)
      : view_(view), batch_(batch), head_(head) {}
  void store(std::int64_t row, const float* numbers, float factor = 1) const;
  void fill(const std::vector<std::int64_t>& rows, float number) const;

 private:
  const MutableTensorView& view_;
  std::int64_t batch_, head_;
};

}  // namespace subquad
