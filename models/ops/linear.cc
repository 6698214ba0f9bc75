#include "ops/linear.h"

#include <utility>

#include "core/isa.h"
#include "core/round_up.h"
#include "kernels/elementwise.h"
#include "kernels/gemm.h"

namespace subquad::ops {

Linear::Linear(const kernels::RowSource& weight, std::vector<float> bias)
    : inputs_(weight.width), bias_(std::move(bias)) {
  ensure_isa();
  const kernels::Blocking blocking = kernels::blocking();
  padded_ = round_up(outputs(), blocking.lanes);
  packed_.resize(static_cast<std::size_t>(round_up(outputs(), blocking.panel) * inputs_));
  panel_stride_ = kernels::pack_transposed(weight, packed_.data());
}

void Linear::apply(const Rows& x, const Rows& y) const {
  const kernels::RightMatrix weight{packed_.data(), panel_stride_, kernels::blocking().panel};
  kernels::gemm({x.data, x.stride, 1}, weight, x.count, outputs(), inputs_, y.data, y.stride,
                false);
  for (std::int64_t r = 0; r < x.count; ++r) kernels::add(bias_.data(), outputs(), y.row(r));
}

}  // namespace subquad::ops
