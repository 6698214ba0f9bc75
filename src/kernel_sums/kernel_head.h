// One head of a kernel problem: its points as dense f32, those that are not finite taken out.
#pragma once

#include <cstdint>
#include <vector>

#include "core/memory.h"
#include "far/clusters/pseudo_keys.h"
#include "subquad/kernel_sums.h"

namespace subquad {

struct KernelHead {
  std::int64_t dim = 0, channels = 0;
  double scale = 0;  // of differences: exp(-|q - k|^2 / (2 sigma^2)) = 2^(-|scale (q - k)|^2 / 2)
  std::int64_t num_queries = 0, num_keys = 0;
  Scratch<float> queries, keys, values;  // row-major
  std::vector<std::int64_t> row_of;      // of each query, in the output
  std::vector<std::int64_t> nan_rows;    // of the output
  std::vector<std::int64_t> zero_rows;
  bool nan_key = false;
  bool finite_values = true;
  // Values are those of the problem times 2^-value_shift: 0 unless their sums might overflow.
  int value_shift = 0;
  float largest_value = 0;  // as given; of finite ones

  const float* query(std::int64_t i) const { return queries.data() + i * dim; }
  KeyRows key_rows() const { return {keys.data(), values.data(), num_keys, dim, channels}; }
};

// Throws Error where a coordinate is above 2^56 bandwidths. (m + n) D + n C floats.
KernelHead load_kernel_head(const KernelProblem& problem, std::int64_t batch, std::int64_t head);

}  // namespace subquad
