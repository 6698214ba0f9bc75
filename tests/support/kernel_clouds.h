// Kernel problems that own their tensors, and their sums by a plain loop in double precision.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "subquad/kernel_sums.h"
#include "support/draw.h"
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

  KernelProblem problem() const { return {query.view(), key.view(), value.view(), bandwidth}; }
};

// Points standard normal, values too: of both signs.
inline KernelCloud normal_cloud(const CloudShape& s, double bandwidth, std::uint64_t seed) {
  KernelCloud cloud{{s.dtype, {s.batch, s.heads, s.queries, s.dim}, s.layout},
                    {s.dtype, {s.batch, s.heads, s.keys, s.dim}, s.layout},
                    {s.dtype, {s.batch, s.heads, s.keys, s.channels}, s.layout},
                    bandwidth};
  Draw draw(seed);
  for (TensorBuffer* tensor : {&cloud.query, &cloud.key, &cloud.value})
    tensor->fill([&] { return draw.normal(); });
  return cloud;
}

// Of one output row: sums of w x and of w |x|, and the largest w.
struct PlainRow {
  std::vector<double> sum, size;
  double largest = 0;
};

inline PlainRow plain_row(const KernelCloud& cloud, std::int64_t b, std::int64_t h,
                          std::int64_t i) {
  const Shape4 &keys = cloud.key.shape(), &values = cloud.value.shape();
  PlainRow row{std::vector<double>(static_cast<std::size_t>(values[3])),
               std::vector<double>(static_cast<std::size_t>(values[3])), 0};
  for (std::int64_t k = 0; k < keys[2]; ++k) {
    double square = 0;
    for (std::int64_t d = 0; d < keys[3]; ++d) {
      const double difference = cloud.query.get(b, h, i, d) - cloud.key.get(b, h, k, d);
      square += difference * difference;
    }
    const double weight = std::exp(-square / (2 * cloud.bandwidth * cloud.bandwidth));
    row.largest = std::max(row.largest, weight);
    for (std::int64_t c = 0; c < values[3]; ++c) {
      const double x = cloud.value.get(b, h, k, c);
      row.sum[static_cast<std::size_t>(c)] += weight * x;
      row.size[static_cast<std::size_t>(c)] += weight * std::abs(x);
    }
  }
  return row;
}

struct KernelRun {
  TensorBuffer out;
  KernelReport report;
};

inline KernelRun run_kernel_sums(const KernelProblem& problem, std::string_view spec,
                                 const Options& options = {}, DType dtype = DType::f32,
                                 const Layout& layout = {}) {
  KernelRun run{{dtype,
                 {problem.query.batch(), problem.query.heads(), problem.query.length(),
                  problem.value.channels()},
                 layout},
                {}};
  run.report = kernel_sums(problem, spec, {run.out.mutable_view()}, options);
  return run;
}

// |out - plain|_F / |plain|_F over all rows of all heads.
inline double relative_error(const KernelCloud& cloud, const TensorBuffer& out) {
  double error = 0, size = 0;
  const Shape4& shape = out.shape();
  for (std::int64_t b = 0; b < shape[0]; ++b)
    for (std::int64_t h = 0; h < shape[1]; ++h)
      for (std::int64_t i = 0; i < shape[2]; ++i) {
        const PlainRow row = plain_row(cloud, b, h, i);
        for (std::int64_t c = 0; c < shape[3]; ++c) {
          const double expected = row.sum[static_cast<std::size_t>(c)];
          error += std::pow(out.get(b, h, i, c) - expected, 2);
          size += expected * expected;
        }
      }
  return std::sqrt(error / size);
}

}  // namespace subquad::testing
