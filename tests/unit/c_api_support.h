// C++ problems and views as the C interface takes them, and what it gives back.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "subquad/problem.h"
#include "subquad/subquad.h"
#include "support/tensor_buffer.h"

namespace subquad::testing {

inline subquad_tensor c_tensor(const TensorView& view) {
  subquad_tensor tensor{const_cast<void*>(view.data), static_cast<int>(view.dtype), {}, {}};
  std::copy(view.shape.begin(), view.shape.end(), tensor.shape);
  std::copy(view.stride.begin(), view.stride.end(), tensor.stride);
  return tensor;
}

inline subquad_problem c_problem(const Problem& from) {
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

// Options by key.
class COptions {
 public:
  COptions() : options_(subquad_options_create(), subquad_options_free) {}
  COptions(std::initializer_list<std::pair<const char*, const char*>> values) : COptions() {
    for (const auto& [key, value] : values)
      EXPECT_EQ(SUBQUAD_OK, subquad_options_set(get(), key, value)) << subquad_last_error();
  }
  subquad_options* get() const { return options_.get(); }

 private:
  std::unique_ptr<subquad_options, void (*)(subquad_options*)> options_;
};

// A result read by key, every time with the kind of value that the key must have.
class CResult {
 public:
  CResult() : result_(subquad_result_create(), subquad_result_free) {}
  subquad_result* get() const { return result_.get(); }

  std::int64_t rows() const { return subquad_result_num_rows(get()); }
  std::int64_t integer(const char* key, std::int64_t row = 0) const {
    std::int64_t value = 0;
    expect_ok(subquad_result_integer(get(), key, row, &value));
    return value;
  }
  double number(const char* key, std::int64_t row = 0) const {
    double value = 0;
    expect_ok(subquad_result_number(get(), key, row, &value));
    return value;
  }
  std::string text(const char* key, std::int64_t row = 0) const {
    const char* value = "";
    expect_ok(subquad_result_text(get(), key, row, &value));
    return value;
  }
  std::vector<std::int64_t> integers(const char* key, std::int64_t row = 0) const {
    const std::int64_t* values = nullptr;
    std::int64_t count = 0;
    expect_ok(subquad_result_integers(get(), key, row, &values, &count));
    return {values, values + count};
  }
  std::vector<double> numbers(const char* key, std::int64_t row = 0) const {
    const double* values = nullptr;
    std::int64_t count = 0;
    expect_ok(subquad_result_numbers(get(), key, row, &values, &count));
    return {values, values + count};
  }

 private:
  static void expect_ok(subquad_status status) {
    EXPECT_EQ(SUBQUAD_OK, status) << subquad_last_error();
  }
  std::unique_ptr<subquad_result, void (*)(subquad_result*)> result_;
};

// The same number, or both NaN.
inline void expect_same(double got, double want) {
  if (std::isnan(want))
    EXPECT_TRUE(std::isnan(got));
  else
    EXPECT_EQ(got, want);
}

// The call failed for the caller's input, and says so with `text`.
inline void expect_refused(subquad_status status, const std::string& text) {
  EXPECT_EQ(SUBQUAD_INVALID_ARGUMENT, status) << text;
  EXPECT_NE(std::string(subquad_last_error()).find(text), std::string::npos)
      << "'" << subquad_last_error() << "' does not say '" << text << "'";
  EXPECT_EQ(std::string(subquad_last_error()).find('\n'), std::string::npos);
}

}  // namespace subquad::testing
