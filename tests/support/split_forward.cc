#include "support/split_forward.h"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

namespace subquad::testing {
namespace {

// |out - expected|_2 of a row; 0 where an element is not finite.
double error_of(const TensorBuffer& out, const DenseTensor& expected, std::int64_t b,
                std::int64_t h, std::int64_t i) {
  double square = 0;
  for (std::int64_t c = 0; c < out.shape()[3]; ++c) {
    const double difference = out.get(b, h, i, c) - expected.row(b, h, i)[c];
    if (!std::isfinite(difference)) return 0;
    square += difference * difference;
  }
  return std::sqrt(square);
}

}  // namespace

SplitRun run_split(const Problem& problem, const std::string& spec, int threads, DType out_type) {
  const Shape4& q = problem.query.shape;
  SplitRun run{{TensorBuffer(out_type, {q[0], q[1], q[2], problem.value.shape[3]}),
                TensorBuffer(DType::f32, {q[0], q[1], q[2], 1}),
                {}},
               TensorBuffer(DType::f32, {q[0], q[1], q[2], 1})};
  Options options;
  options.threads = threads;
  run.forward.report = attend(problem, spec,
                              {run.forward.out.mutable_view(), run.forward.lse.mutable_view(),
                               run.row_error.mutable_view()},
                              options);
  return run;
}

bool is_split(const Report& report) { return report.path.find("split") != std::string::npos; }

void expect_bounded(const Problem& problem, const SplitRun& run,
                    const ReferenceAttention& reference, NonFinite rule) {
  const TensorBuffer& out = run.forward.out;
  const double width = std::sqrt(static_cast<double>(out.shape()[3]));
  const double in_f32 = 2e-6 * std::max(1.0, reference.max_score) * reference.max_value * width;
  double most_over = 0;
  run.row_error.for_each([&](auto b, auto h, auto i, auto) {
    const double bound = run.row_error.get(b, h, i, 0);
    EXPECT_FALSE(std::isnan(bound));
    const double error = error_of(out, reference.out, b, h, i);
    most_over = std::max(most_over, error - (bound > 0 ? bound : in_f32));
  });
  EXPECT_LE(most_over, 0) << run.forward.report.path;
  out.for_each([&](auto b, auto h, auto i, auto c) {
    const double expected = reference.out.row(b, h, i)[c], found = out.get(b, h, i, c);
    if (!std::isfinite(expected) || !std::isfinite(found)) {
      EXPECT_TRUE(same_non_finite(found, expected, rule)) << found << " for " << expected;
    }
  });
  double largest_lse = 0;
  for (const double lse : reference.lse.values)
    if (std::isfinite(lse)) largest_lse = std::max(largest_lse, std::fabs(lse));
  EXPECT_LE(max_difference(run.forward.lse, reference.lse),
            2e-5 * std::max(1.0, reference.max_score) + 1.2e-7 * largest_lse);
  EXPECT_EQ(run.forward.report.rows,
            problem.query.batch() * problem.query.heads() * problem.query.length());
}

void expect_same_split(const SplitRun& a, const SplitRun& b) {
  EXPECT_EQ(a.forward.out.words(), b.forward.out.words());
  EXPECT_EQ(a.forward.lse.words(), b.forward.lse.words());
  EXPECT_EQ(a.row_error.words(), b.row_error.words());
  EXPECT_EQ(a.forward.report.path, b.forward.report.path);
}

}  // namespace subquad::testing
