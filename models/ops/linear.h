// y = x W^T + b with W packed once.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/pack.h"
#include "ops/rows.h"

namespace subquad::ops {

class Linear {
 public:
  Linear() = default;
  // weight: `outputs` rows of `inputs` channels, any storage type; bias: `outputs` values.
  Linear(const kernels::RowSource& weight, std::vector<float> bias);

  std::int64_t inputs() const { return inputs_; }
  std::int64_t outputs() const { return static_cast<std::int64_t>(bias_.size()); }
  // Floats that a row of y must have room for (outputs() in whole vectors); those past outputs()
  // are overwritten with zeros.
  std::int64_t padded_outputs() const { return padded_; }
  // y = x W^T + b. A row's result does not depend on which rows share the call.
  void apply(const Rows& x, const Rows& y) const;

 private:
  std::int64_t inputs_ = 0, padded_ = 0, panel_stride_ = 0;
  std::vector<float> packed_;
  std::vector<float> bias_;
};

}  // namespace subquad::ops
