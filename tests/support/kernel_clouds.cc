#include "support/kernel_clouds.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "support/draw.h"

namespace subquad::testing {

KernelCloud normal_cloud(const CloudShape& s, double bandwidth, std::uint64_t seed) {
  KernelCloud cloud{{s.dtype, {s.batch, s.heads, s.queries, s.dim}, s.layout},
                    {s.dtype, {s.batch, s.heads, s.keys, s.dim}, s.layout},
                    {s.dtype, {s.batch, s.heads, s.keys, s.channels}, s.layout},
                    bandwidth};
  Draw draw(seed);
  for (TensorBuffer* tensor : {&cloud.query, &cloud.key, &cloud.value})
    tensor->fill([&] { return draw.normal(); });
  return cloud;
}

double plain_exponent(const KernelCloud& cloud, std::int64_t b, std::int64_t h, std::int64_t i,
                      std::int64_t k) {
  double square = 0;
  for (std::int64_t d = 0; d < cloud.key.shape()[3]; ++d)
    square += std::pow(
        (cloud.query.get(b, h, i, d) - cloud.key.get(b, h, k, d)) / cloud.bandwidth_of(d), 2);
  return -square / 2;
}

PlainSums plain_sums(const KernelCloud& cloud, std::int64_t b, std::int64_t h, std::int64_t i) {
  const Shape4 &keys = cloud.key.shape(), &values = cloud.value.shape();
  PlainSums row{std::vector<double>(static_cast<std::size_t>(values[3])),
                std::vector<double>(static_cast<std::size_t>(values[3])), 0};
  for (std::int64_t k = 0; k < keys[2]; ++k) {
    const double weight = std::exp(plain_exponent(cloud, b, h, i, k));
    row.largest = std::max(row.largest, weight);
    for (std::int64_t c = 0; c < values[3]; ++c) {
      const double x = cloud.value.get(b, h, k, c);
      row.sum[static_cast<std::size_t>(c)] += weight * x;
      row.size[static_cast<std::size_t>(c)] += weight * std::abs(x);
    }
  }
  return row;
}

KernelRun run_kernel_sums(const KernelProblem& problem, std::string_view spec,
                          const Options& options, DType dtype, const Layout& layout) {
  KernelRun run{{dtype,
                 {problem.query.batch(), problem.query.heads(), problem.query.length(),
                  problem.value.channels()},
                 layout},
                {}};
  run.report = kernel_sums(problem, spec, {run.out.mutable_view()}, options);
  return run;
}

double relative_error(const KernelCloud& cloud, const TensorBuffer& out) {
  double error = 0, size = 0;
  const Shape4& shape = out.shape();
  for (std::int64_t b = 0; b < shape[0]; ++b)
    for (std::int64_t h = 0; h < shape[1]; ++h)
      for (std::int64_t i = 0; i < shape[2]; ++i) {
        const PlainSums row = plain_sums(cloud, b, h, i);
        for (std::int64_t c = 0; c < shape[3]; ++c) {
          const double expected = row.sum[static_cast<std::size_t>(c)];
          error += std::pow(out.get(b, h, i, c) - expected, 2);
          size += expected * expected;
        }
      }
  return std::sqrt(error / size);
}

}  // namespace subquad::testing
