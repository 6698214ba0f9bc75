#include "support/forward.h"

#include <algorithm>
#include <cmath>
#include <string>

#include <gtest/gtest.h>

namespace subquad::testing {

ForwardRun run_forward(const Problem& problem, DType out_type, int threads, const Layout& layout,
                       const std::string& spec) {
  const Shape4& q = problem.query.shape;
  ForwardRun run{TensorBuffer(out_type, {q[0], q[1], q[2], problem.value.shape[3]}, layout),
                 TensorBuffer(DType::f32, {q[0], q[1], q[2], 1}, layout),
                 {}};
  Options options;
  options.threads = threads;
  run.report = attend(problem, spec, {run.out.mutable_view(), run.lse.mutable_view(), {}}, options);
  return run;
}

double forward_tolerance(DType out_type) {
  const double arithmetic = 2e-6;
  if (out_type == DType::f32) return arithmetic;
  return arithmetic + std::ldexp(1.0, out_type == DType::bf16 ? -8 : -11);
}

double weight_error(const Report& report) {
  return report.path.find("bf16-") != std::string::npos ? 0.0057 : 0;
}

bool same_non_finite(double found, double expected, NonFinite rule) {
  if (rule == NonFinite::any) return !std::isfinite(found) && !std::isfinite(expected);
  return std::isnan(expected) ? std::isnan(found) : found == expected;
}

double relative_error(const TensorBuffer& got, const DenseTensor& want) {
  double squares = 0, total = 0;
  got.for_each([&](auto b, auto h, auto i, auto c) {
    const double expected = want.row(b, h, i)[c];
    squares += std::pow(got.get(b, h, i, c) - expected, 2);
    total += expected * expected;
  });
  return std::sqrt(squares / total);
}

double max_difference(const TensorBuffer& got, const DenseTensor& want, NonFinite rule) {
  double largest = 0;
  got.for_each([&](auto b, auto h, auto i, auto c) {
    const double expected = want.row(b, h, i)[c];
    const double found = got.get(b, h, i, c);
    if (same_non_finite(found, expected, rule)) return;
    const double difference = std::fabs(found - expected);
    largest = std::isfinite(difference) ? std::max(largest, difference) : HUGE_VAL;
  });
  return largest;
}

double out_error(const ForwardRun& run, const ReferenceAttention& reference, NonFinite rule) {
  const double difference = max_difference(run.out, reference.out, rule);
  return difference == 0 ? 0
                         : difference / (std::max(1.0, reference.max_score) * reference.max_value);
}

void expect_forward(const Problem& problem, const ForwardRun& run,
                    const ReferenceAttention& reference, NonFinite rule) {
  EXPECT_LE(out_error(run, reference, rule),
            forward_tolerance(run.out.type()) + 2 * weight_error(run.report));
  double largest_lse = 0;
  for (const double lse : reference.lse.values)
    if (std::isfinite(lse)) largest_lse = std::max(largest_lse, std::fabs(lse));
  const double lse_tolerance =
      2e-6 * std::max(1.0, reference.max_score) + 1.2e-7 * largest_lse + weight_error(run.report);
  EXPECT_LE(max_difference(run.lse, reference.lse), lse_tolerance);
  EXPECT_TRUE(run.out.outside_untouched());
  EXPECT_TRUE(run.lse.outside_untouched());
  EXPECT_EQ(run.report.rows,
            problem.query.batch() * problem.query.heads() * problem.query.length());
}

}  // namespace subquad::testing
