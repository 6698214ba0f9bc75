#include "property/same_bits_support.h"

#include <cmath>
#include <cstdint>
#include <string>

#include <gtest/gtest.h>

namespace subquad::testing {

void expect_same_bits(const MethodRun& a, const MethodRun& b) {
  EXPECT_EQ(a.out.words(), b.out.words());
  EXPECT_EQ(a.lse.words(), b.lse.words());
  EXPECT_EQ(a.row_error.words(), b.row_error.words());
  EXPECT_EQ(a.report.fallback_rows, b.report.fallback_rows);
  EXPECT_EQ(a.report.scored_entries, b.report.scored_entries);
}

void check_threads(const Problem& problem, const std::string& spec) {
  const MethodRun single = run_method(problem, spec, 1, 5);
  for (const int threads : {2, 3, 7})
    expect_same_bits(single, run_method(problem, spec, threads, 5));
}

Problem batch_element(Problem problem, std::int64_t b) {
  for (TensorView* view : {&problem.query, &problem.key, &problem.value})
    *view = batch_element_view(*view, b);
  Mask& mask = problem.mask;
  if (mask.kind != MaskKind::none && mask.shape[0] != 1) {
    const std::int64_t size = mask.kind == MaskKind::boolean ? 1 : 4;
    mask.data = static_cast<const char*>(mask.data) + b * mask.stride[0] * size;
    mask.shape[0] = 1;
  }
  return problem;
}

void expect_element(const TensorBuffer& all, const TensorBuffer& alone, std::int64_t element) {
  std::int64_t mismatches = 0;
  alone.for_each([&](auto b, auto h, auto i, auto c) {
    const double a = all.get(b + element, h, i, c), other = alone.get(b, h, i, c);
    mismatches += a == other || (std::isnan(a) && std::isnan(other)) ? 0 : 1;
  });
  EXPECT_EQ(mismatches, 0);
}

void check_batch(const Problem& problem, const std::string& spec) {
  const MethodRun all = run_method(problem, spec);
  for (std::int64_t b = problem.query.batch() - 1; b >= 0; --b) {
    const MethodRun alone = run_method(batch_element(problem, b), spec);
    expect_element(all.out, alone.out, b);
    expect_element(all.lse, alone.lse, b);
    expect_element(all.row_error, alone.row_error, b);
  }
}

}  // namespace subquad::testing
