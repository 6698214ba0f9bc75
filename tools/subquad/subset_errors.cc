#include "subset_errors.h"

#include <algorithm>
#include <cmath>

#include "subquad/measure.h"

namespace subquad::cli {
namespace {

double squared_norm(const TensorView& view) {
  double sum = 0;
  const auto* data = static_cast<const float*>(view.data);
  for (std::int64_t b = 0; b < view.batch(); ++b)
    for (std::int64_t h = 0; h < view.heads(); ++h)
      for (std::int64_t i = 0; i < view.length(); ++i)
        for (std::int64_t c = 0; c < view.channels(); ++c) {
          const double x = data[view.offset(b, h, i) + c * view.stride[3]];
          sum += x * x;
        }
  return sum;
}

// Sums over slices, from which the pooled errors follow.
struct Pool {
  double error2 = 0, norm2 = 0, rows = 0, max_over_vmax = 0;
  double over_1pct = 0, over_5pct = 0, over_20pct = 0;  // rows

  void add(const ErrorMetrics& errors, const TensorView& exact) {
    const double norm = squared_norm(exact), count = static_cast<double>(exact.length());
    error2 += errors.rel_fro * errors.rel_fro * norm;
    norm2 += norm;
    rows += count;
    max_over_vmax = std::max(max_over_vmax, errors.max_over_vmax);
    over_1pct += count * errors.rows_over_1pct;
    over_5pct += count * errors.rows_over_5pct;
    over_20pct += count * errors.rows_over_20pct;
  }
};

}  // namespace

void add_errors(RunRecord& run, const std::vector<SliceOutputs>& slices, int threads) {
  MeasureOptions options;
  options.operator_norm = false;
  options.threads = threads;
  Pool pool;
  for (const SliceOutputs& slice : slices)
    pool.add(measure_errors(*slice.problem, slice.approx, slice.exact, options).back(),
             slice.exact);
  if (!(pool.norm2 > 0) || std::isnan(pool.error2)) return;
  run.rel_fro = std::sqrt(pool.error2 / pool.norm2);
  run.max_over_vmax = pool.max_over_vmax;
  run.rows_over_1pct = pool.over_1pct / pool.rows;
  run.rows_over_5pct = pool.over_5pct / pool.rows;
  run.rows_over_20pct = pool.over_20pct / pool.rows;
}

}  // namespace subquad::cli
