#include "unit/c_api_support.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace subquad::testing {

subquad_tensor c_tensor(const TensorView& view) {
  subquad_tensor tensor{const_cast<void*>(view.data), static_cast<int>(view.dtype), {}, {}};
  std::copy(view.shape.begin(), view.shape.end(), tensor.shape);
  std::copy(view.stride.begin(), view.stride.end(), tensor.stride);
  return tensor;
}

subquad_problem c_problem(const Problem& from) {
  subquad_problem problem = subquad_problem_default();
  problem.query = c_tensor(from.query);
  problem.key = c_tensor(from.key);
  problem.value = c_tensor(from.value);
  problem.has_scale = from.scale ? 1 : 0;
  problem.scale = from.scale.value_or(0);
  problem.causal = static_cast<int>(from.causal);
  problem.window_left = from.window.left;
  problem.window_right = from.window.right;
  problem.window_bottom_right = from.window.alignment == Alignment::bottom_right ? 1 : 0;
  problem.mask_kind = static_cast<int>(from.mask.kind);
  problem.mask = from.mask.data;
  std::copy(from.mask.shape.begin(), from.mask.shape.end(), problem.mask_shape);
  std::copy(from.mask.stride.begin(), from.mask.stride.end(), problem.mask_stride);
  problem.sink_logits = from.sink_logits.data();
  problem.num_sink_logits = std::ssize(from.sink_logits);
  problem.query_offsets = from.query_offsets.data();
  problem.key_offsets = from.key_offsets.data();
  problem.num_offsets = std::ssize(from.query_offsets);
  return problem;
}

COptions::COptions(std::initializer_list<std::pair<const char*, const char*>> values) : COptions() {
  for (const auto& [key, value] : values)
    EXPECT_EQ(SUBQUAD_OK, subquad_options_set(get(), key, value)) << subquad_last_error();
}

std::int64_t CResult::integer(const char* key, std::int64_t row) const {
  std::int64_t value = 0;
  expect_ok(subquad_result_integer(get(), key, row, &value));
  return value;
}

double CResult::number(const char* key, std::int64_t row) const {
  double value = 0;
  expect_ok(subquad_result_number(get(), key, row, &value));
  return value;
}

std::string CResult::text(const char* key, std::int64_t row) const {
  const char* value = "";
  expect_ok(subquad_result_text(get(), key, row, &value));
  return value;
}

std::vector<std::int64_t> CResult::integers(const char* key, std::int64_t row) const {
  const std::int64_t* values = nullptr;
  std::int64_t count = 0;
  expect_ok(subquad_result_integers(get(), key, row, &values, &count));
  return {values, values + count};
}

std::vector<double> CResult::numbers(const char* key, std::int64_t row) const {
  const double* values = nullptr;
  std::int64_t count = 0;
  expect_ok(subquad_result_numbers(get(), key, row, &values, &count));
  return {values, values + count};
}

void expect_same(double got, double want) {
  if (std::isnan(want))
    EXPECT_TRUE(std::isnan(got));
  else
    EXPECT_EQ(got, want);
}

void expect_refused(subquad_status status, const std::string& text) {
  EXPECT_EQ(SUBQUAD_INVALID_ARGUMENT, status) << text;
  EXPECT_NE(std::string(subquad_last_error()).find(text), std::string::npos)
      << "'" << subquad_last_error() << "' does not say '" << text << "'";
  EXPECT_EQ(std::string(subquad_last_error()).find('\n'), std::string::npos);
}

}  // namespace subquad::testing
