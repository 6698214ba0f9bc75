// y = x W^T + b with W packed once, and the block of rows that the model's loops hand out.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/pack.h"

namespace subquad::vit {

// Rows of activations that one work item takes: they stay in the second-level cache.
inline constexpr std::int64_t kRowBlock = 48;

// f32 rows, `stride` floats apart.
struct Rows {
  float* data = nullptr;
  std::int64_t stride = 0;
  std::int64_t count = 0;

  float* row(std::int64_t r) const { return data + r * stride; }
  Rows slice(std::int64_t begin, std::int64_t length) const { return {row(begin), stride, length}; }
};

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

}  // namespace subquad::vit
