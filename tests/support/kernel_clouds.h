// Kernel problems that own their tensors, and their sums by a plain loop in double precision.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>
#include <vector>

#include "subquad/kernel_sums.h"
#include "support/tensor_buffer.h"

namespace subquad::testing {

struct CloudShape {
  std::int64_t batch = 1, heads = 1, queries = 1, keys = 1, dim = 1, channels = 1;
  DType dtype = DType::f32;
  Layout layout = {};
};

struct KernelCloud {
  TensorBuffer query, key, value;
  double bandwidth = 1;
  std::vector<double> bandwidths = {};  // not empty: by channel, instead

  KernelProblem problem() const {
    return {query.view(), key.view(), value.view(), bandwidths.empty() ? bandwidth : 0, bandwidths};
  }
  double bandwidth_of(std::int64_t channel) const {
    return bandwidths.empty() ? bandwidth : bandwidths[static_cast<std::size_t>(channel)];
  }
};

// Points standard normal, values too: of both signs.
KernelCloud normal_cloud(const CloudShape& s, double bandwidth, std::uint64_t seed);

// Of one output row: sums of w x and of w |x|, and the largest w.
struct PlainSums {
  std::vector<double> sum, size;
  double largest = 0;
};

// -|(q - k) / sigma|^2 / 2.
double plain_exponent(const KernelCloud& cloud, std::int64_t b, std::int64_t h, std::int64_t i,
                      std::int64_t k);

PlainSums plain_sums(const KernelCloud& cloud, std::int64_t b, std::int64_t h, std::int64_t i);

struct KernelRun {
  TensorBuffer out;
  KernelReport report;
};

KernelRun run_kernel_sums(const KernelProblem& problem, std::string_view spec,
                          const Options& options = {}, DType dtype = DType::f32,
                          const Layout& layout = {});

// |out - plain|_F / |plain|_F over all rows of all heads.
double relative_error(const KernelCloud& cloud, const TensorBuffer& out);

}  // namespace subquad::testing
