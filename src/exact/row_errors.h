// The bounds on the errors of a head's rows, and what they come to.
#pragma once

#include <cstdint>
#include <vector>

#include "rows/head_problem.h"
#include "rows/split_error.h"
#include "subquad/attention.h"

namespace subquad {

// Over rows; those that are not finite have no error.
struct ErrorTotals {
  double error_square = 0, out_square = 0;
  double largest = 0;  // bound of a row, what storing `out` rounds off included

  void add(const ErrorTotals& other);
};

class RowErrors {
 public:
  explicit RowErrors(const HeadProblem& head)
      : head_(head), errors_(static_cast<std::size_t>(head.num_rows())) {}

  // The larger of what it is and this: of part of a row's keys. From any thread.
  void raise(std::int64_t row, const RowError& error);
  void set(std::int64_t row, const RowError& error) {
    errors_[static_cast<std::size_t>(row)] = error;
  }
  float absolute(std::int64_t row) const {
    return errors_[static_cast<std::size_t>(row)].absolute();
  }

  // Of outputs that are written.
  ErrorTotals totals(const Outputs& outputs) const;

 private:
  HeadProblem head_;
  std::vector<RowError> errors_;
};

}  // namespace subquad
