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
  // Of differences, by channel: exp(-|(q - k) / sigma|^2 / 2) = 2^(-|scales (q - k)|^2 / 2).
  std::vector<float> scales;
  std::int64_t num_queries = 0, num_keys = 0;
  // Row-major. With a bandwidth for each channel (or one beyond 2^60) points are those of the
  // problem times a power of two: no bit is lost, and bandwidths are from 1 to 2.
  Scratch<float> queries, keys, values;
  std::vector<int> point_shift;        // its exponent, by channel
  std::vector<std::int64_t> row_of;    // of each query, in the output
  std::vector<std::int64_t> nan_rows;  // of the output
  std::vector<std::int64_t> zero_rows;
  std::vector<std::int64_t> key_of;  // of each key, in the problem
  std::vector<std::int64_t> nan_keys, infinite_keys;
  bool finite_values = true;
  // Values are those of the problem times 2^-value_shift: 0 unless their sums might overflow.
  int value_shift = 0;
  float largest_value = 0;  // as given; of finite ones

  bool has_nan_key() const { return !nan_keys.empty(); }
  const float* query(std::int64_t i) const { return queries.data() + i * dim; }
  KeyRows key_rows() const { return {keys.data(), values.data(), num_keys, dim, channels}; }
};

// Throws Error where a coordinate is above 2^56 bandwidths. (m + n) D + n C floats.
KernelHead load_kernel_head(const KernelProblem& problem, std::int64_t batch, std::int64_t head);

}  // namespace subquad
