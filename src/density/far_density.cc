#include "density/far_density.h"

#include <cmath>
#include <numbers>
#include <utility>

#include <fmt/format.h>

#include "core/checks.h"
#include "density/interval.h"
#include "kernel_sums/kernel_far_options.h"
#include "subquad/kernel_sums.h"

namespace subquad {

FarDensity::FarDensity(const DensityStore& store, std::string spec, int threads)
    : store_(store),
      spec_(std::move(spec)),
      rows_(store.scaled_rows(threads)),
      ones_(static_cast<std::size_t>(store.count()), 1.0f) {}

std::vector<DensityEstimate> FarDensity::estimate(const DensityQueries& queries,
                                                  const DensityTarget& target, int threads) const {
  std::vector<float> sums(static_cast<std::size_t>(queries.count));
  const auto view = [](const std::vector<float>& values, std::int64_t rows, std::int64_t columns) {
    return dense_view(values.data(), DType::f32, {1, 1, rows, columns});
  };
  const std::int64_t n = store_.count(), m = queries.count;
  const KernelProblem problem{dense_view(queries.rows, DType::f32, {1, 1, m, queries.dim}),
                              view(rows_, n, store_.dim()), view(ones_, n, 1),
                              1 / std::sqrt(2 * std::numbers::ln2)};  // 2^-x^2
  const KernelReport report =
      kernel_sums(problem, spec_, {dense_view(sums.data(), DType::f32, {1, 1, m, 1})},
                  {threads, store_.seed()});
  double square = 0;
  for (const float sum : sums)
    square += std::pow(double{sum} / static_cast<double>(n), 2) / static_cast<double>(m);
  const double half =
      normal_quantile(target.confidence) * report.estimated_error * std::sqrt(square);
  std::vector<DensityEstimate> out;
  const double entries = static_cast<double>(report.scored_entries) / static_cast<double>(m);
  for (const float sum : sums)
    out.push_back({double{sum} / static_cast<double>(n), half, std::lround(entries), entries});
  return out;
}

std::unique_ptr<DensityEstimator> make_far_density(const SpecPart& spec, const DensityStore& store,
                                                   int threads) {
  (void)read_kernel_far_options(spec);  // what is wrong is said before the work
  if (store.dim() > kMaxChannels)
    throw_invalid(fmt::format("method '{}': at most {} columns, the points have {}", to_text(spec),
                              kMaxChannels, store.dim()));
  return std::make_unique<FarDensity>(store, to_text(spec), threads);
}

}  // namespace subquad
