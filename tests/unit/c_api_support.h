// C++ problems and views as the C interface takes them, and what it gives back.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "subquad/problem.h"
#include "subquad/subquad.h"
#include "support/tensor_buffer.h"

namespace subquad::testing {

subquad_tensor c_tensor(const TensorView& view);

subquad_problem c_problem(const Problem& from);

// Options by key.
class COptions {
 public:
  COptions() : options_(subquad_options_create(), subquad_options_free) {}
  COptions(std::initializer_list<std::pair<const char*, const char*>> values);
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
  std::int64_t integer(const char* key, std::int64_t row = 0) const;
  double number(const char* key, std::int64_t row = 0) const;
  std::string text(const char* key, std::int64_t row = 0) const;
  std::vector<std::int64_t> integers(const char* key, std::int64_t row = 0) const;
  std::vector<double> numbers(const char* key, std::int64_t row = 0) const;

 private:
  static void expect_ok(subquad_status status) {
    EXPECT_EQ(SUBQUAD_OK, status) << subquad_last_error();
  }
  std::unique_ptr<subquad_result, void (*)(subquad_result*)> result_;
};

// The same number, or both NaN.
void expect_same(double got, double want);

// The call failed for the caller's input, and says so with `text`.
void expect_refused(subquad_status status, const std::string& text);

}  // namespace subquad::testing
